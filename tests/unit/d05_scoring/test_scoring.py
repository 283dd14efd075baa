"""Scoring the stored leads: replaced as a whole, but never what a claimed send rested on."""

from __future__ import annotations

import uuid

import sqlalchemy as sa

from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d05_scoring.scoring import newest, score
from leadfactory.d05_scoring.tables import lead_scores
from leadfactory.d09_delivery.tables import email_sends
from tests.leads import CLOCK, TUESDAY, UNIT


def stored(leads):
    return {row.business_id: row for row in leads.rows(sa.select(newest(UNIT)))}


def claimed(leads, seed, **changes):
    values = {
        "campaign": UNIT.campaign, "cohort_on": UNIT.day, "send_id": uuid.uuid4(), "business_id": seed.business_id, "step": 1,
        "draft_id": uuid.uuid4(), "address_hmac": b"a", "address_plus_hmac": b"a", "sender_email": "a@b.example",
        "state": "accepted", "due_at": TUESDAY, "expires_at": TUESDAY, "planned_at": TUESDAY, "claimed_at": TUESDAY,
    }  # fmt: skip
    with leads.db.begin() as tx:
        tx.execute(sa.insert(email_sends).values(**values | changes))


async def test_every_unique_business_gets_one_row_with_a_score_or_a_reason(leads):
    good = leads.business(1)
    site_less = leads.business(2, status="no_website", reason="none_known", site_url=None)
    twin = leads.business(3, unique={"duplicate_of": uuid.uuid4()}, enriched=False)
    closed = leads.business(4, unique={"excluded_reason": "closed_permanently"}, enriched=False)
    await leads.through("audit")
    report = score(UNIT, db=leads.db, clock=CLOCK)
    rows = stored(leads)
    assert rows[good.business_id].qualified
    assert rows[good.business_id].score > 0
    assert [(rows[s.business_id].score, rows[s.business_id].tier, rows[s.business_id].reason) for s in (site_less, twin, closed)] == [
        (None, "none", "no_website: none_known"),
        (None, "none", "held by an earlier cohort"),
        (None, "none", "closed_permanently"),
    ]  # fmt: skip
    assert report.rows_in == report.rows_out == 4


async def test_scoring_again_changes_nothing_not_even_a_time(leads):
    leads.business()
    await leads.through("score")
    before = leads.rows(sa.select(lead_scores))
    report = score(UNIT, db=leads.db, clock=type(CLOCK)(start=TUESDAY.replace(hour=20)))
    assert leads.rows(sa.select(lead_scores)) == before
    assert report.rows_reused == 1


async def test_a_changed_input_replaces_the_row(leads):
    seed = leads.business()
    await leads.through("score")
    with leads.db.begin() as tx:
        tx.execute(sa.update(campaigns).values(vertical="legal"))
    score(UNIT, db=leads.db, clock=CLOCK)
    (row,) = leads.rows(sa.select(lead_scores))
    assert (row.business_id, row.version) == (seed.business_id, 1)


async def test_a_score_that_a_claimed_send_used_stays_and_gets_a_new_version(leads):
    seed = leads.business()
    await leads.through("score")
    claimed(leads, seed)
    (used,) = leads.rows(sa.select(lead_scores))
    with leads.db.begin() as tx:
        tx.execute(sa.update(campaigns).values(vertical="legal"))
    score(UNIT, db=leads.db, clock=CLOCK)
    rows = leads.rows(sa.select(lead_scores).order_by(lead_scores.c.version))
    assert rows[0] == used
    assert [row.version for row in rows] == [1, 2]
    assert stored(leads)[seed.business_id].version == 2
    score(UNIT, db=leads.db, clock=CLOCK)
    assert leads.rows(sa.select(lead_scores).order_by(lead_scores.c.version)) == rows


async def test_a_planned_send_holds_nothing_back(leads):
    seed = leads.business()
    await leads.through("score")
    claimed(leads, seed, state="planned", claimed_at=None)
    with leads.db.begin() as tx:
        tx.execute(sa.update(campaigns).values(vertical="legal"))
    score(UNIT, db=leads.db, clock=CLOCK)
    assert [row.version for row in leads.rows(sa.select(lead_scores))] == [1]
