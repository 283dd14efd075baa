"""OpenAI: what leaves through the official SDK, what an answer costs, and how each kind of no is told."""

from __future__ import annotations

import json

import pydantic
import pytest

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.openai import OpenAIClient, tokens_at_most
from leadfactory.d00_gateway.policies import PoliciesError
from leadfactory.settings import Settings
from tests.unit.d00_gateway.hostile_answers import HOSTILE

PRICES = {
    f"gpt-5-mini/{way}": {"microusd": price, "per": "million_tokens", "source": "test", "as_of": "2026-01-01"}
    for way, price in (("input", 250_000), ("output", 2_000_000))
}
USAGE = {
    "input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100, "input_tokens_details": {"cached_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}  # fmt: skip


class Note(pydantic.BaseModel):
    """What the tests ask for."""

    subject: str


def response(*contents, **changes):
    message = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": list(contents)}
    whole = {
        "id": "r1", "object": "response", "created_at": 1, "model": "gpt-5-mini-2026", "status": "completed", "output": [message],
        "usage": USAGE, "parallel_tool_calls": False, "tool_choice": "none", "tools": [],
    }  # fmt: skip
    return (200, {}, whole | changes)


def text(value):
    return {"type": "output_text", "text": value, "annotations": []}


GOOD = response(text('{"subject": "Your site"}'))


@pytest.fixture
def openai(gateway_of, vendor):
    return OpenAIClient(
        gateway_of("openai", prices=PRICES), Settings(env="test", openai_base_url=f"{vendor.base_url}/v1")
    )


async def parse(openai, **changes):
    async with openai.gateway.running():
        asked = {"instructions": "Write.", "input_text": "score 12", "schema": Note, "max_output_tokens": 400}
        return await openai.parse(**asked | changes)


async def test_an_answer_comes_back_as_the_schemas_own_type_with_its_cost(openai, vendor):
    vendor.answers = [GOOD]
    found = await parse(openai)
    assert found.value == Note(subject="Your site")
    assert (found.model, found.input_tokens, found.output_tokens) == ("gpt-5-mini-2026", 1000, 100)
    assert found.cost_microusd == 1000 * 250_000 // 1_000_000 + 100 * 2_000_000 // 1_000_000


async def test_nothing_is_stored_at_the_vendor_and_the_schema_is_strict(openai, vendor):
    vendor.answers = [GOOD]
    await parse(openai)
    sent = json.loads(vendor.requests[0].partition(b"\r\n\r\n")[2])
    assert sent["store"] is False
    assert sent["max_output_tokens"] == 400
    wanted = sent["text"]["format"]
    assert (wanted["type"], wanted["strict"]) == ("json_schema", True)
    assert (wanted["schema"]["required"], wanted["schema"]["additionalProperties"]) == (["subject"], False)


async def test_the_ledger_reserves_the_worst_case_and_settles_at_the_usage(openai, vendor, ledger_of):
    vendor.answers = [GOOD]
    found = await parse(openai)
    (row,) = ledger_of()
    assert row.cost_microusd == found.cost_microusd
    assert row.reserved_microusd > 400 * 2_000_000 // 1_000_000


async def test_an_answer_without_usage_costs_the_worst_case(openai, vendor, ledger_of):
    vendor.answers = [response(status="incomplete", incomplete_details={"reason": "max_output_tokens"}, usage=None)]
    with pytest.raises(VendorRejected):
        await parse(openai)
    (row,) = ledger_of()
    assert row.cost_microusd == row.reserved_microusd


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (response({"type": "refusal", "refusal": "I will not."}), "refusal"),
        (response(status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "incomplete"),
        (response(status="incomplete", incomplete_details={"reason": "content_filter"}), "content_filter"),
        (response(status="incomplete", incomplete_details=None), "incomplete"),
        (response(text('{"subject": 5}')), "invalid_output"),
        (response(text("{")), "invalid_output"),
        (response(), "invalid_output"),
        (response(output=[]), "invalid_output"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_rejected_by_name_and_asked_once(openai, vendor, answer, reason):
    vendor.answers = [answer]
    with pytest.raises(VendorRejected) as caught:
        await parse(openai)
    assert caught.value.reason == reason
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
async def test_an_answer_of_another_shape_is_a_fault_with_a_reason(openai, vendor, ledger_of, answer):
    vendor.answers = [answer]
    with pytest.raises(VendorUnavailable) as caught:
        await parse(openai)
    assert caught.value.reason == "malformed_answer"
    assert {row.reason for row in ledger_of()} == {"malformed_answer"}


@pytest.mark.parametrize(
    "changes",
    [
        {"output": None}, {"output": [None]}, {"output": [{}]}, {"output": [{"type": "message", "content": "x"}]},
        {"output": [{"type": "message", "content": [text(None)]}]}, {"usage": None}, {"usage": "many"}, {"usage": {}},
        {"status": None},
    ],
)  # fmt: skip
async def test_nulls_where_the_sdk_expects_values_are_faults(openai, vendor, changes):
    vendor.answers = [response(text('{"subject": "x"}'), **changes)]
    with pytest.raises(VendorUnavailable, match="malformed_answer"):
        await parse(openai)


@pytest.mark.parametrize(
    ("answer", "reason", "attempts"),
    [
        ((429, {}, {"error": {"code": "insufficient_quota", "message": "pay"}}), "insufficient_quota", 1),
        ((401, {}, {"error": {"code": "invalid_api_key", "message": "no"}}), "invalid_key", 1),
        ((500, {}, {"error": {"message": "oops"}}), "server_error", 3),
        ("reset", "connection_lost", 3),
    ],
)
async def test_the_gateways_error_comes_out_from_under_the_sdk_and_the_sdk_adds_no_attempt(
    openai, vendor, answer, reason, attempts
):
    vendor.answers = [answer]
    with pytest.raises(VendorUnavailable) as caught:
        await parse(openai)
    assert caught.value.reason == reason
    assert len(vendor.requests) == attempts


async def test_a_request_that_the_vendor_refuses_is_rejected(openai, vendor):
    vendor.answers = [(400, {}, {"error": {"code": "invalid_json_schema", "message": "schema"}})]
    with pytest.raises(VendorRejected) as caught:
        await parse(openai)
    assert caught.value.reason == "bad_request"


async def test_too_few_tokens_are_refused_before_the_call(openai, vendor):
    with pytest.raises(ValueError, match="max_output_tokens=15"):
        await parse(openai, max_output_tokens=15)
    assert vendor.requests == []


async def test_a_model_without_a_price_is_refused_before_the_call(openai, vendor):
    with pytest.raises(PoliciesError, match="gpt-9/input"):
        await parse(openai, model="gpt-9")
    assert vendor.requests == []


def test_text_outside_ascii_counts_by_its_bytes():
    assert tokens_at_most("x" * 300) == 100
    assert tokens_at_most("店" * 100) >= 300
