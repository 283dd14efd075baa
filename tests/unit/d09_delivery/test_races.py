"""Two of everything at once, on a real Postgres: one claim, one slot, and no mail after an unsubscribe."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d09_delivery import slots, states, suppression
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.slots import Conversation
from leadfactory.d09_delivery.tables import contact_slots, email_sends, send_transitions
from tests.leads import TUESDAY, clock_at


def test_concurrent_senders_never_send_a_mail_twice(room, monkeypatch):
    monkeypatch.setattr(policy(), "__dict__", policy().__dict__ | {"claim_batch": 3})
    drafts = room.drafted(30)
    sent, lock, start = [], threading.Lock(), threading.Barrier(4)

    def answer(mail):
        with lock:
            sent.append(mail.send_id)
        return "id"

    def sender(_):
        start.wait()
        return room.send(answer)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sender, range(4)))
    assert Counter(sent).most_common(1)[0][1] == 1
    assert len(sent) == drafts > 20
    assert room.states == {"accepted": drafts}


def test_concurrent_senders_never_pass_the_cap_of_their_sender(room, monkeypatch):
    monkeypatch.setattr(policy(), "__dict__", policy().__dict__ | {"claim_batch": 2, "sender_cap_per_day": 7})
    room.drafted(20)
    start = threading.Barrier(3)

    def sender(_):
        start.wait()
        return len(room.send()[1].asked)

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(sender, range(3))) == 7


def test_of_many_who_want_a_slot_one_gets_it(database):
    start = threading.Barrier(8)
    until = TUESDAY + dt.timedelta(days=60)

    def wish(number):
        mine = Conversation(uuid.UUID(int=number), f"campaign-{number}", b"address", b"domain")
        start.wait()
        with database.begin() as tx:
            return slots.take(tx, [mine], until=until, now=TUESDAY)

    with ThreadPoolExecutor(8) as pool:
        winners = set().union(*pool.map(wish, range(8)))
    with database.begin() as tx:
        held = list(tx.scalars(sa.select(contact_slots.c.send_id)))
    assert len(winners) == 1
    assert set(held) == winners
    assert len(held) == 2


def test_who_gets_one_of_two_slots_keeps_neither(database):
    until = TUESDAY + dt.timedelta(days=60)
    first = Conversation(uuid.UUID(int=1), "one", b"a", b"shared")
    second = Conversation(uuid.UUID(int=2), "two", b"b", b"shared")
    with database.begin() as tx:
        assert slots.take(tx, [first], until=until, now=TUESDAY) == {first.send_id}
        assert slots.take(tx, [second], until=until, now=TUESDAY) == set()
        assert set(tx.scalars(sa.select(contact_slots.c.slot_hmac))) == {b"a", b"shared"}


def test_crosswise_wishes_do_not_wait_for_each_other(database):
    start = threading.Barrier(2)
    until = TUESDAY + dt.timedelta(days=60)

    def wish(order):
        mine = [Conversation(uuid.uuid4(), "c", f"{n:03}".encode(), None) for n in order]
        start.wait()
        with database.begin() as tx:
            return len(slots.take(tx, mine, until=until, now=TUESDAY))

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(wish, (range(200), range(199, -1, -1)))) == 200


def test_no_claim_that_begins_after_an_unsubscribe_contains_it(room, monkeypatch):
    monkeypatch.setattr(policy(), "__dict__", policy().__dict__ | {"claim_batch": 1, "calls_at_once": 1})
    drafts = room.drafted(12)
    gone: set[str] = set()
    sent = []

    def answer(mail):
        sent.append(mail.to_email)
        left = [f"info@shop{n}.example" for n in range(12) if f"info@shop{n}.example" not in {*sent, *gone}]
        if left:  # somebody else unsubscribes while the loop is running
            with room.db.begin() as tx:
                suppression.suppress(
                    tx, room.hashes, reason="unsubscribed", source="test", now=TUESDAY, address=left[0]
                )
            gone.add(left[0])
        return "id"

    room.send(answer)
    assert not gone & set(sent)
    room.send()
    assert room.states["accepted"] == len(sent) >= 5
    assert room.states.total() == drafts
    assert room.states["planned"] == 0


OUTCOMES = st.sampled_from(["accept", "reject", "timeout", "not_left"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(OUTCOMES, min_size=1, max_size=6)),
        st.tuples(st.just("die"), st.none()),
        st.tuples(st.just("wait"), st.integers(1, 40)),
        st.tuples(st.just("unsubscribe"), st.integers(0, 2)),
        st.tuples(st.just("pause"), st.booleans()),
    ),
    max_size=8,
)


class Killed(BaseException):
    """The process is gone in the middle of a call."""


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example(steps=[("send", ["timeout"]), ("wait", 40), ("wait", 40), ("send", ["accept"])])  # unknown, then quarantined
@given(steps=STEPS)
def test_whatever_happens_no_recipient_is_mailed_twice_or_after_an_unsubscribe(room, owner_database, steps):
    with owner_database.begin() as tx:  # the sender's own role may not empty tables
        tx.execute(sa.text("TRUNCATE email_sends, send_transitions, contact_slots, suppressions, key_fingerprints"))
    if not room.rows(sa.text("SELECT 1 FROM email_drafts LIMIT 1")):
        room.drafted(3)
    room.change("UPDATE campaigns SET state = 'launched'")
    now, suppressed = TUESDAY, set()
    perhaps_mailed: Counter[str] = Counter()
    known_ids: set[uuid.UUID] = set()

    def mailer(outcomes):
        script = iter(outcomes)

        def answer(mail):
            assert mail.to_email not in suppressed
            outcome = next(script, "accept")
            if outcome == "not_left":
                raise VendorUnavailable("sendgrid", "mail/send", "breaker_open", left_the_house=False)
            if outcome == "reject":
                raise VendorRejected("sendgrid", "mail/send", "bad_request")
            perhaps_mailed[mail.to_email] += 1
            known_ids.add(mail.send_id)
            if outcome == "timeout":
                raise VendorUnavailable("sendgrid", "mail/send", "timeout")
            return "id"

        return answer

    for step, detail in steps:
        if step == "send":
            room.send(mailer(detail), clock=clock_at(now))
        elif step == "die":
            _die(room, perhaps_mailed, suppressed, clock_at(now))
        elif step == "wait":
            now += dt.timedelta(hours=detail)
        elif step == "pause":
            room.change("UPDATE campaigns SET state = :state", state="paused" if detail else "launched")
        else:
            suppressed.add(f"info@shop{detail}.example")
            with room.db.begin() as tx:
                suppression.suppress(
                    tx, room.hashes, reason="x", source="test", now=now, address=f"info@shop{detail}.example"
                )
    assert all(count == 1 for count in perhaps_mailed.values())
    _assert_history_is_lawful(room)


def _die(room, perhaps_mailed, suppressed, clock):
    """The process ends in the middle of its first call; its lease runs out."""

    def answer(mail):
        assert mail.to_email not in suppressed
        perhaps_mailed[mail.to_email] += 1
        raise Killed

    try:
        room.send(answer, clock=clock, limit=1)
    except BaseExceptionGroup as group:
        assert group.subgroup(Killed) is not None  # noqa: PT017 - a killed process raises nothing
    room.change("UPDATE email_sends SET claim_expires_at = now() - interval '1 second' WHERE state = 'claimed'")


def _assert_history_is_lawful(room):
    sends = {row.send_id: row.state for row in room.rows(sa.select(email_sends))}
    at: dict[uuid.UUID, str | None] = {}
    table = send_transitions
    for row in room.rows(sa.select(table).where(table.c.send_id.in_(sends)).order_by(table.c.transition_id)):
        if row.from_state is None:
            at[row.send_id] = None
        assert at[row.send_id] == row.from_state
        if row.from_state == row.to_state:  # no move, but a mark
            assert (row.to_state, row.reason.split(": ")[-1]) == ("unknown", "quarantined")
        else:
            assert row.from_state is None or row.to_state in states.MOVES[row.from_state]
        at[row.send_id] = row.to_state
    assert at == sends


def test_a_forbidden_move_is_refused_by_name(database):
    with pytest.raises(states.ForbiddenMove, match="unknown to planned"), database.begin() as tx:
        states.move(tx, {uuid.uuid4(): None}, "unknown", "planned", TUESDAY)


def test_of_two_who_move_the_same_send_one_does(room):
    room.drafted()
    asyncio.run(room.send_async(limit=0))
    (row,) = room.rows(sa.select(email_sends))
    start = threading.Barrier(2)

    def move(_):
        start.wait()
        with room.db.begin() as tx:
            return len(states.move(tx, {row.send_id: "x"}, "planned", "refused", TUESDAY))

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(move, range(2))) == [0, 1]
    assert room.transitions.count(("planned", "refused")) == 1
