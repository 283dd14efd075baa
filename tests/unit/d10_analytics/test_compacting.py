"""Old months lie in one file for each table; whatever changes late, readers find every row once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from leadfactory import campaign_days, crash_points
from leadfactory.campaign_day import CampaignDay
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d10_analytics import columns, increments, reconciling, schema_changes
from leadfactory.d10_analytics.export import ExportReport, export_lake
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.dbt.cohorts import CLOCK, NYC, Cohorts

Export = Callable[..., ExportReport]
NEXT = CampaignDay(NYC.campaign, NYC.day + dt.timedelta(days=1))
MONTH = "site_audits/month=2026-10/site_audits.parquet"
LATER = type(CLOCK)(start=dt.datetime(2026, 12, 10, 12, tzinfo=dt.UTC))


@pytest.fixture
def old(cohorts: Cohorts, database: Database, config: Settings) -> Callable[[], ExportReport]:
    """Exports, on a day on which October is old, what two days of October hold."""
    cohorts.campaign(NYC)
    for unit in (NYC, NEXT):
        cohorts.day(unit)
        cohorts.calls(unit)
    cohorts.call(None)
    export_lake(db=database, clock=CLOCK, settings=config)
    return lambda: export_lake(db=database, clock=LATER, settings=config)


def rows(config: Settings, table: str) -> list[tuple]:
    """What a scan of the whole lake finds."""
    scan = f"SELECT * FROM read_parquet('{config.lake}/{table}/*/*.parquet', hive_partitioning = false) ORDER BY ALL"
    return duckdb.sql(scan).fetchall()


def seen_by_a_build(config: Settings, changed: frozenset | None = None) -> int:
    """Rows of site_audits in the view that a build reads."""
    scope = increments.scope(config, full=True)
    with increments.view(config, increments.Scope(None, None, scope.files, changed)) as lake:
        return sum(pq.read_metadata(path).num_rows for path in (lake / "site_audits").glob("*/*.parquet"))


def change(database: Database, unit: CampaignDay, performance: int = 1) -> None:
    with database.begin() as tx:
        of = (site_audits.c.campaign == unit.campaign) & (site_audits.c.cohort_on == unit.day)
        tx.execute(sa.update(site_audits).where(of).values(performance=performance))
        campaign_days.mark_dirty(tx, unit, "site_audits")


def test_an_old_month_is_one_file_of_each_table_with_the_same_rows(old: Export, config: Settings) -> None:
    before = {name: rows(config, name) for name in columns.policy().tables}
    assert old().compacted > 0
    files = {str(path.relative_to(config.lake)) for path in (Path(config.lake) / "site_audits").rglob("*.parquet")}
    assert files == {MONTH, schema_changes.path_of("site_audits")}
    assert {name: rows(config, name) for name in columns.policy().tables} == before


def test_a_month_of_which_a_day_is_young_is_left_alone(old: Export, database: Database, config: Settings) -> None:
    young = type(CLOCK)(start=dt.datetime(2026, 12, 4, 12, tzinfo=dt.UTC))
    assert export_lake(db=database, clock=young, settings=config).compacted == 0


def test_a_second_export_writes_nothing(old: Export) -> None:
    old()
    again = old()
    assert (again.files, again.compacted) == (0, 0)


def test_a_late_change_goes_into_the_months_file(old: Export, database: Database, config: Settings) -> None:
    old()
    change(database, NYC)
    old()
    found = pq.read_table(Path(config.lake) / MONTH).to_pylist()
    assert {row["performance"] for row in found if row["cohort_on"] == NYC.day} == {1}
    assert {row["performance"] for row in found if row["cohort_on"] == NEXT.day} != {1}
    assert reconciling.differences(database, config) == (2, [])


def test_a_day_that_is_exported_again_unchanged_stays_in_the_months_file(
    old: Export, database: Database, config: Settings
) -> None:
    old()
    before = rows(config, "site_audits")
    with database.begin() as tx:
        campaign_days.mark_dirty(tx, NYC, "site_audits")
    assert old().files == 0
    assert rows(config, "site_audits") == before


def test_an_increment_reads_of_a_month_the_changed_days_only(old: Export, config: Settings) -> None:
    old()
    whole, one = seen_by_a_build(config), seen_by_a_build(config, frozenset({(NYC.campaign, NYC.day)}))
    assert 0 < one < whole == len(rows(config, "site_audits"))


class Died(Exception):
    """The process is gone."""


def test_a_build_reads_every_row_once_wherever_an_export_dies(
    old: Export, database: Database, config: Settings
) -> None:
    old()
    whole = seen_by_a_build(config)
    for last in range(1, 100):
        change(database, NYC, performance=last)
        left = last

        def die(point: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Died(point)

        crash_points.listen(die)
        try:
            old()
            break
        except Died:
            crash_points.listen(None)
            assert seen_by_a_build(config) == whole
        finally:
            crash_points.listen(None)
    assert last > 5
    assert reconciling.differences(database, config) == (2, [])
    assert len(rows(config, "site_audits")) == whole


def test_a_lost_lake_is_written_whole_again(old: Export, config: Settings) -> None:
    old()
    before = rows(config, "site_audits")
    for path in Path(config.lake).rglob("*.parquet"):
        path.unlink()
    old()
    assert rows(config, "site_audits") == before


def test_a_column_that_came_is_explained_and_its_table_exported_anew(
    old: Export, database: Database, config: Settings
) -> None:
    path = Path(config.lake) / schema_changes.path_of("site_audits")
    before = pq.read_table(path).drop_columns(["performance"])
    pq.write_table(before, path)
    for each in (Path(config.lake) / "site_audits").glob("date=*/*.parquet"):
        pq.write_table(pq.read_table(each).drop_columns(["performance"]), each)
    told = export_lake(db=database, clock=CLOCK, settings=config)
    assert told.schema_changes == {"site_audits": ["performance (int16) is new"]}
    assert told.rows_by_table["site_audits"] > 0
    assert reconciling.differences(database, config) == (2, [])
    assert export_lake(db=database, clock=CLOCK, settings=config).schema_changes == {}
