"""A lake in which nothing is written any more is told with the marts that are made of it, by the factory's clock."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from leadfactory.d10_analytics import columns, dbt_runs, export, increments, lake_files, warehouse
from leadfactory.settings import Settings

pytestmark = pytest.mark.slow
WRITTEN = dt.datetime(2026, 10, 6, 2, tzinfo=dt.UTC)


def told(config: Settings, lake: Path, now: str) -> warehouse.Tested:
    """What a run of dbt says of the freshness of ``lake``."""
    export._put_schemas(str(lake))
    row = ("campaigns", *columns.WHOLE, "campaigns/all/campaigns.parquet", 0, "0" * 64, WRITTEN)
    lake_files.put(str(lake), lake_files.MANIFEST, export.parquet(increments.FILES, [row]))
    environment = warehouse.environment(config, lake / "side.duckdb", lake) | {"LEADFACTORY_NOW": now}
    warehouse.run_dbt(["run", "--select", "fct_listings"], environment)
    tested = dbt_runs.tests(config.home / "dbt" / "target" / warehouse.RESULTS)
    return next(each for each in tested if each.test_id == warehouse.FRESH)


def test_a_lake_that_was_written_last_night_is_fresh(config: Settings, tmp_path: Path) -> None:
    assert told(config, tmp_path, "2026-10-07T03:30:00+00:00").passed


def test_a_lake_that_was_last_written_days_ago_is_stale_and_says_since_when(config: Settings, tmp_path: Path) -> None:
    found = told(config, tmp_path, "2026-10-09T12:00:00+00:00")
    assert not found.passed
    assert found.message == "nothing in the lake is newer than 2026-10-06 02:00 UTC (82.0 h ago)"
