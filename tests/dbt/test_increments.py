"""A build that goes on from an earlier one gives the rows of a build from nothing, whatever came late, twice or went away."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from leadfactory import embedded
from leadfactory.campaign_day import CampaignDay
from leadfactory.d10_analytics import dbt_runs, warehouse
from leadfactory.d10_analytics.export import export_lake
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.dbt import late
from tests.dbt.cohorts import CLOCK, LA, NYC, UNITS, Cohorts
from tests.dbt.conftest import ROWS, tables_of
from tests.postgres import FILLED, settings_for_tests

pytestmark = pytest.mark.slow
ROUNDS = 2
LATE = {
    "fct_emails",
    "fct_leads",
    "fct_money",
    "fct_purchases",
    "mart_cohort_funnel",
    "mart_daily_funnel",
    "mart_unit_economics",
}


@dataclasses.dataclass
class Grown:
    """The rows of every mart before late changes, after increments over them, and after a build from nothing."""

    before: dict[str, list[Any]]
    increments: list[int | None]
    repeated: list[bool]
    after: dict[str, list[Any]]
    refreshed: dict[str, list[Any]]
    told_late: list[
        tuple[set[CampaignDay], set[CampaignDay]]
    ]  # of each round: which cohorts changed, and which the marts tell anew


@pytest.fixture(scope="module")
def grown(postgres: embedded.EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    db, owner = Database(postgres.url("app")), Database(postgres.url("owner"))
    config = settings_for_tests(
        tmp_path_factory.mktemp("grown") / "home", LEADFACTORY_CLOCK="2026-10-06T12:00:00+00:00"
    )
    try:
        with owner.begin() as tx:
            for filled in tx.scalars(sa.text(FILLED)).all():
                tx.execute(sa.text(f"TRUNCATE {filled} CASCADE"))
        yield _grown(db, config)
    finally:
        db.dispose()
        owner.dispose()


def _grown(db: Database, config: Settings) -> Grown:
    cohorts = Cohorts(db, seed=7)
    for unit in (NYC, LA):
        cohorts.campaign(unit)
    for unit in UNITS:
        cohorts.day(unit, listings=300)
        cohorts.calls(unit)
    cohorts.call(None)
    _built(db, config)
    before, increments, repeated, told_late = tables_of(config.warehouse), [], [], []
    for number in range(ROUNDS):
        told = _of_cohorts(config)
        changed = late.change(db, cohorts.draw, number)
        done = _built(db, config)
        increments.append(done.changed)
        repeated.append(done.repeated)
        now = _of_cohorts(config)
        told_late.append((changed, {unit for unit in now if now[unit] != told[unit]}))
    after = tables_of(config.warehouse)
    repeated.append(_built(db, config, full=True).repeated)
    return Grown(before, increments, repeated, after, tables_of(config.warehouse), told_late)


def _of_cohorts(config: Settings) -> dict[CampaignDay, list[Any]]:
    """What the marts tell of each cohort: its funnel, and how long its people took."""
    with duckdb.connect(str(config.warehouse), read_only=True) as reader:
        return {
            unit: [
                reader.execute(
                    f"FROM marts.{mart} WHERE campaign_id = ? AND cohort_on = ? ORDER BY ALL", [unit.campaign, unit.day]
                ).fetchall()
                for mart in ("mart_cohort_funnel", "mart_cohort_conversion")
            ]
            for unit in UNITS
        }


def _built(db: Database, config: Settings, *, full: bool = False) -> warehouse.Published:
    """Models only: what is compared are the rows, and the tests of a build are many."""

    def models(arguments: list[str], environment: dict[str, str]) -> None:
        anew = {dbt_runs.ANEW: "yes"} if full else {}  # the second increment is repeated, the refresh is dbt's own
        warehouse.run_dbt(["run", *arguments[1:]], environment | anew)

    def nothing(built: Path) -> dict[str, list[str]]:
        return {}

    export_lake(db=db, clock=CLOCK, settings=config)
    return warehouse.build_marts(config, full=full, run=models, judge=nothing)


@pytest.mark.parametrize("table", ROWS)
def test_increments_over_late_and_repeated_changes_equal_a_full_refresh(grown: Grown, table: str) -> None:
    assert grown.after[table] == grown.refreshed[table]


def test_the_late_changes_changed_what_they_should(grown: Grown) -> None:
    assert {name for name in ROWS if grown.after[name] != grown.before[name]} >= LATE


def test_what_comes_three_weeks_late_changes_exactly_its_own_cohort(grown: Grown) -> None:
    assert [told for _, told in grown.told_late] == [changed for changed, _ in grown.told_late]
    assert any(changed < set(UNITS) for changed, _ in grown.told_late)  # else there is no other cohort to leave alone


def test_an_increment_takes_only_campaign_days_that_changed(grown: Grown) -> None:
    assert len(grown.increments) == ROUNDS
    assert all(changed is not None and 1 <= changed <= len(UNITS) for changed in grown.increments)


def test_the_second_increment_sent_what_dbt_had_sent_in_the_first_and_the_refresh_was_dbts_own(grown: Grown) -> None:
    assert grown.repeated == [False, True, False]
