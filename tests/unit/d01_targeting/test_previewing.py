"""What a plan says before anything is spent: per target, in money, against the price; and when it says no."""

from __future__ import annotations

import datetime as dt
import re
import uuid

import pytest
import sqlalchemy as sa

from cli.output import CommandError
from cli.plan import refuse_loss, targets_table
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.tables import budgets, vendor_quotas
from leadfactory.d01_targeting import campaigns, history, planning, previewing
from leadfactory.d01_targeting.places import PlaceSpec
from leadfactory.d01_targeting.tables import targets
from leadfactory.d02_sourcing.tables import (
    import_files,
    imported_businesses,
    sourced_businesses,
    target_parts,
    unique_businesses,
)
from leadfactory.d05_scoring.tables import lead_scores

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)
NYC, LA = CampaignDay("nyc", NOW.date()), CampaignDay("la", NOW.date())


@pytest.fixture
def seeded(database):
    """Two campaigns: restaurants in two ZIP codes, dentists in one."""
    with database.begin() as tx:
        for name, vertical, codes in (("nyc", "restaurant", ("10001", "10002")), ("la", "dental", ("90012",))):
            places = [PlaceSpec("zip", code) for code in codes]
            campaigns.seed(tx, vertical=vertical, places=places, quota=100, name=name, now=NOW)
            campaigns.configure(tx, name, budget_cents=100_000)
    return database


def preview(database, *units, **options) -> previewing.Plan:
    with database.begin() as tx:
        return previewing.preview(tx, units, now=NOW, **options)


def scored(database, place: str, *, judged: int, qualified: int) -> None:
    """A past day on which a target's businesses were judged."""
    with database.begin() as tx:
        target = tx.scalar(sa.select(targets.c.target_id).where(targets.c.place == place))
        ids = {"campaign": "nyc", "cohort_on": NOW.date() - dt.timedelta(days=1)}
        made = [(uuid.uuid4(), uuid.uuid4(), number) for number in range(judged)]
        tx.execute(sa.insert(sourced_businesses), [
            ids | {"sourced_id": s, "target_id": target, "source": "yelp", "yelp_id": str(s), "rank": n, "fetched_at": NOW, "expires_at": NOW}
            for s, _, n in made])  # fmt: skip
        tx.execute(sa.insert(unique_businesses), [ids | {"business_id": b, "sourced_id": s, "decided_at": NOW} for s, b, _ in made])  # fmt: skip
        tx.execute(sa.insert(lead_scores), [
            ids | {"business_id": b, "tier": "A", "qualified": n < qualified, "components": {}, "rules_version": "1", "input_hash": b"x",
                   "scored_at": NOW} for _, b, n in made])  # fmt: skip


def test_each_target_has_its_calls_dollars_leads_mails_and_sales(seeded):
    told = preview(seeded, NYC).figures()
    (day,) = told["days"]
    assert [each["target"] for each in day["targets"]] == ["10001", "10002"]
    for each in day["targets"]:
        assert (each["businesses"], each["calls"]["yelp"], each["audits"]) == (50, 1, 30)
        assert each["expected_leads"] > each["expected_mails"] > each["expected_sales"] > 0
        assert 0 < each["cost_per_sale_usd"] < told["price_usd"] == 199.0
    assert told["expected_margin_usd"] > 0
    assert "quota of 100 businesses a day" in day["stopped_by"][0]


def test_several_campaigns_share_what_a_vendor_still_allows(seeded):
    with seeded.begin() as tx:
        quota = {"vendor": "yelp", "rate": "day", "limit_units": 300, "used_units": 297, "leased_units": 0}
        moments = {"window_started_at": sa.func.now(), "resets_at": sa.func.now() + dt.timedelta(hours=1)}
        tx.execute(sa.insert(vendor_quotas).values(**quota, **moments))
    assert preview(seeded, NYC).calls["yelp"] == preview(seeded, LA).calls["yelp"] == 2
    both = preview(seeded, NYC, LA)
    assert [sum(each.expected.calls["yelp"] for each in day.targets) for day in both.days] == [2, 1]
    assert "yelp allows 1 more calls" in " ".join(both.days[1].stops)


def test_what_another_campaign_has_planned_and_not_sourced_is_not_planned_twice(seeded):
    with seeded.begin() as tx:
        quota = {"vendor": "yelp", "rate": "day", "limit_units": 300, "used_units": 297, "leased_units": 0}
        moments = {"window_started_at": sa.func.now(), "resets_at": sa.func.now() + dt.timedelta(hours=1)}
        tx.execute(sa.insert(vendor_quotas).values(**quota, **moments))
    planning.plan_day(NYC, db=seeded, clock=Clock(start=NOW))
    assert preview(seeded, LA).calls["yelp"] == 1
    with seeded.begin() as tx:
        tx.execute(sa.text("UPDATE campaigns SET state = 'paused' WHERE campaign = 'nyc'"))
    assert preview(seeded, LA).calls["yelp"] == 2


def test_the_days_budget_bounds_the_plan_and_is_named(seeded):
    with seeded.begin() as tx:
        cap = 1_000_000 * history.MICROUSD_PER_CENT
        tx.execute(
            sa.insert(budgets).values(scope="day", key="2026-10-06", cap_microusd=cap, spent_microusd=cap - 1_000_000)
        )
    plan = preview(seeded, NYC)
    assert 0 < plan.cost_microusd <= 1_000_000
    assert "the day's budget has $1.00 left" in " ".join(plan.days[0].stops)


def test_a_vendors_month_bounds_the_plan(seeded):
    with seeded.begin() as tx:
        cap = 1_000_000 * history.MICROUSD_PER_CENT
        tx.execute(
            sa.insert(budgets).values(
                scope="vendor", key="places|2026-10", cap_microusd=cap, spent_microusd=cap - 350_000
            )
        )
    assert preview(seeded, NYC).businesses == 25  # ten calls at 0.4 a business


def test_what_targets_gave_is_counted_without_going_through_every_pair_where_statistics_are_old(seeded, owner_database):
    tables = (sourced_businesses, unique_businesses, lead_scores)
    scored(seeded, "10001", judged=200, qualified=0)
    with owner_database.begin() as tx:
        for table in tables:
            tx.execute(sa.delete(table))
            tx.execute(sa.text(f"ANALYZE {table.name}"))  # from now on the planner expects one row, wherever it looks
    scored(seeded, "10001", judged=200, qualified=3)
    scored(seeded, "10002", judged=200, qualified=0)
    with owner_database.begin() as tx:
        asked = sa.text(f"EXPLAIN (ANALYZE, TIMING OFF) {history._YIELDS.text}")
        plan = list(tx.scalars(asked, {"campaign": "nyc", "day": NOW.date()}))
        gave = tx.execute(history._YIELDS, {"campaign": "nyc", "day": NOW.date()}).all()
        for table in tables:
            tx.execute(sa.text(f"ANALYZE {table.name}"))
    assert sorted((row.sourced, row.qualified) for row in gave) == [(200, 0), (200, 3)]
    loops = [int(found[1]) for line in plan if (found := re.search(r"loops=(\d+)", line))]
    assert max(loops) < 10_000, "\n".join(plan)


def test_a_campaign_that_gave_nothing_is_expected_to_lose_money_and_is_not_launched(seeded):
    scored(seeded, "10001", judged=500, qualified=0)
    scored(seeded, "10002", judged=500, qualified=0)
    plan = preview(seeded, NYC)
    assert plan.days[0].loses_money
    assert any("nyc is expected to lose $" in gate for gate in plan.gates)
    with pytest.raises(
        CommandError, match=r"nyc is expected to lose \$.* a sale is expected to cost \$.*--accept-loss"
    ):
        refuse_loss(plan, accept=False)
    refuse_loss(plan, accept=True)
    refuse_loss(preview(seeded, LA), accept=False)


def test_a_day_whose_plan_is_done_is_still_judged_by_its_margin(seeded):
    scored(seeded, "10001", judged=500, qualified=0)
    scored(seeded, "10002", judged=500, qualified=0)
    planning.plan_day(NYC, db=seeded, clock=Clock(start=NOW))
    with seeded.begin() as tx:
        tx.execute(sa.update(targets).values(exhausted_at=NOW))
    plan = preview(seeded, NYC)
    assert (plan.businesses, plan.total.microusd_per_sale, plan.days[0].loses_money) == (0, None, True)
    assert dict(plan.lines())["cost per sale"] == "unknown at a price of $199.00"


def test_the_season_moves_what_is_expected_of_a_day(seeded):
    inside, outside = (
        preview(seeded, CampaignDay("la", day)).total.sales for day in (dt.date(2026, 12, 1), dt.date(2026, 11, 3))
    )
    season = history.config().trade.season
    assert inside / outside == pytest.approx(season.inside / season.outside)


def test_a_lead_that_is_expected_to_pass_its_cap_is_named(seeded):
    policies = history.Policies.load()
    assert history.lead_caps(policies) == []
    poor = policies.model_copy(update={"budgets": policies.budgets.model_copy(update={"lead_cents": 1})})
    assert "before it qualifies and may cost 1" in history.lead_caps(poor)[0]


def test_the_mailers_calls_are_the_expected_letters(seeded):
    scored(seeded, "10001", judged=50, qualified=45)
    plan = preview(seeded, NYC)
    assert plan.calls["sendgrid"] == sum(round(each.expected.mails) for each in plan.days[0].targets)
    assert abs(plan.calls["sendgrid"] - plan.mails) <= 1


def test_a_target_that_was_searched_today_is_not_called_untried(seeded):
    with seeded.begin() as tx:
        target = tx.scalar(sa.select(targets.c.target_id).where(targets.c.place == "10001"))
        tx.execute(sa.insert(target_parts).values(
            part_id=uuid.uuid4(), target_id=target, position=0, yelp_categories="restaurants", next_offset=50, created_at=NOW))  # fmt: skip
    (day,) = preview(seeded, NYC).days
    assert {each["target"]: each["tried"] for each in previewing._day_figures(day)["targets"]} == {
        "10001": True,
        "10002": False,
    }
    told = [str(cell) for cell in targets_table(day).columns[0].cells]
    assert told == ["10001 (searched, not scored on an earlier day yet)", "10002 (untried)"]


def test_rows_of_an_own_list_are_in_the_plan_and_its_cost(seeded):
    with seeded.begin() as tx:
        file_id = uuid.uuid4()
        tx.execute(sa.insert(import_files).values(
            file_id=file_id, campaign="nyc", file_name="list.csv", sha256="x", consent_basis="consented", columns={}, imported_by="ana",
            imported_at=NOW, rows_read=30, rows_new=30, rows_changed=0, rows_unchanged=0, rows_rejected=0))  # fmt: skip
        tx.execute(sa.insert(imported_businesses), [
            {"import_id": uuid.uuid4(), "campaign": "nyc", "file_id": file_id, "record_key": bytes([n]) * 32, "version": 1, "row_number": n,
             "content_hash": b"x", "fields": {"name": f"Shop {n}"}, "imported_at": NOW, "keep_until": NOW + dt.timedelta(days=90)} for n in range(30)])  # fmt: skip
    plan = preview(seeded, NYC)
    (day,) = plan.days
    assert (day.own.businesses, day.own.calls["yelp"], plan.businesses) == (30, 0, 100)
    assert sum(each.expected.businesses for each in day.targets) == 70
    assert plan.cost_microusd == day.own.microusd + sum(each.expected.microusd for each in day.targets)
    assert "30 rows of own lists" in " ".join(day.stops)
    assert "own lists (imported)" in [str(cell) for cell in targets_table(day).columns[0].cells]
