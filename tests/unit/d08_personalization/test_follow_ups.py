"""Follow-ups: written when they are due, once, for running conversations, about something new."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory.d08_personalization import follow_ups
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery import sequences
from leadfactory.d09_delivery.identity import send_id
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.quality.tables import quality_verdicts
from leadfactory.tokens import Tokens
from tests.leads import TUESDAY, UNIT, Leads

DELAYS = (dt.timedelta(days=4), dt.timedelta(days=3))
DAY_FOUR = TUESDAY + DELAYS[0]


def accept(leads: Leads, step: int, at: dt.datetime) -> None:
    """The newest draft of a step left at a moment."""
    with leads.db.begin() as tx:
        row = tx.execute(sa.select(email_drafts).where(email_drafts.c.step == step)).one()
        tx.execute(
            sa.insert(email_sends).values(
                campaign=UNIT.campaign, cohort_on=UNIT.day, send_id=send_id(UNIT.campaign, row.business_id, step),
                business_id=row.business_id, step=step, draft_id=row.draft_id, address_hmac=b"a", address_plus_hmac=b"a",
                sender_email="a@b.example", state="accepted", due_at=at, expires_at=at, planned_at=at, claimed_at=at,
            )
        )  # fmt: skip


def write(leads: Leads, now: dt.datetime, delays=DELAYS) -> int:
    tokens = Tokens(leads.settings.signing_keys.get_secret_value())
    with leads.db.begin() as tx:
        due = follow_ups.count_due(tx, now, delays)
        written = follow_ups.write_due(tx, tokens, leads.settings.public_url, None, now, delays)
    assert due == written
    return written


def drafts(leads: Leads):
    return leads.rows(sa.select(email_drafts).order_by(email_drafts.c.step))


@pytest.fixture
async def mailed(leads: Leads) -> Leads:
    """One lead whose first letter left on Tuesday."""
    leads.business()
    await leads.through("draft")
    accept(leads, 1, TUESDAY)
    return leads


async def test_a_conversation_ends_with_its_last_letter_and_each_tells_something_new(mailed):
    assert write(mailed, DAY_FOUR) == 1
    accept(mailed, 2, DAY_FOUR)
    assert write(mailed, DAY_FOUR + DELAYS[1]) == 1
    accept(mailed, 3, DAY_FOUR + DELAYS[1])
    assert write(mailed, DAY_FOUR + dt.timedelta(days=9)) == 0
    first, second, third = drafts(mailed)
    assert [row.status for row in (first, second, third)] == ["drafted"] * 3
    told = [set(row.finding_ids) for row in (first, second, third)]
    assert not told[0] & told[1] | told[0] & told[2] | told[1] & told[2]
    assert "October 6, 2026" in second.body_text
    assert "last" in third.body_text.lower()
    assert (second.wording, second.model, second.price_cents) == ("rules", None, first.price_cents)
    assert (second.arms, second.prompt_version) == (first.arms, None)


async def test_a_follow_up_has_a_passing_verdict_and_links_of_its_own_send(mailed):
    write(mailed, DAY_FOUR)
    _, second = drafts(mailed)
    (verdict,) = mailed.rows(sa.select(quality_verdicts).where(quality_verdicts.c.subject_id == second.draft_id))
    assert (verdict.passed, verdict.input_hash) == (True, second.content_hash)
    tokens = Tokens(mailed.settings.signing_keys.get_secret_value())
    token = second.body_text.split("/u/")[1].split()[0]
    assert tokens.read("unsubscribe", token) == send_id(UNIT.campaign, second.business_id, 2)


async def test_nothing_is_written_before_it_is_due_twice_or_where_there_are_no_follow_ups(mailed):
    assert write(mailed, DAY_FOUR - dt.timedelta(seconds=1)) == 0
    assert write(mailed, DAY_FOUR, delays=()) == 0
    assert write(mailed, DAY_FOUR) == 1
    assert write(mailed, DAY_FOUR) == 0


async def test_nothing_is_written_to_who_ended_the_conversation(mailed):
    (first,) = drafts(mailed)
    with mailed.db.begin() as tx:
        sequences.stop(tx, send_id(UNIT.campaign, first.business_id, 1), "reply", DAY_FOUR)
    assert write(mailed, DAY_FOUR) == 0


async def test_nothing_is_written_from_an_audit_that_is_too_old(mailed):
    assert write(mailed, TUESDAY + dt.timedelta(days=30)) == 0


async def test_a_lead_without_an_untold_finding_hears_no_more_and_says_why(mailed):
    with mailed.db.begin() as tx:
        everything = sa.text("SELECT array_agg(finding_id) FROM audit_findings")
        tx.execute(sa.update(email_drafts).values(finding_ids=tx.scalar(everything)))
    assert write(mailed, DAY_FOUR) == 1
    _, second = drafts(mailed)
    assert (second.status, second.reason) == ("rejected", "no finding that the letters before left untold")
