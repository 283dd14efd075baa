"""Auto-pause: each rule at its boundary, what it stops, and that only a person lets it go on."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
import sqlalchemy as sa

from leadfactory.d09_delivery import folding, halting
from leadfactory.d09_delivery.halting import Mailed
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.tables import email_events, email_sends, halts, send_outcomes, suppression_polls
from tests.leads import TUESDAY, UNIT, clock_at

LONG_AGO = TUESDAY - dt.timedelta(days=9)
FINE = Mailed(True, arrived_at=LONG_AGO)
BAD = Mailed(True, arrived_at=LONG_AGO, complained=True)
DEAD = Mailed(False, bounced_at=LONG_AGO)


def rules_broken(mails: list[Mailed], ever: int | None = None) -> set[str]:
    ever = sum(mail.arrived for mail in mails) if ever is None else ever
    return {each.rule for each in halting.broken(mails, ever, TUESDAY, policy().auto_pause)}


@pytest.mark.parametrize(
    ("mails", "ever", "expected"),
    [
        ([BAD, *[FINE] * 99], 100, {"complaints_at_first"}),
        ([BAD, *[FINE] * 100], 101, set()),  # one complaint is none of the first hundred's any more
        ([BAD, BAD, *[FINE] * 98], 100, {"complaints"}),
        ([BAD, *[FINE] * 998, BAD], 5_000, {"complaints"}),  # the thousandth delivered still counts
        ([BAD, *[FINE] * 999, BAD], 5_000, set()),  # the one before it does not
        ([FINE] * 1000, 1000, set()),
    ],
)
def test_complaints_stop_at_two_of_the_last_thousand_or_one_of_the_first_hundred(mails, ever, expected):
    assert rules_broken(mails, ever) == expected


@pytest.mark.parametrize(
    ("bounces", "fine", "expected"),
    [
        (4, 10, set()),  # a large share of very few
        (5, 245, {"bounces"}),  # 2.0 %
        (5, 246, set()),  # below
        (10, 490, {"bounces"}),
        (9, 491, set()),
        (5, 0, {"bounces"}),
    ],
)
def test_bounces_stop_when_they_are_five_and_two_percent(bounces, fine, expected):
    assert rules_broken([DEAD] * bounces + [FINE] * fine, 10_000) == expected


def test_bounces_before_the_last_five_hundred_do_not_count():
    assert rules_broken([FINE] * 495 + [DEAD] * 5, 10_000) == set()
    assert rules_broken([FINE] * 490 + [DEAD] * 10, 10_000) == {"bounces"}
    assert rules_broken([FINE] * 491 + [DEAD] * 10, 10_000) == set()


@pytest.mark.parametrize(
    ("bounces", "fine", "ago", "expected"),
    [
        (1, 9, dt.timedelta(0), {"bounces_in_an_hour"}),
        (1, 10, dt.timedelta(0), set()),
        (1, 8, dt.timedelta(0), set()),  # too few to tell
        (1, 9, dt.timedelta(minutes=59, seconds=59), {"bounces_in_an_hour"}),
        (1, 9, dt.timedelta(hours=1), set()),
    ],
)
def test_a_tenth_of_an_hours_mails_bouncing_stops(bounces, fine, ago, expected):
    at = TUESDAY - ago
    mails = [Mailed(False, bounced_at=at)] * bounces + [Mailed(True, arrived_at=at)] * fine
    assert rules_broken(mails, 10_000) == expected


def event(room, kind: str, number: int = 0) -> None:
    """One event about the only send, folded."""
    (send,) = room.rows(sa.select(email_sends))
    with room.db.begin() as tx:
        tx.execute(
            sa.insert(email_events).values(
                campaign=UNIT.campaign, cohort_on=UNIT.day, event_id=f"{kind}-{number}", send_id=send.send_id,
                business_id=send.business_id, kind=kind, occurred_at=TUESDAY, machine=False, received_at=TUESDAY,
            )
        )  # fmt: skip
        folding.fold_sends(tx, {send.send_id}, TUESDAY)


@pytest.fixture
def complained(room, once):
    """A sender whose first mail was complained of, and another lead that waits."""

    def complain():
        room.drafted()
        room.send()
        event(room, "spamreport")

    once("halting_complained", complain)
    return room


def test_a_complaint_stops_sender_and_campaign_in_the_transaction_that_folds_it(complained):
    found = {(row.scope, row.subject, row.rule) for row in complained.rows(sa.select(halts))}
    assert found == {
        ("sender", "ana@mail.leadfactory.example", "complaints_at_first"),
        ("campaign", UNIT.campaign, "complaints_at_first"),
    }
    event(complained, "spamreport", 1)
    assert len(complained.rows(sa.select(halts))) == 2


def test_what_was_lifted_does_not_stop_again_for_the_same_mails(complained):
    for row in complained.rows(sa.select(halts)):
        with complained.db.begin() as tx:
            halting.resume(tx, row.halt_id, by="Ana Ruiz", why="spoke to the recipient", now=TUESDAY)
    event(complained, "spamreport", 1)
    with complained.db.begin() as tx:
        assert halting.listed(tx) == []
        assert len(halting.listed(tx, all_of_them=True)) == 2


def test_a_complaint_that_comes_after_somebody_looked_stops_again_though_its_mail_left_before(complained):
    later = TUESDAY + dt.timedelta(hours=1)
    for row in complained.rows(sa.select(halts)):
        with complained.db.begin() as tx:
            halting.resume(tx, row.halt_id, by="Ana Ruiz", why="spoke to the recipient", now=TUESDAY)
    with complained.db.begin() as tx:
        tx.execute(sa.update(send_outcomes).values(complained_at=later))
        assert halting.judge(tx, ["ana@mail.leadfactory.example"], [UNIT.campaign], later) == 2


@pytest.mark.parametrize(("by", "why"), [("", "because I looked at it"), ("Ana Ruiz", "ok"), ("Ana Ruiz", " " * 20)])
def test_nobody_and_no_reason_lift_nothing(complained, by, why):
    halt = complained.rows(sa.select(halts))[0].halt_id
    with pytest.raises(ValueError, match="--why"), complained.db.begin() as tx:
        halting.resume(tx, halt, by=by, why=why, now=TUESDAY)
    with pytest.raises(LookupError, match="halts list"), complained.db.begin() as tx:
        halting.resume(tx, 10_000, by="Ana Ruiz", why="because I looked at it", now=TUESDAY)


@pytest.mark.parametrize(
    ("scope", "subject"),
    [("sender", "ana@mail.leadfactory.example"), ("campaign", UNIT.campaign), ("mailer", "sendgrid")],
)
def test_a_halt_keeps_a_mail_waiting_and_its_end_lets_it_leave(room, scope, subject):
    room.drafted()
    with room.db.begin() as tx:
        halting.halt(tx, scope, subject, "bounces", "test", TUESDAY)
        assert halting.halt(tx, scope, subject, "bounces", "again", TUESDAY) == 0
    report, sent = room.send()
    assert (sent.asked, report.counts["stopped by halted"]) == ([], 1)
    (row,) = room.rows(sa.select(halts))
    with room.db.begin() as tx:
        halting.resume(tx, row.halt_id, by="Ana Ruiz", why="cleaned the list of addresses", now=TUESDAY)
    assert len(room.send()[1].asked) == 1


def test_a_halt_of_somebody_else_stops_nobody(room):
    room.drafted()
    with room.db.begin() as tx:
        halting.halt(tx, "sender", f"{uuid.uuid4()}@else.example", "bounces", "test", TUESDAY)
        halting.halt(tx, "campaign", "another", "bounces", "test", TUESDAY)
    assert len(room.send()[1].asked) == 1


def lists_were_read(room, at: dt.datetime) -> None:
    with room.db.begin() as tx:
        tx.execute(sa.insert(suppression_polls).values(mailer="sendgrid", began_at=at, ended_at=at, whole=True))


def test_mail_stops_when_the_suppression_lists_were_not_read_for_too_long(room):
    room.change("UPDATE campaigns SET consent_basis = 'consented'")
    room.drafted(2)
    room.send(limit=1)
    late = clock_at(TUESDAY + dt.timedelta(hours=27))
    report, sent = room.send(clock=late)
    assert (sent.asked, report.counts["stopped by halted"]) == ([], 1)
    (row,) = room.rows(sa.select(halts))
    assert (row.scope, row.subject, row.rule) == ("mailer", "sendgrid", "stale_suppressions")
    lists_were_read(room, late.now())
    assert room.send(clock=late)[1].asked == []  # read again, and still a person has to look
    with room.db.begin() as tx:
        halting.resume(tx, row.halt_id, by="Ana Ruiz", why="the key was wrong, lists are read again", now=late.now())
    assert len(room.send(clock=late)[1].asked) == 1


def test_lists_that_are_read_stop_nothing_and_neither_does_mail_to_nobody(room):
    room.drafted(3)
    room.send(limit=1)
    late = clock_at(TUESDAY + dt.timedelta(hours=27))
    assert len(room.send(limit=1, clock=late)[1].asked) == 1
    room.change("UPDATE campaigns SET consent_basis = 'consented'")
    lists_were_read(room, late.now())
    assert len(room.send(limit=1, clock=late)[1].asked) == 1
