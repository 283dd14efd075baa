"""Stripe: sessions, refunds, payments, events and balance, against the description of the pinned SDK and the SDK itself."""

from __future__ import annotations

import http.server
import threading
import time

import httpx
import pytest
import stripe

SPEC = "stripe/openapi-2026-10-28.sdk16-derived.json"
KEY = {"Authorization": "Bearer sandbox-stripe-key"}
SESSIONS, ONE = "/v1/checkout/sessions", "/v1/checkout/sessions/{session}"
ORDER = {
    "mode": "payment", "success_url": "https://shop.example/ok?s={CHECKOUT_SESSION_ID}", "cancel_url": "https://shop.example/no",
    "client_reference_id": "lead-7", "customer_email": "owner@pizza7.example", "metadata": {"lead_id": "7"},
    "line_items": [{"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 19_900, "product_data": {"name": "Audit"}}}],
    "payment_intent_data": {"metadata": {"lead_id": "7"}, "receipt_email": "owner@pizza7.example"},
    "invoice_creation": {"enabled": True}, "automatic_tax": {"enabled": True},
}  # fmt: skip
TYPES = {
    "checkout.session.completed",
    "charge.succeeded",
    "payment_intent.succeeded",
    "refund.created",
    "charge.refunded",
}


def _flat(tree, prefix=""):
    out = {}
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        name = f"{prefix}[{key}]" if prefix else str(key)
        out |= (
            _flat(value, name)
            if isinstance(value, dict | list)
            else {name: str(value).lower() if value is True else str(value)}
        )
    return out


def _open(http) -> str:
    return http.post("/stripe/v1/checkout/sessions", headers=KEY, data=_flat(ORDER)).json()["id"]


def _paid(http) -> str:
    session = _open(http)
    assert http.post(f"/stripe/pay/{session}", data={"email": "o@x.example", "card": "4242"}).status_code == 303
    return http.get(f"/stripe/v1/checkout/sessions/{session}", headers=KEY).json()["payment_intent"]


def _refunded(http) -> str:
    intent = _paid(http)
    return http.post("/stripe/v1/refunds", headers=KEY, data={"payment_intent": intent, "amount": "100"}).json()["id"]


def _event(http) -> str:
    _refunded(http)
    return http.get("/stripe/v1/events", headers=KEY).json()["data"][0]["id"]


def _cells():
    """(method, template, status, extra) of every endpoint and every status the client handles."""
    reads = {
        SESSIONS: {"query": {"limit": 3, "status": "complete", "created": {"gte": 1}}, "before": _paid},
        ONE: {"path": f"{SESSIONS}/{{made}}", "query": {"expand": ["line_items"]}, "before": _open},
        f"{ONE}/line_items": {"path": f"{SESSIONS}/{{made}}/line_items", "query": {"limit": 10}, "before": _open},
        "/v1/refunds": {"query": {"limit": 1}, "before": _refunded},
        "/v1/refunds/{refund}": {"path": "/v1/refunds/{made}", "before": _refunded},
        "/v1/payment_intents/{intent}": {"path": "/v1/payment_intents/{made}", "before": _paid},
        "/v1/events": {"query": {"limit": 100, "types": sorted(TYPES)}, "before": _refunded},
        "/v1/events/{id}": {"path": "/v1/events/{made}", "before": _event},
        "/v1/balance": {"before": _refunded},
    }
    writes = {
        SESSIONS: {"form": ORDER},
        f"{ONE}/expire": {"path": f"{SESSIONS}/{{made}}/expire", "form": {}, "before": _open},
        "/v1/refunds": {"form": {"payment_intent": "{made}", "amount": 100, "reason": "requested_by_customer", "metadata": {"why": "x"}},
                        "before": _paid},
    }  # fmt: skip
    for method, endpoints in (("GET", reads), ("POST", writes)):
        for template, extra in endpoints.items():
            yield method, template, 200, extra
            yield method, template, 401, extra | {"headers": {"Authorization": "Bearer sk_wrong"}}
            for status in (409, 429, 500, 503) if method == "POST" else (429, 500, 503):
                yield method, template, status, extra | {"fault": (status, "")}
    for template in (SESSIONS, "/v1/refunds", "/v1/events", f"{ONE}/line_items"):
        extra = {k: v for k, v in reads[template].items() if k != "query"}
        yield "GET", template, 400, extra | {"query": {"limit": 500}}
    yield "POST", SESSIONS, 400, {"form": {**ORDER, "payment_method_types": ["card"]}, "lawful": False}
    yield "POST", "/v1/refunds", 400, {"form": {"reason": "fraudulent"}}
    yield (
        "POST",
        f"{ONE}/expire",
        400,
        {"path": f"{SESSIONS}/{{made}}/expire", "form": {"force": "1"}, "lawful": False, "before": _open},
    )
    for template in (ONE, f"{ONE}/line_items"):
        yield "GET", template, 404, {"path": template.replace("{session}", "cs_none")}
    yield "POST", f"{ONE}/expire", 404, {"path": f"{SESSIONS}/cs_none/expire", "form": {}}
    for template in ("/v1/refunds/{refund}", "/v1/payment_intents/{intent}", "/v1/events/{id}"):
        yield "GET", template, 404, {"path": template.replace("{", "").replace("}", "")}
    yield "POST", "/v1/refunds", 404, {"form": {"payment_intent": "pi_none"}}


CELLS = list(_cells())


@pytest.mark.parametrize(("method", "template", "status", "extra"), CELLS, ids=[f"{m} {t}-{s}" for m, t, s, _ in CELLS])
def test_the_answer_satisfies_the_description(exercise, Case, method, template, status, extra):
    case = Case(
        name="",
        method=method,
        template=template,
        status=status,
        spec=SPEC,
        **{"headers": KEY, "path": template, **extra},
    )
    exercise("stripe", case)


def test_every_served_operation_of_the_description_has_a_case(specs):
    unused = ("/v1/prices", "/v1/products", "/v1/webhook_endpoints")
    paths = specs(SPEC).document["paths"].items()
    described = {(m.upper(), t) for t, operations in paths if not t.startswith(unused) for m in operations}
    assert described == {(method, template) for method, template, _, _ in CELLS}


def test_every_object_in_an_event_satisfies_its_own_description(http, specs):
    spec = specs(SPEC)
    for card in ("4242", "4000000000000259", "bank", "4000000000000002"):
        session = _open(http)
        http.post(f"/stripe/pay/{session}", data={"email": "o@x.example", "card": card})
    http.post(f"/stripe/pay/{_open(http)}", data={"email": "o@x.example", "method": "bank", "account": "000111111116"})
    dispute = http.get("/stripe/v1/disputes", headers=KEY).json()["data"][0]["id"]
    assert http.post(f"/stripe/v1/disputes/{dispute}/close", headers=KEY).status_code == 200
    _refunded(http)
    events = http.get("/stripe/v1/events?limit=100", headers=KEY).json()["data"]
    assert {event["type"] for event in events} >= TYPES | {
        "payment_intent.payment_failed", "charge.dispute.created", "charge.dispute.closed", "checkout.session.async_payment_failed",
    }  # fmt: skip
    for event in events:
        body = event["data"]["object"]
        assert spec.problems({"$ref": f"#/components/schemas/{body['object']}"}, body) == [], event["type"]


def test_every_parameter_of_a_session_and_a_refund_is_known(specs):
    from sandbox.vendors.stripe_request import REFUND_FIELDS, SESSION_FIELDS

    for template, known in ((SESSIONS, SESSION_FIELDS), ("/v1/refunds", REFUND_FIELDS)):
        content = specs(SPEC).operation("POST", template)["requestBody"]["content"]
        assert set(content["application/x-www-form-urlencoded"]["schema"]["properties"]) == set(known)


@pytest.fixture
def client(base_url):
    return stripe.StripeClient(
        "sandbox-stripe-key", base_addresses={"api": f"{base_url}/stripe"}, max_network_retries=0
    )


def _buy(client, card="4242424242424242"):
    session = client.v1.checkout.sessions.create(ORDER)
    httpx.post(session.url, data={"email": "owner@pizza7.example", "card": card}, timeout=10)
    return client.v1.checkout.sessions.retrieve(session.id, {"expand": ["line_items", "payment_intent.latest_charge"]})


def test_the_sdk_sells_and_refunds(client):
    session = _buy(client)
    assert (session.status, session.payment_status, session.line_items.data[0].amount_total) == (
        "complete",
        "paid",
        19_900,
    )
    refund = client.v1.refunds.create({"payment_intent": session.payment_intent.id, "amount": 900})
    assert (refund.status, refund.charge) == ("succeeded", session.payment_intent.latest_charge.id)
    assert client.v1.balance.retrieve().available[0].amount == 19_000


def test_the_sdk_pages_through_sessions(client):
    made = [client.v1.checkout.sessions.create(ORDER).id for _ in range(5)]
    listed = [session.id for session in client.v1.checkout.sessions.list({"limit": 2}).auto_paging_iter()]
    assert listed == made[::-1]


def test_the_sdk_is_given_the_first_answer_again_under_one_key(client):
    first, second = (client.v1.checkout.sessions.create(ORDER, {"idempotency_key": "k1"}) for _ in range(2))
    assert first.id == second.id
    assert second.last_response.headers["Idempotent-Replayed"] == "true"


def test_the_sdk_raises_for_other_parameters_under_the_same_key(client):
    client.v1.checkout.sessions.create(ORDER, {"idempotency_key": "k1"})
    with pytest.raises(stripe.IdempotencyError):
        client.v1.checkout.sessions.create({**ORDER, "client_reference_id": "other"}, {"idempotency_key": "k1"})


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda c: c.v1.checkout.sessions.retrieve("cs_none"), "resource_missing"),
        (lambda c: c.v1.refunds.create({"amount": 5}), "parameter_missing"),
        (lambda c: c.v1.checkout.sessions.create({**ORDER, "expires_at": 5}), None),
        (lambda c: c.v1.checkout.sessions.create({**ORDER, "payment_method_types": ["card"]}), "parameter_unknown"),
    ],
)
def test_the_sdk_raises_invalid_request(client, call, code):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call(client)
    assert caught.value.code == code
    assert caught.value.request_id.startswith("req_")


def test_the_sdk_raises_for_a_wrong_key(base_url):
    client = stripe.StripeClient("sk_wrong", base_addresses={"api": f"{base_url}/stripe"}, max_network_retries=0)
    with pytest.raises(stripe.AuthenticationError):
        client.v1.balance.retrieve()


def test_the_sdk_verifies_every_webhook(client, state):
    kept: list[tuple[bytes, str]] = []

    class Keep(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            kept.append((self.rfile.read(int(self.headers["Content-Length"])), self.headers["Stripe-Signature"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keep)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.options |= {
        "stripe_webhook_url": f"http://127.0.0.1:{server.server_port}/",
        "stripe_webhook_secret": "whsec_test",
    }
    _buy(client)
    deadline = time.monotonic() + 10
    while len(kept) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    server.shutdown()
    server.server_close()
    events = [stripe.Webhook.construct_event(body, signature, "whsec_test") for body, signature in kept]
    assert {event.type for event in events} == {
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    }
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(kept[0][0] + b" ", kept[0][1], "whsec_test")
