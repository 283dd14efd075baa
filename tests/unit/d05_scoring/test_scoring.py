"""Scoring the stored leads: replaced as a whole, but never what a claimed send rested on."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from leadfactory.d01_targeting import campaigns as campaigns_of
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d02_sourcing.tables import sourced_businesses, unique_businesses
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


async def test_a_score_is_stored_with_inputs_contributions_sentence_and_estimate(leads):
    leads.business()
    await leads.through("score")
    (row,) = leads.rows(sa.select(lead_scores))
    assert row.sentence.startswith(f"Tier {row.tier}, {row.score} of 100: need ")
    assert row.inputs["performance"] == 32
    assert {each["signal"] for each in row.contributions if not each["known"]} >= {"review_band", "chain"}
    assert 0 < row.revenue_low_cents < row.revenue_high_cents
    assert row.revenue_basis[0].startswith("estimate")
    assert row.components == {name: float(getattr(row, name)) for name in row.components}


async def test_a_lead_without_an_audit_stores_why_and_no_estimate(leads):
    leads.business(status="no_website", reason="none_known", site_url=None)
    await leads.through("score")
    (row,) = leads.rows(sa.select(lead_scores))
    assert (row.sentence, row.revenue_low_cents, row.need) == ("Not scored: no_website: none_known.", None, None)
    assert leads.rows(sa.select(lead_scores.c.revenue_basis.is_(None))) == [(True,)]


@pytest.mark.parametrize(("min_tier", "qualified"), [("A", False), ("D", True)])
async def test_a_campaigns_lowest_tier_is_the_gate_and_is_stored(leads, min_tier, qualified):
    leads.business(facts={"phone_visible": False, "hours_visible": True})
    with leads.db.begin() as tx:
        campaigns_of.configure(tx, UNIT.campaign, min_tier=min_tier)
        tx.execute(sa.update(campaigns).values(vertical="beauty"))
    await leads.through("audit")
    with leads.db.begin() as tx:
        tx.execute(sa.text("UPDATE site_audits SET performance = 80, seo = 95, accessibility = 95"))
    score(UNIT, db=leads.db, clock=CLOCK)
    (row,) = leads.rows(sa.select(lead_scores))
    assert (row.min_tier, row.qualified) == (min_tier, qualified)
    assert row.tier != "A"


def test_a_tier_that_does_not_exist_is_refused(leads):
    with leads.db.begin() as tx, pytest.raises(ValueError, match=r"min_tier='E' is not one of A, B, C, D"):
        campaigns_of.configure(tx, UNIT.campaign, min_tier="E")


async def test_a_band_of_reviews_that_nobody_signed_for_does_not_count(leads):
    leads.business()
    with leads.db.begin() as tx:
        sourced_id = tx.scalar(sa.select(unique_businesses.c.sourced_id))
        listing = {
            "campaign": UNIT.campaign, "cohort_on": UNIT.day, "sourced_id": sourced_id, "target_id": uuid.uuid4(), "rank": 1,
            "review_band": ">50", "fetched_at": TUESDAY, "expires_at": TUESDAY,
        }  # fmt: skip
        tx.execute(sa.insert(sourced_businesses).values(**listing, source="yelp", yelp_id="y"))
    await leads.through("score")
    (yelps,) = leads.rows(sa.select(lead_scores.c.inputs))
    with leads.db.begin() as tx:
        tx.execute(sa.update(sourced_businesses).values(source="import"))
    score(UNIT, db=leads.db, clock=CLOCK)
    (own,) = leads.rows(sa.select(lead_scores.c.inputs))
    assert (yelps.inputs["review_band"], own.inputs["review_band"]) == (None, ">50")


async def test_the_chart_shows_the_leads_of_each_tier_by_score(leads):
    leads.business(1)
    leads.business(2, status="no_website", reason="none_known", site_url=None)
    await leads.through("audit")
    report = score(UNIT, db=leads.db, clock=CLOCK)
    (row,) = leads.rows(sa.select(lead_scores).where(lead_scores.c.score.is_not(None)))
    tens = row.score // 10 * 10
    assert report.chart == {f"{row.tier} {tens}–{tens + 9}": 1.0, "not scored": 1.0}
