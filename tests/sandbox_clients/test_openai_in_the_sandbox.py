"""The OpenAI client, its SDK and the sandbox together: structured answers and each way of not getting one."""

from __future__ import annotations

import httpx
import pydantic
import pytest
from pydantic import SecretStr

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.openai import OpenAIClient


class Note(pydantic.BaseModel):
    """What the tests ask for."""

    subject: str
    findings: list[str]


@pytest.fixture
def openai(gateway, settings):
    return OpenAIClient(gateway, settings)


@pytest.fixture
def mode(sandbox):
    """Sets how the sandbox's model behaves, until the end of the test."""

    def choose(name):
        httpx.post(f"{sandbox.base_url}/_admin/options", json={"openai_mode": name}).raise_for_status()

    yield choose
    choose("normal")


async def parse(openai, **changes):
    asked = {
        "instructions": "Write a note.",
        "input_text": "Performance 31 of 100.",
        "schema": Note,
        "max_output_tokens": 400,
    }
    return await openai.parse(**asked | changes)


async def test_an_answer_fits_the_schema_and_costs_what_it_used(openai):
    found = await parse(openai)
    assert isinstance(found.value, Note)
    assert found.cost_microusd == -(-(found.input_tokens * 250_000 + found.output_tokens * 2_000_000) // 1_000_000)


@pytest.mark.parametrize(("name", "reason"), [("refuse", "refusal"), ("incomplete", "incomplete")])
async def test_an_answer_that_cannot_be_used_is_rejected_by_name(openai, mode, name, reason):
    mode(name)
    with pytest.raises(VendorRejected) as caught:
        await parse(openai)
    assert caught.value.reason == reason


async def test_an_account_without_money_stops_at_once(openai, mode):
    mode("insufficient_quota")
    with pytest.raises(VendorUnavailable) as caught:
        await parse(openai)
    assert caught.value.reason == "insufficient_quota"


async def test_a_wrong_key_is_ours_to_mend(gateway, settings):
    client = OpenAIClient(gateway, settings.model_copy(update={"openai_api_key": SecretStr("wrong")}))
    for call in (client.ping(), parse(client)):
        with pytest.raises(VendorUnavailable) as caught:
            await call
        assert caught.value.reason == "invalid_key"


@pytest.mark.parametrize("kind", ["5xx", "429", "reset", "lost", "malformed"])
async def test_a_single_fault_is_survived(openai, fault, kind):
    fault(vendor="openai", kind=kind, count=1)
    assert isinstance((await parse(openai)).value, Note)


async def test_the_ping_asks_no_model(openai):
    assert await openai.ping() == "ok"
