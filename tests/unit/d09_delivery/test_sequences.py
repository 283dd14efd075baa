"""Follow-ups: planned when the letter before was accepted, due in the recipient's window, ended by any answer."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
import sqlalchemy as sa

from leadfactory.campaign_days import state_of
from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d08_personalization.draft_guard import content_hash
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery import sending, sequences
from leadfactory.d09_delivery.identity import send_id
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.tables import contact_slots, email_sends, sequence_stops
from leadfactory.quality import verdicts
from leadfactory.tokens import Tokens
from tests.leads import TUESDAY, UNIT, clock_at

FIRST_DUE = TUESDAY + dt.timedelta(days=6, hours=-2)  # four days later is Saturday: Monday 9:00 in New York


def follow_ups(room, *steps: int) -> None:
    """The drafts of these steps beside each first one, with their verdicts, as the room before would write them."""
    tokens = Tokens(room.settings.signing_keys.get_secret_value())
    for draft in room.rows(sa.select(email_drafts).where(email_drafts.c.status == "drafted", email_drafts.c.step == 1)):
        for step in steps:
            old, new = (tokens.sign("unsubscribe", send_id(UNIT.campaign, draft.business_id, n)) for n in (1, step))
            parts = [
                text.replace(old, new) for text in (draft.subject, draft.preview, draft.body_html, draft.body_text)
            ]
            columns = {
                **draft._mapping, "draft_id": uuid.uuid4(), "step": step, "content_hash": content_hash(*parts),
                **dict(zip(("subject", "preview", "body_html", "body_text"), parts, strict=True)),
            }  # fmt: skip
            with room.db.begin() as tx:
                tx.execute(sa.insert(email_drafts).values(**columns))
                verdict = verdicts.Verdict(
                    "email_drafts", UNIT, "draft_guard", "1", columns["content_hash"], True, 1, (), columns["draft_id"]
                )
                verdicts.record(tx, [verdict], TUESDAY)


def sends(room, step: int = 2) -> list:
    return room.rows(sa.select(email_sends).where(email_sends.c.step == step))


@pytest.fixture
def begun(room, once):
    """One conversation whose first letter was accepted and whose follow-ups are drafted; step 2 is planned."""

    def begin():
        room.drafted()
        room.send()
        follow_ups(room, 2, 3)
        room.send()

    once("sequences_begun", begin)
    return room


def test_a_follow_up_is_planned_for_the_next_window_after_its_delay_and_lives_a_day(begun):
    (row,) = sends(begun)
    assert (row.state, row.due_at) == ("planned", FIRST_DUE)
    assert row.expires_at - row.due_at == dt.timedelta(hours=24)
    assert sends(begun, 3) == []


def test_it_leaves_when_it_is_due_and_not_before(begun):
    assert begun.send(clock=clock_at(FIRST_DUE - dt.timedelta(seconds=1)))[1].asked == []
    _, sendgrid = begun.send(clock=clock_at(FIRST_DUE))
    assert [mail.categories[1] for mail in sendgrid.asked] == ["step-2"]
    assert [row.state for row in sends(begun)] == ["accepted"]


def test_the_next_step_counts_from_the_claim_of_the_one_before(begun):
    begun.send(clock=clock_at(FIRST_DUE))
    begun.send(clock=clock_at(FIRST_DUE))
    (row,) = sends(begun, 3)
    assert row.due_at == FIRST_DUE + dt.timedelta(days=7)


def test_there_are_no_more_follow_ups_than_the_policy_has(begun, monkeypatch):
    monkeypatch.setattr(policy(), "__dict__", policy().__dict__ | {"follow_up_after_days": (4,)})
    begun.send(clock=clock_at(FIRST_DUE))
    begun.send(clock=clock_at(FIRST_DUE))
    assert sends(begun, 3) == []


def test_a_follow_up_uses_the_slots_of_its_conversation_and_holds_them_longer(begun):
    before = {row.slot_hmac: row.held_until for row in begun.rows(sa.select(contact_slots))}
    begun.send(clock=clock_at(FIRST_DUE))
    after = {row.slot_hmac: row.held_until for row in begun.rows(sa.select(contact_slots))}
    assert after.keys() == before.keys()
    assert set(after.values()) == {FIRST_DUE + dt.timedelta(days=policy().recontact_cooldown_days)}


def test_what_waits_for_its_day_lets_the_campaign_day_listen_and_its_claim_mails_again(begun):
    with begun.db.begin() as tx:
        assert state_of(tx, UNIT) == "listening"
        assert sending.count_due(tx, TUESDAY) == 0
        assert sending.count_due(tx, FIRST_DUE) == 1
    states = []

    def answer(mail):
        with begun.db.begin() as tx:
            states.append(state_of(tx, UNIT))
        return "id"

    begun.send(answer, clock=clock_at(FIRST_DUE))
    assert states == ["mailing"]


@pytest.mark.parametrize("reason", sequences.REASONS)
def test_an_answer_ends_what_is_planned_and_plans_no_more(begun, reason):
    (planned,) = sends(begun)
    (first,) = sends(begun, 1)
    with begun.db.begin() as tx:
        assert sequences.stop(tx, first.send_id, reason, TUESDAY) == 1
    (ended,) = sends(begun)
    assert (ended.send_id, ended.state, ended.reason) == (planned.send_id, "refused", f"sequence stopped: {reason}")
    assert begun.send(clock=clock_at(FIRST_DUE))[1].asked == []
    assert begun.transitions[-1] == ("planned", "refused")


def test_an_answer_before_the_follow_up_is_planned_ends_the_conversation_too(room):
    room.drafted()
    room.send()
    follow_ups(room, 2)
    (first,) = sends(room, 1)
    with room.db.begin() as tx:
        assert sequences.stop(tx, first.send_id, "reply", TUESDAY) == 0
    room.send(clock=clock_at(FIRST_DUE))
    assert sends(room) == []


def test_the_claim_asks_again_whether_the_conversation_ended(begun):
    (first,) = sends(begun, 1)
    begun.change(
        "INSERT INTO sequence_stops VALUES (:campaign, :business, 'reply', :send, now())",
        campaign=UNIT.campaign, business=first.business_id, send=first.send_id,
    )  # fmt: skip
    assert begun.send(clock=clock_at(FIRST_DUE))[1].asked == []
    assert [(row.state, row.reason) for row in sends(begun)] == [("refused", "sequence_stopped")]


def test_of_two_reasons_the_stronger_stays_whichever_came_first(begun):
    (first,) = sends(begun, 1)
    for order in (("click", "complaint"), ("complaint", "click")):
        for reason in order:
            with begun.db.begin() as tx:
                sequences.stop(tx, first.send_id, reason, TUESDAY)
        assert [row.reason for row in begun.rows(sa.select(sequence_stops))] == ["complaint"]


def test_a_first_letter_that_waits_is_left_alone(room):
    room.drafted()
    room.send(limit=0)
    (first,) = sends(room, 1)
    with room.db.begin() as tx:
        sequences.stop(tx, first.send_id, "click", TUESDAY)
    assert room.states == {"planned": 1}


def test_a_send_that_nobody_knows_stops_nothing(begun):
    with begun.db.begin() as tx:
        assert sequences.stop(tx, uuid.uuid4(), "reply", TUESDAY) == 0
    assert begun.states == {"accepted": 1, "planned": 1}


def test_nothing_follows_a_letter_of_which_nobody_knows_whether_it_left(room):
    room.drafted()

    def lost(mail):
        raise VendorUnavailable("sendgrid", "mail/send", "timeout")

    room.send(lost)
    follow_ups(room, 2)
    room.send(clock=clock_at(FIRST_DUE))
    assert sends(room) == []


def test_due_steps_of_all_cohorts_leave_in_one_run(begun):
    import asyncio

    from tests.leads import FakeSendGrid

    sendgrid = FakeSendGrid(begun.settings, lambda mail: "id")
    asyncio.run(
        sending.send_all_due(db=begun.db, clock=clock_at(FIRST_DUE), settings=begun.settings, mailer=sendgrid, dry_run=False)
    )  # fmt: skip
    assert [mail.categories[1] for mail in sendgrid.asked] == ["step-2"]


def told(room, delivery: str) -> None:
    """What became of the first letter, as the fold writes it."""
    (first,) = sends(room, 1)
    with room.db.begin() as tx:
        tx.execute(
            sa.text(
                """INSERT INTO send_outcomes (campaign, cohort_on, send_id, business_id, state, delivery, bot_opens, bot_clicks, events)
                   VALUES (:campaign, :day, :send, :business, :told, :told, 0, 0, 1)
                   ON CONFLICT (send_id) DO UPDATE SET state = excluded.state, delivery = excluded.delivery"""
            ),
            {"campaign": UNIT.campaign, "day": UNIT.day, "send": first.send_id, "business": first.business_id, "told": delivery},
        )  # fmt: skip


@pytest.mark.parametrize("delivery", ["blocked", "dropped"])
def test_no_follow_up_is_claimed_after_a_letter_that_was_turned_away_until_its_delivery_is_told(begun, delivery):
    told(begun, delivery)
    report, sendgrid = begun.send(clock=clock_at(FIRST_DUE))
    assert sendgrid.asked == []
    assert report.counts["stopped by undelivered_before"] == 1
    told(begun, "delivered")
    assert len(begun.send(clock=clock_at(FIRST_DUE))[1].asked) == 1


@pytest.mark.parametrize("delivery", ["blocked", "dropped"])
def test_no_follow_up_is_planned_after_a_letter_that_was_turned_away(room, delivery):
    room.drafted()
    room.send()
    told(room, delivery)
    follow_ups(room, 2)
    room.send()
    assert sends(room) == []
