"""From the inbox to the outcome of each send: drained once, in any order, and unknown sends are settled by evidence."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from leadfactory import mail_tokens
from leadfactory.campaign_days import campaign_days
from leadfactory.d09_delivery import folding, suppression
from leadfactory.d09_delivery.tables import email_events, email_sends, send_outcomes, send_transitions
from leadfactory.inbox.receiving import Receiver
from leadfactory.inbox.rules import rules
from leadfactory.inbox.tables import webhook_inbox
from leadfactory.tokens import Tokens
from tests.leads import CLOCK, TUESDAY, UNIT


def drain(world):
    return folding.drain(db=world.db, clock=CLOCK)


def history(world, send_id):
    clicks = [world.event("click", send_id, 700 + n, url=f"https://x/{n}", useragent="Mozilla") for n in range(4)]
    return [
        world.event("processed", send_id, 1), world.event("deferred", send_id, 2), world.event("delivered", send_id, 5),
        world.event("open", send_id, 6, sg_machine_open=True), world.event("open", send_id, 650, sg_machine_open=False), *clicks,
    ]  # fmt: skip


def outcome(world):
    return {row.send_id: dict(row._mapping) for row in world.all(send_outcomes)}


def test_events_are_drained_once_and_fold_into_the_state_of_their_send(world):
    send_id, lead = world.send()
    world.post(history(world, send_id))
    done = drain(world)
    assert (dict(done.outcomes), dict(done.units)) == ({"folded": 9}, {UNIT: 9})
    found = outcome(world)[send_id]
    assert (found["state"], found["delivery"], found["business_id"]) == ("opened", "delivered", lead.business_id)
    assert (found["bot_opens"], found["bot_clicks"], found["clicked_at"]) == (1, 4, None)
    assert found["opened_at"] == TUESDAY + dt.timedelta(seconds=650)
    assert drain(world).outcomes == Counter()


@pytest.mark.parametrize("seed", range(4))
def test_any_order_cut_into_any_posts_with_any_drain_between_gives_the_same_rows(world, seed):
    one, _ = world.send(1)
    two, _ = world.send(2)
    events = [*history(world, one), world.event("bounce", two, 4, type="bounce"), world.event("delivered", two, 3)]
    world.post(events)
    drain(world)
    straight = outcome(world)
    with world.db.begin() as tx:
        for table in (webhook_inbox, email_events, send_outcomes):
            tx.execute(sa.delete(table))
    chance = random.Random(seed)
    told = [event for event in events for _ in range(chance.randint(1, 6))]
    chance.shuffle(told)
    while told:
        size = chance.randint(1, 8)
        world.post(told[:size])
        told = told[size:]
        if chance.random() < 0.4:
            drain(world)
    drain(world)
    assert outcome(world) == straight


def test_what_is_not_ours_or_not_known_is_kept_with_a_reason(world):
    send_id, _ = world.send()
    world.post([world.event("delivered", None), world.event("teleported", send_id)])
    drain(world)
    rows = {row.kind: (row.outcome, row.reason is not None) for row in world.all(webhook_inbox)}
    assert rows == {"delivered": ("unmatched", True), "teleported": ("kept", True)}
    assert world.all(email_events) == []


@pytest.mark.parametrize("state", ["unknown", "planned"])
def test_an_event_settles_a_send_whose_outcome_nobody_knew(world, state):
    send_id, _ = world.send(state=state)
    world.post([world.event("delivered", send_id)])
    assert drain(world).settled == 1
    (row,) = world.all(email_sends)
    assert (row.state, row.reason, row.sendgrid_id) == ("accepted", folding.EVIDENCE, "m")
    assert world.all(send_transitions)[-1].to_state == "accepted"


def test_a_dead_claim_is_settled_and_a_live_one_is_left_to_its_process(world):
    later, earlier = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=m) for m in (10, -10))
    live, _ = world.send(1, state="claimed", claim_expires_at=later)
    dead, _ = world.send(2, state="claimed", claim_expires_at=earlier)
    world.post([world.event("delivered", live), world.event("delivered", dead)])
    drain(world)
    assert {row.send_id: row.state for row in world.all(email_sends)} == {live: "claimed", dead: "accepted"}


def test_a_send_that_becomes_unknown_after_its_events_is_settled_by_the_next_drain(world):
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)
    send_id, _ = world.send(state="claimed", claim_expires_at=later)
    world.post([world.event("delivered", send_id)])
    drain(world)
    with world.db.begin() as tx:
        tx.execute(sa.update(email_sends).values(state="unknown", reason="timeout"))
    done = drain(world)
    assert (done.settled, list(done.units)) == (1, [UNIT])


@pytest.mark.parametrize("state", ["rejected", "refused", "expired"])
def test_an_end_state_stays_what_it_is(world, state):
    send_id, _ = world.send(state=state, reason="why")
    world.post([world.event("delivered", send_id)])
    drain(world)
    assert [row.state for row in world.all(email_sends)] == [state]


def test_drains_at_once_fold_every_event_once(world, monkeypatch):
    monkeypatch.setattr(rules(), "__dict__", rules().__dict__ | {"drain_batch": 25})
    sends = [world.send(number)[0] for number in range(20)]
    world.post([event for send_id in sends for event in history(world, send_id)])
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: drain(world), range(4)))
    assert sum(each.outcomes["folded"] for each in done) == 180
    assert {row.events for row in world.all(send_outcomes)} == {9}
    assert len(world.all(send_outcomes)) == 20


def test_folding_again_changes_nothing(world):
    send_id, _ = world.send()
    world.post(history(world, send_id))
    drain(world)
    before = (outcome(world), world.all(email_events), world.all(send_transitions))
    with world.db.begin() as tx:
        assert folding.refold(tx, UNIT, TUESDAY) == (9, 1)
    assert (outcome(world), world.all(email_events), world.all(send_transitions)) == before


def test_a_drain_says_that_the_lake_is_behind_and_when_the_last_event_was(world):
    send_id, _ = world.send()
    world.post(history(world, send_id))
    drain(world)
    (day,) = world.all(campaign_days)
    assert {"email_events", "send_outcomes"} <= set(day.dirty)
    assert day.last_event_at == TUESDAY + dt.timedelta(seconds=703)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"kind": "click", "number": 9_000, "url": "https://leadfactory.example/a/x"}, "click"),
        ({"kind": "bounce", "number": 2, "type": "bounce"}, "bounce"),
        ({"kind": "spamreport", "number": 9_000}, "complaint"),
        ({"kind": "unsubscribe", "number": 9_000}, "unsubscribe"),
    ],
)
def test_an_event_that_answers_ends_the_conversation(world, event, reason):
    send_id, lead = world.send()
    follow_up, _ = world.send(
        step=2, state="planned", email=lead.email, address_hmac=b"1" * 32, address_plus_hmac=b"1" * 32
    )
    kind, number = event.pop("kind"), event.pop("number")
    world.post([world.event(kind, send_id, number, **event)])
    folding.drain(db=world.db, clock=CLOCK)
    (row,) = [each for each in world.all(email_sends) if each.send_id == follow_up]
    assert (row.state, row.reason) == ("refused", f"sequence stopped: {reason}")


def test_what_a_machine_clicked_ends_nothing(world):
    send_id, lead = world.send()
    follow_up, _ = world.send(step=2, state="planned", email=lead.email)
    world.post(
        [world.event("delivered", send_id, 1), world.event("click", send_id, 2, url="https://leadfactory.example/a/x")]
    )
    folding.drain(db=world.db, clock=CLOCK)
    (row,) = [each for each in world.all(email_sends) if each.send_id == follow_up]
    assert row.state == "planned"


def returned(world, send_id, status="5.1.1"):
    """A mail server's report on a mail of ours, as it comes to the envelope's sender."""
    tokens = Tokens(world.settings.signing_keys.get_secret_value())
    to = mail_tokens.address(tokens, "bounce", send_id, "reply.leadfactory.example")
    return (
        f"From: mailer-daemon@mx.example\nTo: {to}\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        f"Action: failed\nStatus: {status}\n\n--b--\n"
    ).encode()


def test_a_relays_bounce_folds_like_an_event_and_suppresses_the_address_at_once(world):
    send_id, lead = world.send(state="unknown", reason="timeout")
    receiver = Receiver(world.db, world.settings, CLOCK)
    first, again = (receiver.bounce(returned(world, send_id)) for _ in range(2))
    assert (first.stored, first.suppressed, again.stored, again.suppressed) == (1, 2, 0, 0)
    with world.db.begin() as tx:
        assert suppression.is_suppressed(tx, world.hashes, address=lead.email)
    drain(world)
    assert outcome(world)[send_id]["state"] == "bounced"
    assert [row.state for row in world.all(email_sends)] == ["accepted"]  # it did leave


def test_a_passing_failure_of_a_relay_suppresses_nobody(world):
    send_id, _ = world.send()
    taken = Receiver(world.db, world.settings, CLOCK).bounce(returned(world, send_id, "4.4.7"))
    assert (taken.stored, taken.suppressed) == (1, 0)
    drain(world)
    assert outcome(world)[send_id]["state"] == "blocked"
