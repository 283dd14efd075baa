"""Vendors' posts: who may post, what is stored of it, what stops mail at once."""

from __future__ import annotations

import json
import time
import uuid

import pytest
import stripe

from leadfactory.d09_delivery.tables import email_sends, suppressions
from leadfactory.inbox.receiving import SIGNATURE, TIMESTAMP
from leadfactory.inbox.rules import rules
from leadfactory.inbox.tables import webhook_inbox, webhook_refusals
from tests.edge.conftest import Signer
from tests.leads import TUESDAY

PAID = {
    "id": "evt_1", "object": "event", "type": "checkout.session.completed", "created": int(TUESDAY.timestamp()), "livemode": False,
    "data": {"object": {"id": "cs_1", "customer_details": {"email": "Buyer@shop1.example", "name": "Bo Buyer", "phone": "+1"}}},
}  # fmt: skip


def refusals(world):
    return {(row.source, row.reason): row.posts for row in world.all(webhook_refusals)}


def test_an_event_is_stored_without_address_ip_and_link(world):
    send_id, _ = world.send()
    seen = {"ip": "203.0.113.9", "useragent": "Mozilla/5.0", "url": "https://ours.example/r/secret-token"}
    event = world.event("click", send_id, reason="550 <info@shop1.example> says\u0000 no", **seen)
    assert world.post([event]).json() == {"events": 1, "stored": 1}
    (row,) = world.all(webhook_inbox)
    assert (row.kind, row.send_id, row.occurred_at, row.stale) == ("click", send_id, TUESDAY, False)
    assert bytes(row.address_hmac) == world.hashes.address("info@shop1.example")
    assert (row.ip, row.user_agent) == ("203.0.113.9", "Mozilla/5.0")
    kept = json.dumps(row.payload)
    assert not any(part in kept for part in ("shop1.example", "203.0.113", "Mozilla", "secret-token"))
    assert row.processed_at is None


def test_the_signature_covers_the_raw_bytes_and_nothing_less(world):
    body = json.dumps([world.event("open", None)]).encode()
    headers = world.signer.headers(body)
    for spoilt in (body + b"\n", body[:-1], body.replace(b"open", b"opem"), b""):
        assert world.client.post("/webhooks/sendgrid", content=spoilt, headers=headers).status_code == 401
    assert world.client.post("/webhooks/sendgrid", content=body, headers=headers).status_code == 200
    assert refusals(world) == {("sendgrid", "bad_signature"): 4}


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "not_signed"),
        ({SIGNATURE: "AAAA"}, "not_signed"),
        ({SIGNATURE: "no base64 at all", TIMESTAMP: "1"}, "bad_signature"),
        ({SIGNATURE: "AAAA", TIMESTAMP: "soon"}, "bad_signature"),
    ],
)
def test_a_forged_post_is_refused_and_counted_without_its_body(world, headers, reason):
    answer = world.client.post("/webhooks/sendgrid", content=b'[{"event":"open"}]', headers=headers)
    assert answer.status_code == 401
    assert reason not in answer.text
    assert refusals(world) == {("sendgrid", reason): 1}
    assert world.all(webhook_inbox) == []


def test_a_post_signed_by_a_strangers_key_is_refused(world):
    assert world.post([world.event("open", None)], signer=Signer()).status_code == 401


def test_both_keys_of_a_rotation_are_taken(world):
    for number, signer in enumerate((world.signer, world.old_signer)):
        assert world.post([world.event("open", None, number)], signer=signer).status_code == 200
    assert len(world.all(webhook_inbox)) == 2


def test_a_signature_dated_ahead_is_refused(world):
    ahead = int(time.time()) + rules().future_limit_s + 30
    assert world.post([world.event("open", None)], at=ahead).status_code == 401
    assert refusals(world) == {("sendgrid", "future_dated"): 1}


def test_an_old_signature_is_taken_and_flagged(world):
    assert world.post([world.event("open", None)], at=int(time.time()) - 86_400).status_code == 200
    assert [row.stale for row in world.all(webhook_inbox)] == [True]


def test_a_signed_time_that_is_no_number_is_refused(world):
    body = b"[]"
    headers = world.signer.headers(body, "soon")
    assert world.client.post("/webhooks/sendgrid", content=body, headers=headers).status_code == 401
    assert refusals(world) == {("sendgrid", "bad_timestamp"): 1}


def test_a_replayed_post_changes_nothing(world):
    send_id, _ = world.send()
    body = json.dumps([world.event("delivered", send_id), world.event("spamreport", send_id)]).encode()
    headers = world.signer.headers(body)
    answers = [world.client.post("/webhooks/sendgrid", content=body, headers=headers).json() for _ in range(46)]
    assert [answer["stored"] for answer in answers] == [2] + [0] * 45
    assert len(world.all(webhook_inbox)) == 2
    assert len(world.all(suppressions)) == 2


def test_thousands_of_events_in_one_post_are_stored(world):
    events = [world.event("delivered", uuid.uuid4(), number, category=["x" * 200]) for number in range(5_000)]
    body = json.dumps(events).encode()
    assert len(body) > 2 * 1024 * 1024
    assert world.post(body).json() == {"events": 5_000, "stored": 5_000}


@pytest.mark.parametrize("announced", [True, False])
def test_a_post_beyond_the_limit_is_refused_while_it_is_read(world, announced):
    body = b" " * (rules().body_limit_bytes + 1)
    content = body if announced else iter([body[:1_000_000]] * 6)
    answer = world.client.post("/webhooks/sendgrid", content=content, headers=world.signer.headers(body))
    assert answer.status_code == 413
    assert refusals(world) == {("sendgrid", "too_large"): 1}


def test_an_unknown_kind_is_kept(world):
    world.post([world.event("account_status_change", None), world.event("teleported", None, email="no address")])
    assert {row.kind: row.address_hmac is None for row in world.all(webhook_inbox)} == {
        "account_status_change": False, "teleported": True,
    }  # fmt: skip


MALFORMED = [
    7, None, "text", [], {}, {"event": "open"}, {"event": 7, "timestamp": 1_791_298_800, "sg_event_id": "a"},
    {"event": "open", "timestamp": "soon", "sg_event_id": "b"}, {"event": "open", "timestamp": 1_791_298_800_000, "sg_event_id": "c"},
    {"event": "open", "timestamp": 10**30, "sg_event_id": "d"}, {"event": "open", "timestamp": True, "sg_event_id": "e"},
    {"event": "open", "timestamp": 1_791_298_800, "sg_event_id": "f" * 9_000},
]  # fmt: skip


@pytest.mark.parametrize("event", MALFORMED, ids=[str(each)[:50] for each in MALFORMED])
def test_a_malformed_event_is_quarantined_and_the_others_are_stored(world, event):
    good = world.event("delivered", uuid.uuid4())
    for _ in range(2):
        assert world.post([event, good]).status_code == 200
    rows = {row.outcome: row for row in world.all(webhook_inbox)}
    assert rows["quarantined"].reason
    assert rows[None].event_id == good["sg_event_id"]


@pytest.mark.parametrize("body", [b"", b"[{", b"\xff\xfe", b"[" * 100_000, b'{"event": NaN'])
def test_a_signed_body_that_is_no_json_is_answered_well_and_kept_as_a_row(world, body):
    status = world.post(body).status_code
    assert status == (200 if body.isascii() else 401)  # the vendor's helper reads UTF-8 only
    assert [row.outcome for row in world.all(webhook_inbox)] == (["quarantined"] if body.isascii() else [])


def test_values_that_postgres_cannot_store_are_stored_as_near_as_it_can(world):
    odd = '[{"event":"open","timestamp":1791298800,"sg_event_id":"x\\u0000\\ud800y","a":NaN,"b":1e999,"c":"\\udfff","email":"é@ü.example"}]'
    assert world.post(odd.encode()).json() == {"events": 1, "stored": 1}


STOPS = [
    ("unsubscribe", {}), ("group_unsubscribe", {"asm_group_id": 10}), ("spamreport", {}), ("bounce", {"type": "bounce"}),
    ("bounce", {}), ("dropped", {"reason": "Spam Reporting Address"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "more"), STOPS)
def test_a_no_suppresses_in_the_transaction_that_stores_it(world, kind, more):
    send_id, _ = world.send()
    planned, _ = world.send(step=2, state="planned", email="info@shop1.example")
    world.post([world.event(kind, send_id, **more)])
    assert {row.kind for row in world.all(suppressions)} == {"address", "address_plus_stripped"}
    assert {row.send_id: row.state for row in world.all(email_sends)}[planned] == "refused"


@pytest.mark.parametrize(("kind", "more"), [("bounce", {"type": "blocked"}), ("dropped", {"reason": "Expired"}),
                                            ("deferred", {}), ("delivered", {}), ("group_resubscribe", {})])  # fmt: skip
def test_what_is_no_no_suppresses_nobody(world, kind, more):
    send_id, _ = world.send()
    world.post([world.event(kind, send_id, **more)])
    assert world.all(suppressions) == []


def test_a_no_counts_for_the_address_of_the_send_when_the_mail_was_forwarded(world):
    send_id, _ = world.send()
    world.post([world.event("spamreport", send_id, email="cousin@elsewhere.example")])
    found = {bytes(row.subject_hmac) for row in world.all(suppressions)}
    assert found == {world.hashes.address("cousin@elsewhere.example"), world.hashes.address("info@shop1.example")}


def test_a_no_without_a_send_of_ours_counts(world):
    world.post([world.event("unsubscribe", None, email="Stranger+x@else.example")])
    assert len(world.all(suppressions)) == 2


def test_a_no_that_is_malformed_elsewhere_still_counts(world):
    send_id, _ = world.send()
    event = world.event("spamreport", send_id) | {"timestamp": "yesterday"}
    world.post([event])
    assert len(world.all(suppressions)) == 2
    assert [row.outcome for row in world.all(webhook_inbox)] == ["quarantined"]


def test_a_stripe_event_is_kept_once_without_the_buyers_data(world):
    for secret in ("whsec_new", "whsec_old"):
        assert world.pay(PAID, secret).status_code == 200
    (row,) = world.all(webhook_inbox)
    assert (row.source, row.event_id, row.kind, row.processed_at) == ("stripe", "evt_1", PAID["type"], None)
    assert bytes(row.address_hmac) == world.hashes.address("buyer@shop1.example")
    assert "Bo Buyer" not in str(row.payload)
    assert row.payload["data"]["object"]["id"] == "cs_1"


@pytest.mark.parametrize(("secret", "shift", "reason"), [("whsec_wrong", 0, "bad_signature"), ("whsec_new", -301, "bad_signature"),
                                                         ("whsec_new", 400, "future_dated")])  # fmt: skip
def test_a_stripe_post_of_a_wrong_key_or_time_is_refused(world, secret, shift, reason):
    assert world.pay(PAID, secret, int(time.time()) + shift).status_code == 401
    assert refusals(world) == {("stripe", reason): 1}


@pytest.mark.parametrize("header", ["", "t=1", "v1=abc", "t=x,v1=y", "nonsense", "t=,v1=", "t=1,v1=é"])
def test_a_stripe_header_that_is_none_is_refused(world, header):
    sent = {"stripe-signature": header.encode("latin-1")}
    assert world.client.post("/webhooks/stripe", content=json.dumps(PAID), headers=sent).status_code == 401


def test_a_stripe_body_was_signed_as_bytes(world):
    body = json.dumps(PAID)
    header = stripe.WebhookSignature.generate_signature_header(body, "whsec_new")
    answer = world.client.post("/webhooks/stripe", content=body + " ", headers={"stripe-signature": header})
    assert answer.status_code == 401
