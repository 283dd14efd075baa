"""OpenAI: responses, chat completions and models of the sandbox, against OpenAI's description and its own SDK."""

from __future__ import annotations

import openai
import pydantic
import pytest

SPEC = "openai/openapi.json"
KEY = {"Authorization": "Bearer sandbox-openai-key"}
ERROR = "#/components/schemas/ErrorResponse"
SCHEMA = {
    "type": "object", "additionalProperties": False, "required": ["subject", "body"],
    "properties": {"subject": {"type": "string"}, "body": {"type": "string"}},
}  # fmt: skip
FORMAT = {"type": "json_schema", "name": "mail", "strict": True, "schema": SCHEMA}
RESPONSE = {
    "model": "gpt-5-nano",
    "input": "The page takes 8.4 seconds to load.",
    "store": False,
    "text": {"format": FORMAT},
}
CHAT = {
    "model": "gpt-5-nano", "messages": [{"role": "user", "content": "The page takes 8.4 seconds to load."}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "mail", "strict": True, "schema": SCHEMA}},
}  # fmt: skip
TEMPLATES = {
    "/responses": ("POST", {"json": RESPONSE}),
    "/chat/completions": ("POST", {"json": CHAT}),
    "/models": ("GET", {}),
    "/models/{model}": ("GET", {"path": "/v1/models/gpt-5-nano"}),
    "/responses/{response_id}": ("GET", {"path": "/v1/responses/{made}", "before": lambda http: _stored(http)}),
}


class Mail(pydantic.BaseModel):
    subject: str
    body: str


def _stored(http) -> str:
    """The id of a stored response, made while no fault is on."""
    return http.post("/openai/v1/responses", headers=KEY, json=RESPONSE | {"store": True}).json()["id"]


def _cells():
    for template, (method, extra) in TEMPLATES.items():
        extra = {"path": f"/v1{template}", **extra}
        yield method, template, 200, extra
        yield method, template, 401, extra | {"headers": {}}
        for status in (429, 500, 503):
            yield method, template, status, extra | {"fault": (status, "")}
    for template in ("/responses", "/chat/completions"):
        body = {k: v for k, v in TEMPLATES[template][1]["json"].items() if k != "model"}
        yield "POST", template, 400, {"path": f"/v1{template}", "json": body, "lawful": False}
    yield "GET", "/models/{model}", 404, {"path": "/v1/models/gpt-none"}
    yield "GET", "/responses/{response_id}", 404, {"path": "/v1/responses/resp_none"}
    yield "DELETE", "/responses/{response_id}", 200, TEMPLATES["/responses/{response_id}"][1]
    yield "DELETE", "/responses/{response_id}", 404, {"path": "/v1/responses/resp_none"}


CELLS = list(_cells())


@pytest.mark.parametrize(("method", "template", "status", "extra"), CELLS, ids=[f"{m} {t}-{s}" for m, t, s, _ in CELLS])
def test_the_answer_satisfies_the_description(exercise, Case, method, template, status, extra):
    case = Case(
        name="", method=method, template=template, status=status, spec=SPEC, error_schema=ERROR, undocumented=status >= 400,
        **{"headers": KEY, **extra},
    )  # fmt: skip
    exercise("openai", case)


def test_every_served_operation_of_the_description_has_a_case(specs):
    unused = {("POST", "/embeddings"), ("GET", "/chat/completions"), ("DELETE", "/models/{model}")}
    described = {(m.upper(), t) for t, operations in specs(SPEC).document["paths"].items() for m in operations}
    assert described - unused == {(method, template) for method, template, _, _ in CELLS}


@pytest.mark.parametrize("mode", ["refuse", "incomplete", "obedient-victim", "unsupported_number"])
@pytest.mark.parametrize("template", ["/responses", "/chat/completions"])
def test_every_way_of_going_wrong_is_described(exercise, Case, state, template, mode):
    state.options["openai_mode"] = mode
    body = TEMPLATES[template][1]["json"]
    exercise(
        "openai",
        Case(
            name="",
            method="POST",
            template=template,
            status=200,
            spec=SPEC,
            path=f"/v1{template}",
            headers=KEY,
            json=body,
        ),
    )


def test_every_parameter_of_a_response_is_known(specs):
    from sandbox.vendors.openai_request import _RESPONSE_FIELDS

    assert _properties(specs(SPEC), {"$ref": "#/components/schemas/CreateResponse"}) == set(_RESPONSE_FIELDS)


def test_every_model_is_one_the_description_names(specs):
    from sandbox.vendors.openai import MODELS

    named = specs(SPEC).document["components"]["schemas"]["ModelIdsShared"]["anyOf"][1]["enum"]
    assert set(MODELS) <= set(named)


def _properties(spec, node) -> set[str]:
    node = spec.resolved(node)
    return set(node.get("properties", {})) | {
        name for part in node.get("allOf", []) for name in _properties(spec, part)
    }


@pytest.fixture
def client(base_url):
    with openai.OpenAI(api_key="sandbox-openai-key", base_url=f"{base_url}/openai/v1", max_retries=0) as client:
        yield client


def test_the_sdk_parses_a_structured_answer(client):
    response = client.responses.parse(
        model="gpt-5-nano", input="It takes 8.4 seconds to load the page.", text_format=Mail
    )
    assert "8.4 seconds" in response.output_parsed.body
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert response._request_id.startswith("req_")


def test_the_sdk_parses_a_chat_answer(client):
    message = [{"role": "user", "content": "It takes 8.4 seconds to load the page."}]
    parsed = client.chat.completions.parse(model="gpt-5-nano", messages=message, response_format=Mail)
    assert "8.4 seconds" in parsed.choices[0].message.parsed.body


def test_the_sdk_sees_a_refusal(client, state):
    state.options["openai_mode"] = "refuse"
    response = client.responses.parse(model="gpt-5-nano", input="It takes 8 seconds.", text_format=Mail)
    assert response.output_parsed is None
    assert response.output[0].content[0].type == "refusal"


def test_the_sdk_fails_on_an_answer_that_was_cut_off(client, state):
    state.options["openai_mode"] = "incomplete"
    with pytest.raises(pydantic.ValidationError):
        client.responses.parse(model="gpt-5-nano", input="It takes 8 seconds.", text_format=Mail)


def test_the_sdk_sees_an_exhausted_account(client, state):
    state.options["openai_mode"] = "insufficient_quota"
    with pytest.raises(openai.RateLimitError) as caught:
        client.responses.create(model="gpt-5-nano", input="Hello")
    assert caught.value.code == "insufficient_quota"


def test_the_sdk_sees_a_wrong_key(base_url):
    with (
        openai.OpenAI(api_key="wrong", base_url=f"{base_url}/openai/v1", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.models.list()
    assert caught.value.code == "invalid_api_key"


def test_the_sdk_lists_models(client):
    assert "gpt-5-nano" in [model.id for model in client.models.list()]
