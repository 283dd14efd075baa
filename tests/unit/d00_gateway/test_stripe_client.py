"""Stripe: what leaves through the official SDK, and that a key stays the same over attempts."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.settings import Settings
from tests.unit.d00_gateway.hostile_answers import HOSTILE

SESSION = {"id": "cs_1", "object": "checkout.session", "url": "https://pay.example", "payment_intent": None}
CHECKOUT = {
    "amount_cents": 19_900, "currency": "usd", "product_name": "Audit", "metadata": {"purchase_id": "p1"},
    "idempotency_key": "checkout:p1", "success_url": "https://lf.example/ok", "cancel_url": "https://lf.example/no",
}  # fmt: skip


@pytest.fixture
def stripe(gateway_of, vendor):
    return StripeClient(gateway_of("stripe"), Settings(env="test", stripe_base_url=vendor.base_url))


async def create(stripe, **changes):
    async with stripe.gateway.running():
        return await stripe.create_checkout(**{**CHECKOUT, **changes})


def headers(request):
    lines = request.partition(b"\r\n\r\n")[0].decode().splitlines()[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def test_a_checkout_is_a_plain_dict_in_stripes_own_form(stripe, vendor):
    vendor.answers = [(200, {}, SESSION)]
    assert await create(stripe) == SESSION


async def test_the_payment_carries_the_metadata_too(stripe, vendor):
    vendor.answers = [(200, {}, SESSION)]
    await create(stripe)
    sent = parse_qs(vendor.requests[0].partition(b"\r\n\r\n")[2].decode())
    assert sent["metadata[purchase_id]"] == ["p1"]
    assert sent["payment_intent_data[metadata][purchase_id]"] == ["p1"]
    assert sent["line_items[0][price_data][unit_amount]"] == ["19900"]


async def test_every_attempt_has_the_same_key_and_a_ledger_row(stripe, vendor, ledger_of):
    vendor.answers = [(500, {}, {"error": {"type": "api_error"}}), "reset", (200, {}, SESSION)]
    await create(stripe)
    assert {headers(request)["idempotency-key"] for request in vendor.requests} == {"checkout:p1"}
    assert [row.status for row in ledger_of()] == ["unavailable", "unknown", "ok"]


async def test_the_sdk_adds_no_attempts_and_no_telemetry(stripe, vendor):
    vendor.answers = [(500, {"stripe-should-retry": "true"}, {"error": {"type": "api_error"}})]
    with pytest.raises(VendorUnavailable):
        await create(stripe)
    assert len(vendor.requests) == 3
    assert not any("x-stripe-client-telemetry" in headers(request) for request in vendor.requests)


@pytest.mark.parametrize(
    ("status", "error", "kind", "reason"),
    [
        (400, {"type": "invalid_request_error", "message": "No"}, VendorRejected, "bad_request"),
        (402, {"type": "card_error", "code": "card_declined"}, VendorRejected, "payment_required"),
        (404, {"type": "invalid_request_error", "code": "resource_missing"}, VendorRejected, "not_found"),
        (401, {"type": "invalid_request_error"}, VendorUnavailable, "invalid_key"),
        (409, {"type": "idempotency_error"}, VendorUnavailable, "conflict"),
        (429, {"type": "invalid_request_error", "code": "rate_limit"}, VendorUnavailable, "too_many_requests"),
    ],
)
async def test_each_error_of_stripes_is_one_of_ours(stripe, vendor, status, error, kind, reason):
    vendor.answers = [(status, {}, {"error": error})]
    with pytest.raises(kind) as caught:
        await create(stripe)
    assert caught.value.reason == reason


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
async def test_an_answer_of_another_shape_is_a_fault_with_a_reason(stripe, vendor, ledger_of, answer):
    vendor.answers = [answer]
    with pytest.raises(VendorUnavailable) as caught:
        await create(stripe)
    assert caught.value.reason == "malformed_answer"
    assert {row.reason for row in ledger_of()} == {"malformed_answer"}


@pytest.mark.parametrize("wrong", [{"id": None}, {"object": "refund"}, {"object": None}])
async def test_another_object_than_the_one_asked_for_is_a_fault(stripe, vendor, wrong):
    vendor.answers = [(200, {}, SESSION | wrong)]
    with pytest.raises(VendorUnavailable, match="malformed_answer"):
        await create(stripe)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": "x" * 256}, "256"),
        ({"amount_cents": 0}, "amount_cents=0"),
    ],
)
async def test_what_stripe_would_refuse_is_refused_here(stripe, vendor, changes, names):
    with pytest.raises(ValueError, match=names):
        await create(stripe, **changes)
    assert vendor.requests == []


async def test_the_ping_tells_a_live_key_from_a_test_key(stripe, vendor):
    vendor.answers = [(200, {}, {"object": "balance", "livemode": True, "available": [], "pending": []})]
    async with stripe.gateway.running():
        assert await stripe.ping() == "ok, live"
