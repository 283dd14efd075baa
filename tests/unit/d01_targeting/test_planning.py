"""The plan of a day: decided once, from stored yields, within what is left."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.tables import budgets, vendor_breakers, vendor_quotas
from leadfactory.d01_targeting import campaigns, history, planning, previewing
from leadfactory.d01_targeting.places import PlaceSpec
from leadfactory.d01_targeting.tables import campaign_targets, targets
from leadfactory.d02_sourcing.tables import sourced_businesses, unique_businesses
from leadfactory.d05_scoring.tables import lead_scores

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)
CLOCK, UNIT = Clock(start=NOW), CampaignDay("nyc", NOW.date())


@pytest.fixture
def seeded(database):
    def make(*zips: str, quota: int = 100, **fields) -> CampaignDay:
        with database.begin() as tx:
            specs = [PlaceSpec("zip", code) for code in zips]
            campaigns.seed(tx, vertical="restaurant", places=specs, quota=quota, name="nyc", now=NOW)
            campaigns.configure(tx, "nyc", budget_cents=1_000_000, **fields)
        return UNIT

    return make


@pytest.fixture
def planned(database):
    def read(unit=UNIT, clock=CLOCK) -> dict[str, int]:
        planning.plan_day(unit, db=database, clock=clock)
        table = campaign_targets
        with database.begin() as tx:
            rows = tx.execute(sa.select(table.c.place, table.c.businesses_planned).where(table.c.cohort_on == unit.day))
            return dict(rows.tuples().all())

    return read


@pytest.fixture
def preview(database):
    def read(**options):
        with database.begin() as tx:
            return previewing.preview(tx, [UNIT], now=NOW, **options)

    return read


def test_a_plan_is_decided_once(seeded, planned, database):
    unit = seeded("10001", "10002")
    assert planned() == {"10001": 50, "10002": 50}
    with database.begin() as tx:
        campaigns.configure(tx, "nyc", daily_quota=10)
    again = planning.plan_day(unit, db=database, clock=CLOCK)
    assert (again.rows_reused, again.counts["businesses planned"]) == (2, 100)


def test_a_day_that_is_over_or_to_come_is_not_planned(seeded, planned, database):
    seeded("10001")
    for day in (NOW.date() - dt.timedelta(days=1), NOW.date() + dt.timedelta(days=1)):
        assert planned(CampaignDay("nyc", day)) == {}


@pytest.mark.parametrize("state", ["paused", "closed"])
def test_a_campaign_that_rests_is_not_planned(seeded, planned, database, state):
    seeded("10001")
    with database.begin() as tx:
        tx.execute(sa.text("UPDATE campaigns SET state = :state"), {"state": state})
    assert planned() == {}
    assert f"the campaign is {state}" in " ".join(planning.plan_day(UNIT, db=database, clock=CLOCK).notes)


def test_an_exhausted_target_gets_nothing_and_one_far_into_a_search_its_whole_quota(seeded, planned, database):
    seeded("10001", "10002")
    with database.begin() as tx:
        tx.execute(sa.update(targets).where(targets.c.place == "10001").values(exhausted_at=NOW))
        tx.execute(sa.update(targets).where(targets.c.place == "10002").values(next_offset=215))
    assert planned() == {"10002": 50}


def test_what_yelp_still_allows_today_bounds_the_plan(seeded, planned, database):
    seeded("10001", "10002", quota=400)
    with database.begin() as tx:
        quota = {"vendor": "yelp", "rate": "day", "limit_units": 300, "used_units": 298, "leased_units": 1}
        moments = {"window_started_at": sa.func.now(), "resets_at": sa.func.now() + dt.timedelta(hours=1)}
        tx.execute(sa.insert(vendor_quotas).values(**quota, **moments))
    assert sum(planned().values()) == 50


def test_what_is_left_of_the_budget_bounds_the_plan(seeded, planned, database):
    seeded("10001", quota=200)
    spent = 1_000_000 * history.MICROUSD_PER_CENT - 500_000
    with database.begin() as tx:
        cap = 1_000_000 * history.MICROUSD_PER_CENT
        tx.execute(sa.insert(budgets).values(scope="campaign", key="nyc", cap_microusd=cap, spent_microusd=spent))
    (count,) = planned().values()
    assert 0 < count < 50
    with database.begin() as tx:
        assert tx.scalar(sa.select(campaign_targets.c.expected_cost_microusd)) <= 500_000


def _scored_day(tx, place: str, *, qualified: int, of: int) -> None:
    """A past day on which ``of`` businesses of a target were scored and ``qualified`` of them qualified."""
    day, target = (
        NOW.date() - dt.timedelta(days=1),
        tx.scalar(sa.select(targets.c.target_id).where(targets.c.place == place)),
    )
    ids = {"campaign": "nyc", "cohort_on": day}
    for number in range(of):
        sourced, business = uuid.uuid4(), uuid.uuid4()
        tx.execute(sa.insert(sourced_businesses).values(**ids, sourced_id=sourced, target_id=target, source="yelp", yelp_id=str(sourced),
                   rank=number, fetched_at=NOW, expires_at=NOW))  # fmt: skip
        tx.execute(sa.insert(unique_businesses).values(**ids, business_id=business, sourced_id=sourced, decided_at=NOW))
        tx.execute(sa.insert(lead_scores).values(**ids, business_id=business, tier="A", qualified=number < qualified, components={},
                   rules_version="1", input_hash=b"x", scored_at=NOW))  # fmt: skip


def test_a_target_that_gave_leads_before_is_served_first(seeded, planned, database):
    seeded("10001", "10002", quota=100)
    with database.begin() as tx:
        _scored_day(tx, "10001", qualified=0, of=20)
        _scored_day(tx, "10002", qualified=15, of=20)
        campaigns.configure(tx, "nyc", daily_quota=60)
        state = history.day_state(tx, UNIT, campaigns.get(tx, "nyc"), Policies.load(), NOW)
        yields = state.yields(history.config())
    assert planned() == {"10001": 10, "10002": 50}
    assert min(yields.values()) < history.config().yields.leads < max(yields.values())


def test_a_preview_writes_and_calls_nothing_and_equals_the_plan_that_is_made(seeded, preview, planned, database):
    seeded("10001", "10002", quota=120)
    plan = preview()
    with database.begin() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(campaign_targets)) == 0
    assert plan.businesses == sum(planned().values()) == 120
    assert plan.calls["yelp"] == 4
    assert 0 < plan.mails < plan.leads < plan.businesses
    assert plan.cost_microusd > 0


def test_a_preview_goes_beyond_what_one_search_shows(seeded, preview):
    seeded("10001", quota=1000)
    assert preview().businesses == 1000


def test_a_preview_of_a_day_whose_plan_is_done_expects_nothing_more(seeded, preview, planned, database):
    seeded("10001", quota=5)
    planned()
    with database.begin() as tx:
        target = tx.scalar(sa.select(targets.c.target_id))
        for number in range(5):
            tx.execute(sa.insert(sourced_businesses).values(campaign="nyc", cohort_on=UNIT.day, sourced_id=uuid.uuid4(), target_id=target,
                       source="yelp", yelp_id=str(number), rank=number, fetched_at=NOW, expires_at=NOW))  # fmt: skip
    plan = preview()
    assert (plan.businesses, plan.calls["yelp"]) == (0, 0)
    assert any("sources nothing more today" in gate for gate in plan.gates)


def test_a_limit_bounds_the_preview_and_sends_nothing(seeded, preview):
    seeded("10001", quota=100)
    plan = preview(limit=10)
    assert (plan.businesses, plan.calls["yelp"], plan.mails) == (10, 1, 0.0)


def test_a_preview_names_the_gates_that_would_stop_it(seeded, preview, database):
    seeded("10001", quota=100)
    with database.begin() as tx:
        tx.execute(
            sa.insert(vendor_breakers).values(vendor="places", state="closed", forced="open", reason="invoice dispute")
        )
        tx.execute(sa.text("UPDATE campaigns SET budget_cents = 1"))
    gates = " | ".join(preview().gates)
    assert all(
        part in gates
        for part in (
            "nyc lacks a consent basis",
            "nyc is draft_only",
            "the budget of nyc has $0.01 left",
            "places is not asked",
            "invoice dispute",
        )
    )


def test_prices_read_long_ago_are_named(database):
    policies = Policies.load()
    assert history.old_prices(policies, dt.date(2026, 11, 24)) == []
    old = history.old_prices(policies, dt.date(2028, 1, 1))
    assert any("yelp call" in line for line in old)


def test_the_plan_of_a_day_that_is_over_is_returned_as_it_was(seeded, planned, database):
    seeded("10001")
    before = planned()
    later = planning.plan_day(UNIT, db=database, clock=Clock(start=NOW + dt.timedelta(days=3)))
    assert (later.rows_reused, later.rows_out) == (1, 1)
    assert planned(clock=Clock(start=NOW + dt.timedelta(days=3))) == before


def test_more_targets_than_quota_share_out_no_more_than_the_quota(seeded, planned):
    seeded("10001", "10002", "10003", quota=2)
    assert sorted(planned().values()) == [0, 1, 1]


def test_a_preview_prints_its_cost_in_dollars(seeded, preview):
    seeded("10001", quota=100)
    plan = preview()
    assert dict(plan.lines())["cost"] == f"${plan.cost_microusd / 1_000_000:,.2f}"
    assert plan.figures()["cost_usd"] == round(plan.cost_microusd / 1_000_000, 2) > 0
