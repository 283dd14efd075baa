"""The Stripe client, its SDK and the sandbox together: one checkout a key, whatever happens to the answers."""

from __future__ import annotations

import uuid

import pytest
from pydantic import SecretStr

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.stripe import StripeClient


@pytest.fixture
def stripe(gateway, settings):
    return StripeClient(gateway, settings)


async def checkout(stripe, key=None, **changes):
    asked = {
        "amount_cents": 19_900, "currency": "usd", "product_name": "Website audit", "metadata": {"purchase_id": "p1"},
        "idempotency_key": key or f"checkout:{uuid.uuid4()}", "success_url": "https://lf.example/ok?s={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://lf.example/no", "customer_email": "owner@joes.example",
    }  # fmt: skip
    return await stripe.create_checkout(**asked | changes)


async def test_a_checkout_is_open_with_a_page_to_pay_at(stripe):
    session = await checkout(stripe)
    assert (session["status"], session["payment_status"], session["amount_total"]) == ("open", "unpaid", 19_900)
    assert session["url"].startswith("http")


async def test_a_checkout_can_be_read_again_with_its_items(stripe):
    session = await checkout(stripe)
    read = await stripe.retrieve_checkout(session["id"])
    assert read["id"] == session["id"]
    assert [item["amount_total"] for item in read["line_items"]["data"]] == [19_900]


async def test_a_lost_answer_is_repeated_under_the_same_key_and_makes_no_second_checkout(stripe, fault):
    fault(vendor="stripe", kind="lost", count=1)
    key = f"checkout:{uuid.uuid4()}"
    first = await checkout(stripe, key)
    assert (await checkout(stripe, key))["id"] == first["id"]


async def test_the_same_key_for_another_amount_is_refused(stripe):
    key = f"checkout:{uuid.uuid4()}"
    await checkout(stripe, key)
    with pytest.raises(VendorRejected) as caught:
        await checkout(stripe, key, amount_cents=100)
    assert caught.value.reason == "bad_request"


async def test_a_checkout_that_stripe_does_not_know_is_rejected(stripe):
    with pytest.raises(VendorRejected) as caught:
        await stripe.retrieve_checkout("cs_test_nope")
    assert caught.value.reason == "not_found"


async def test_a_refund_of_a_payment_that_stripe_does_not_know_is_rejected(stripe):
    with pytest.raises(VendorRejected) as caught:
        await stripe.refund(payment_intent="pi_nope", amount_cents=100, idempotency_key=str(uuid.uuid4()))
    assert caught.value.reason == "not_found"


async def test_a_wrong_key_is_ours_to_mend(gateway, settings):
    client = StripeClient(gateway, settings.model_copy(update={"stripe_api_key": SecretStr("sk_test_wrong")}))
    with pytest.raises(VendorUnavailable) as caught:
        await client.ping()
    assert caught.value.reason == "invalid_key"


async def test_the_ping_reads_the_balance(stripe):
    assert await stripe.ping() == "ok, test mode"


@pytest.mark.parametrize("kind", ["5xx", "429", "reset", "malformed"])
async def test_a_single_fault_is_survived(stripe, fault, kind):
    fault(vendor="stripe", kind=kind, count=1)
    assert (await checkout(stripe))["status"] == "open"
