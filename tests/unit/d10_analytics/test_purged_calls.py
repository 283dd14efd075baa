"""Vendor calls leave Postgres after ninety days, whole cohorts that the lake has; the lake goes on having them, whatever is exported later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pyarrow as pa
import pytest
import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.backup import purging
from leadfactory.d00_gateway.tables import budgets, vendor_calls
from leadfactory.d10_analytics import lake_files
from leadfactory.d10_analytics.export import export_lake
from leadfactory.d10_analytics.tables import lake_manifest
from leadfactory.database import Database
from leadfactory.quality import invariants
from leadfactory.settings import Settings
from tests.dbt.cohorts import CLOCK, NOON, NYC, Cohorts
from tests.postgres import settings_for_tests

CALLS = f"vendor_calls/date={NYC.day}/restaurant-nyc.parquet"
MONTH = f"vendor_calls/month={NYC.day:%Y-%m}/vendor_calls.parquet"
LATER = type(CLOCK)(start=NOON + dt.timedelta(days=100))  # when the month of the calls is old, and so are they
Export = Callable[..., object]
Lake = Callable[[str], pa.Table]


@pytest.fixture
def day(cohorts: Cohorts, database: Database) -> Cohorts:
    """One campaign-day and its calls, all of them over."""
    cohorts.campaign(NYC)
    cohorts.day(NYC)
    cohorts.calls(NYC)
    with database.begin() as tx:
        tx.execute(sa.update(vendor_calls).where(vendor_calls.c.status == "started").values(status="unknown"))
    return cohorts


def purged(database: Database, config: Settings, *, days: int = 100, dry_run: bool = False) -> int:
    """The calls that go, so many days later."""
    later = settings_for_tests(config.home, LEADFACTORY_CLOCK=(NOON + dt.timedelta(days=days)).isoformat())
    (found,) = [each for each in purging.purge(database, later, dry_run=dry_run) if each.what == "vendor_calls"]
    return found.count


def left(database: Database) -> set[str]:
    with database.begin() as tx:
        return {str(call) for call in tx.scalars(sa.select(vendor_calls.c.call_id))}


def in_lake(lake: Lake) -> set[str]:
    return set(lake(CALLS)["call_id"].to_pylist())


def broken(database: Database) -> list[str]:
    with database.begin() as tx:
        found = invariants.verify(tx, now=NOON + dt.timedelta(days=100), cooldown_days=90)
    return [key for each in found if each.name == "budgets_hold" for key in each.samples]


def test_calls_that_the_lake_has_go_and_a_rehearsal_counts_the_same(
    day: Cohorts, database: Database, config: Settings, export: Export, lake: Lake
) -> None:
    export()
    before = left(database)
    assert purged(database, config, dry_run=True) == len(before) > 0
    assert left(database) == before
    assert purged(database, config) == len(before)
    assert left(database) == set()
    assert in_lake(lake) == before


def test_what_the_lake_does_not_have_stays(day: Cohorts, database: Database, config: Settings, export: Export) -> None:
    assert purged(database, config) == 0
    export()
    day.call(NYC)  # after the export: the lake lists fewer than there are
    assert purged(database, config) == 0


def test_young_calls_and_their_whole_cohort_stay(
    day: Cohorts, database: Database, config: Settings, export: Export
) -> None:
    export()
    assert purged(database, config, days=80) == 0
    day.call(NYC, occurred_on=(NOON + dt.timedelta(days=50)).date())
    export()
    assert purged(database, config) == 0


def test_a_call_that_is_not_over_keeps_its_cohort(
    day: Cohorts, database: Database, config: Settings, export: Export
) -> None:
    day.call(NYC, status="started", cost_microusd=None, settled_at=None)
    export()
    assert purged(database, config) == 0


def test_an_export_after_the_purge_keeps_what_left_and_adds_what_came(
    day: Cohorts, database: Database, config: Settings, export: Export, lake: Lake
) -> None:
    export()
    gone = left(database)
    assert purged(database, config) == len(gone)
    content = lake_files.get(config.lake, CALLS)
    export(units=[NYC])
    assert lake_files.get(config.lake, CALLS) == content
    late = str(day.call(NYC))
    export()
    assert in_lake(lake) == gone | {late}
    with database.begin() as tx:
        listed = tx.scalar(
            sa.select(lake_manifest.c.row_count).where(
                lake_manifest.c.table_name == "vendor_calls", lake_manifest.c.campaign == NYC.campaign
            )
        )
    assert listed == len(gone) + 1


@pytest.fixture
def merged(day: Cohorts, database: Database, config: Settings) -> set[str]:
    """The calls of a month that was merged into one file; they have left Postgres."""
    assert export_lake(db=database, clock=LATER, settings=config).compacted > 0
    calls = left(database)
    assert purged(database, config) == len(calls) > 0
    return calls


def test_a_late_call_joins_in_the_months_file_those_that_left(
    merged: set[str], day: Cohorts, database: Database, config: Settings, lake: Lake
) -> None:
    late = str(day.call(NYC))
    export_lake(db=database, clock=LATER, settings=config)
    assert set(lake(MONTH)["call_id"].to_pylist()) == merged | {late}


def test_a_late_change_of_another_table_leaves_in_the_months_file_the_calls_that_left(
    merged: set[str], database: Database, config: Settings, lake: Lake
) -> None:
    with database.begin() as tx:
        campaign_days.mark_dirty(tx, NYC, "site_audits")
    export_lake(db=database, clock=LATER, settings=config)
    assert set(lake(MONTH)["call_id"].to_pylist()) == merged


def test_a_budget_whose_calls_have_left_is_not_called_broken_and_another_still_is(
    day: Cohorts, database: Database, config: Settings, export: Export
) -> None:
    values = {"scope": "campaign", "cap_microusd": 10**9, "reserved_microusd": 0}
    with database.begin() as tx:
        cost = int(tx.scalar(sa.select(sa.func.sum(vendor_calls.c.cost_microusd))) or 0)
        tx.execute(sa.insert(budgets).values(key=NYC.campaign, spent_microusd=cost, **values))
        tx.execute(sa.insert(budgets).values(key="no-calls-at-all", spent_microusd=5, **values))
    assert broken(database) == ["campaign no-calls-at-all"]
    export()
    assert purged(database, config) > 0
    assert broken(database) == ["campaign no-calls-at-all"]
