"""How the sandbox's Stripe keeps its books: what is refused, what a payment, an expiry and a refund change and announce."""

from __future__ import annotations

import datetime as dt
import types

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sandbox.faults import Faults
from sandbox.vendors import stripe
from sandbox.vendors.stripe_request import BadRequest, unbracketed

KEY = {"Authorization": "Bearer key"}
ORDER = {
    "mode": "payment", "success_url": "https://shop.example/ok?s={CHECKOUT_SESSION_ID}", "metadata[lead_id]": "7",
    "line_items[0][quantity]": "2", "line_items[0][price_data][currency]": "usd",
    "line_items[0][price_data][unit_amount]": "9950", "line_items[0][price_data][product_data][name]": "Audit <b>",
    "payment_intent_data[metadata][lead_id]": "7",
}  # fmt: skip


class Truth(list):
    def accepted(self, vendor, kind, vendor_id, **fields):
        self.append((kind, vendor_id, fields))


@pytest.fixture
def state():
    clock = types.SimpleNamespace(at=dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC))
    clock.now = lambda: clock.at
    return types.SimpleNamespace(
        faults=Faults(),
        world=types.SimpleNamespace(seed=3),
        truth=Truth(),
        keys={"stripe": {"key"}},
        options={},
        clock=clock,
    )


@pytest.fixture
def client(state):
    return TestClient(Starlette(routes=stripe.routes(state)), headers=KEY, follow_redirects=False)


def order(client, headers=None, **change):
    data = {k: v for k, v in (ORDER | change).items() if v is not None}
    return client.post("/v1/checkout/sessions", data=data, headers=headers)


def paid(client):
    session = order(client).json()["id"]
    assert (
        client.post(f"/pay/{session}", data={"email": "o@x.example", "card": "4242 4242 4242 4242"}).status_code == 303
    )
    return client.get(f"/v1/checkout/sessions/{session}").json()


def types_of(client):
    return [event["type"] for event in client.get("/v1/events?limit=100").json()["data"]][::-1]


def test_an_order_is_open_and_unpaid(client):
    session = order(client).json()
    assert (session["status"], session["payment_status"], session["amount_total"]) == ("open", "unpaid", 19_900)
    assert (session["metadata"], session["payment_intent"]) == ({"lead_id": "7"}, None)


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"mode": None}, "mode", "parameter_missing"), ({"mode": "rent"}, "mode", None),
        ({"success_url": None}, "success_url", "parameter_missing"), ({"success_url": "shop.example"}, "success_url", "url_invalid"),
        ({"customer_email": "nobody"}, "customer_email", "email_invalid"),
        ({"payment_method_types[0]": "card"}, "payment_method_types", "parameter_unknown"),
        ({"client_reference_id": "x" * 201}, "client_reference_id", None), ({"ui_mode": "hosted"}, "ui_mode", None),
        ({"line_items[0][quantity]": None}, "line_items[0][quantity]", "parameter_missing"),
        ({"line_items[0][quantity]": "0"}, "line_items[0][quantity]", "parameter_invalid_integer"),
        ({"line_items[0][price_data][unit_amount]": "1.5"}, "line_items[0][price_data][unit_amount]", "parameter_invalid_integer"),
        ({"line_items[0][price_data][unit_amount]": "10"}, None, "amount_too_small"),
        ({"line_items[0][price_data][currency]": "xxx"}, "line_items[0][price_data][currency]", None),
        ({"line_items[0][price]": "price_1"}, "line_items[0][price]", "resource_missing"),
        ({"line_items[0][colour]": "red"}, "line_items[0][colour]", "parameter_unknown"),
        ({"expires_at": "1"}, "expires_at", None), ({"metadata[k]": "x" * 501}, "metadata[k]", None),
        ({"metadata[" + "k" * 41 + "]": "x"}, "metadata", None), ({f"metadata[k{i}]": "x" for i in range(51)}, "metadata", None),
        ({"expand[0]": "customer"}, "expand", None),
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_order_names_the_parameter(client, change, param, code):
    response = order(client, **change)
    error = response.json()["error"]
    assert (response.status_code, error.get("param"), error.get("code")) == (400, param, code)


def test_a_payment_completes_the_session_and_leads_back_to_the_shop(client):
    session = order(client).json()["id"]
    assert "Audit &lt;b&gt;" in client.get(f"/pay/{session}").text
    response = client.post(f"/pay/{session}", data={"email": "o@x.example", "card": "4242"})
    assert response.headers["location"] == f"https://shop.example/ok?s={session}"
    body = client.get(f"/v1/checkout/sessions/{session}").json()
    assert (body["status"], body["payment_status"], body["url"]) == ("complete", "paid", None)
    assert body["customer_details"]["email"] == "o@x.example"
    assert types_of(client) == ["charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"]


def test_a_session_is_paid_once(client, state):
    session = paid(client)["id"]
    assert client.post(f"/pay/{session}", data={"card": "4242"}).status_code == 410
    assert [row[0] for row in state.truth].count("payment") == 1


def test_a_session_without_payment_intent_metadata_does_not_lend_its_own(client):
    session = order(client, **{"payment_intent_data[metadata][lead_id]": None}).json()["id"]
    client.post(f"/pay/{session}", data={"card": "4242"})
    intent = client.get(f"/v1/checkout/sessions/{session}").json()["payment_intent"]
    assert client.get(f"/v1/payment_intents/{intent}").json()["metadata"] == {}


def test_a_declined_card_leaves_the_session_open(client):
    session = order(client).json()["id"]
    assert client.post(f"/pay/{session}", data={"card": "4000000000000002"}).status_code == 402
    assert client.get(f"/v1/checkout/sessions/{session}").json()["status"] == "open"
    assert types_of(client) == ["payment_intent.payment_failed"]
    assert client.post(f"/pay/{session}", data={"card": "4242"}).status_code == 303


def test_a_delayed_payment_is_complete_before_it_is_paid(client):
    session = order(client).json()["id"]
    client.post(f"/pay/{session}", data={"card": "bank"})
    events = client.get("/v1/events?types[0]=checkout.session.*").json()["data"][::-1]
    assert [(e["type"], e["data"]["object"]["payment_status"]) for e in events] == [
        ("checkout.session.completed", "unpaid"),
        ("checkout.session.async_payment_succeeded", "paid"),
    ]


def test_a_session_expires_by_the_clock(client, state):
    session = order(client).json()["id"]
    state.clock.at += dt.timedelta(hours=24)
    assert client.get(f"/pay/{session}").status_code == 410
    assert [s["status"] for s in client.get("/v1/checkout/sessions").json()["data"]] == ["expired"]
    assert types_of(client) == ["checkout.session.expired"]


def test_only_an_open_session_can_be_expired(client):
    session = order(client).json()["id"]
    assert [client.post(f"/v1/checkout/sessions/{session}/expire").status_code for _ in range(2)] == [200, 400]


def test_refunds_add_up_to_the_charge_and_no_further(client):
    intent = paid(client)["payment_intent"]
    answers = [
        client.post("/v1/refunds", data={"payment_intent": intent, "amount": a})
        for a in ("9900", "10001", "10000", "1")
    ]
    assert [a.status_code for a in answers] == [200, 400, 200, 400]
    assert (answers[1].json()["error"]["param"], answers[3].json()["error"]["code"]) == (
        "amount",
        "charge_already_refunded",
    )


def test_a_refund_announces_the_charge_as_it_was_then(client):
    intent = paid(client)["payment_intent"]
    for _ in range(2):
        client.post("/v1/refunds", data={"payment_intent": intent, "amount": "100"})
    refunded = client.get("/v1/events?type=charge.refunded").json()["data"][::-1]
    assert [e["data"]["object"]["amount_refunded"] for e in refunded] == [100, 200]
    assert refunded[1]["data"]["previous_attributes"] == {"amount_refunded": 100, "refunded": False}


def test_an_unpaid_session_has_nothing_to_refund(client):
    session = order(client).json()["id"]
    client.post(f"/pay/{session}", data={"card": "4000000000000002"})
    intent = client.get(f"/v1/checkout/sessions/{session}").json()["payment_intent"]
    assert client.post("/v1/refunds", data={"payment_intent": intent}).status_code == 400


def test_one_key_makes_one_session(client, state):
    first, second = (order(client, {"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json() == second.json()
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert len(state.truth) == 1


def test_one_key_with_other_parameters_is_an_error(client):
    order(client, {"Idempotency-Key": "k"})
    response = order(client, {"Idempotency-Key": "k"}, client_reference_id="other")
    assert (response.status_code, response.json()["error"]["type"]) == (400, "idempotency_error")


def test_a_request_that_was_refused_does_not_use_up_its_key(client):
    assert order(client, {"Idempotency-Key": "k"}, mode="rent").status_code == 400
    assert order(client, {"Idempotency-Key": "k"}).status_code == 200


def test_a_key_is_at_most_255_characters_long(client):
    assert order(client, {"Idempotency-Key": "k" * 256}).json()["error"]["type"] == "idempotency_error"


def test_pages_follow_the_cursor_in_both_directions(client):
    ids = [order(client).json()["id"] for _ in range(5)][::-1]
    first = client.get("/v1/checkout/sessions?limit=2").json()
    after = client.get(f"/v1/checkout/sessions?limit=2&starting_after={ids[1]}").json()
    before = client.get(f"/v1/checkout/sessions?limit=2&ending_before={ids[4]}").json()
    assert [[s["id"] for s in page["data"]] for page in (first, after, before)] == [ids[:2], ids[2:4], ids[2:4]]
    assert (first["has_more"], after["has_more"]) == (True, True)


def test_line_items_keep_their_order(client):
    second = {k.replace("[0]", "[1]"): v for k, v in ORDER.items() if k.startswith("line_items")}
    session = order(client, **second | {"line_items[1][price_data][product_data][name]": "Second"}).json()["id"]
    items = client.get(f"/v1/checkout/sessions/{session}/line_items").json()["data"]
    assert [item["description"] for item in items] == ["Audit <b>", "Second"]


def test_basic_authentication_is_taken_too(client):
    assert client.get("/v1/balance", headers={"Authorization": ""}, auth=("key", "")).status_code == 200


def test_a_wrong_key_is_refused(client):
    response = client.get("/v1/balance", headers={"Authorization": "Bearer sk_live_secretsecret"})
    assert response.status_code == 401
    assert "secretsecret" not in response.text


def test_the_second_has_its_limit(client, state):
    state.options["stripe_per_second"] = 0
    response = client.get("/v1/balance")
    assert (response.status_code, response.headers["stripe-rate-limited-reason"]) == (429, "global-rate")


def test_an_unknown_version_is_refused(client):
    assert client.get("/v1/balance", headers={"Stripe-Version": "latest"}).status_code == 400


@pytest.mark.parametrize(
    ("pairs", "tree"),
    [
        ([("a", "1")], {"a": "1"}), ([("a[b][c]", "1")], {"a": {"b": {"c": "1"}}}),
        ([("a[0]", "x"), ("a[1]", "y")], {"a": ["x", "y"]}), ([("a[]", "x"), ("a[]", "y")], {"a": ["x", "y"]}),
        ([("a[10]", "z"), ("a[9]", "y")], {"a": ["y", "z"]}),
    ],
)  # fmt: skip
def test_brackets_become_a_tree(pairs, tree):
    assert unbracketed(pairs) == tree


def test_a_name_that_is_both_a_value_and_an_object_is_refused():
    with pytest.raises(BadRequest, match="Invalid object"):
        unbracketed([("a", "1"), ("a[b]", "2")])


def test_the_page_can_be_paid_on_by_its_own_fields(client):
    session = order(client).json()["id"]
    entered = {
        "email": "o@x.example",
        "name": "O",
        "method": "card",
        "card": "4242 4242 4242 4242",
        "expiry": "04 / 31",
        "cvc": "123",
    }
    assert client.post(f"/pay/{session}", data=entered).status_code == 303


@pytest.mark.parametrize(
    ("entered", "told"),
    [
        ({"card": "42"}, "card number is incomplete"), ({"card": "4242", "expiry": "04 / 20", "cvc": "123"}, "in the past"),
        ({"card": "4242", "expiry": "soon", "cvc": "123"}, "as in 04 / 31"), ({"card": "4242", "expiry": "04 / 31", "cvc": "1"}, "security code"),
        ({"method": "bank", "account": "1"}, "account number is incomplete"), ({"card": "4000000000000002"}, "was declined"),
    ],
)  # fmt: skip
def test_a_buyer_is_told_what_is_wrong_and_keeps_what_was_entered(client, entered, told):
    session = order(client).json()["id"]
    answer = client.post(f"/pay/{session}", data={"email": "o@x.example", "name": "Ana <b>"} | entered)
    assert answer.status_code == 402
    assert told in answer.text
    assert 'role="alert"' in answer.text
    assert 'value="Ana &lt;b&gt;"' in answer.text


def test_every_field_of_the_page_has_a_label(client):
    import re

    text = client.get(f"/pay/{order(client).json()['id']}").text
    fields = re.findall(r'<input[^>]* id="([^"]+)"', text)
    assert len(fields) == text.count("<input ") == 8
    assert all(f'<label for="{field}"' in text for field in fields)


def test_a_bank_that_says_no_leaves_the_session_unpaid(client):
    session = order(client).json()["id"]
    assert client.post(f"/pay/{session}", data={"method": "bank", "account": "000111111116"}).status_code == 303
    assert client.get(f"/v1/checkout/sessions/{session}").json()["payment_status"] == "unpaid"
    assert types_of(client) == [
        "checkout.session.completed",
        "payment_intent.payment_failed",
        "checkout.session.async_payment_failed",
    ]


def test_a_bank_takes_its_time_by_the_sandboxs_clock(client, state):
    import time

    state.options["stripe_bank_delay_s"] = 3600
    session = order(client).json()["id"]
    client.post(f"/pay/{session}", data={"card": "bank"})
    time.sleep(0.3)
    assert types_of(client) == ["checkout.session.completed"]
    state.clock.at += dt.timedelta(hours=2)
    deadline = time.monotonic() + 5
    while len(types_of(client)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert types_of(client)[-1] == "checkout.session.async_payment_succeeded"


def disputed(client):
    session = order(client).json()["id"]
    client.post(f"/pay/{session}", data={"card": "4000 0000 0000 0259"})
    return client.get("/v1/disputes").json()["data"][0]["id"]


def test_a_dispute_is_won_by_evidence(client):
    body = client.post(
        f"/v1/disputes/{disputed(client)}", data={"evidence[uncategorized_text]": "winning_evidence"}
    ).json()
    assert (body["status"], types_of(client)[-1]) == ("won", "charge.dispute.closed")


def test_a_dispute_is_closed_once(client):
    dispute = disputed(client)
    assert client.post(f"/v1/disputes/{dispute}/close").json()["status"] == "lost"
    assert client.post(f"/v1/disputes/{dispute}/close").status_code == 400


def test_a_page_of_no_session_says_so(client):
    assert client.get("/pay/cs_test_none").status_code == 404
