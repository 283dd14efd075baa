"""The marts in Dagster: one graph with the factory's, all marts or none, materialized only when published."""

from __future__ import annotations

from types import ModuleType

import dagster as dg
import pytest

from tests.dbt.cohorts import UNITS
from tests.dbt.conftest import ROWS, Story

pytestmark = pytest.mark.slow
UNKNOWN = "every_unique_business_is_registered"


def test_every_mart_is_an_asset(location: ModuleType) -> None:
    assert {spec.key for spec in location.SPECS if spec.key.path[0] == "marts"} == {
        dg.AssetKey(["marts", name]) for name in ROWS
    }


def test_the_lineage_goes_on_from_the_lake(location: ModuleType) -> None:
    deps = {spec.key.path[-1]: {dep.asset_key.to_user_string() for dep in spec.deps} for spec in location.SPECS}
    assert deps["fct_emails"] == {"leadfactory/lake_export"}
    assert deps["mart_daily_funnel"] == {"intermediate/int_funnel_days"}
    assert {"marts/fct_leads", "marts/fct_money", "marts/fct_emails"} <= deps["int_funnel_days"]
    assert all(deps.values()), "every mart comes from somewhere"


def test_every_mart_says_what_a_row_is_whose_it_is_and_of_what_kind(location: ModuleType) -> None:
    for spec in location.SPECS:
        assert "One row per" in (spec.description or "")
        assert (spec.group_name, list(spec.owners), spec.kinds) == (
            "d10_analytics",
            ["team:analytics"],
            {"dbt", "duckdb"},
        )


def test_columns_are_described_in_the_graph(location: ModuleType) -> None:
    for spec in location.SPECS:
        assert all(column.description for column in spec.metadata["dagster/column_schema"].columns)


def test_every_dbt_test_is_a_check(location: ModuleType, story: Story) -> None:
    assert {each.test_id for each in story.full.tested} == set(location.CHECKS)


def test_a_click_on_one_mart_cannot_publish_a_part(location: ModuleType) -> None:
    assert not location.dbt_marts.can_subset


def test_builds_queue_for_the_one_writer(location: ModuleType) -> None:
    assert location.dbt_marts.op.pool == "duckdb"


def test_the_job_runs_nightly_after_the_export(location: ModuleType) -> None:
    (schedule,) = location.defs.schedules
    assert (schedule.job_name, schedule.cron_schedule, schedule.execution_timezone) == ("marts", "30 3 * * *", "UTC")


def test_a_build_materializes_every_mart_with_its_rows(story: Story) -> None:
    assert story.again.success
    events = story.again.get_asset_materialization_events()
    rows = {
        event.asset_key.path[-1]: event.materialization.metadata["dagster/row_count"].value
        for event in events
        if event.asset_key.path[0] == "marts"
    }
    assert rows == story.full.rows


def test_a_build_passes_every_check(story: Story) -> None:
    found = story.again.get_asset_check_evaluations()
    assert len(found) == len(story.full.tested) + 1
    assert all(each.passed for each in found)


def test_what_was_published_is_compared_with_the_ledgers(story: Story) -> None:
    (check,) = (e for e in story.again.get_asset_check_evaluations() if e.check_name == "marts_match_ledgers")
    assert (check.metadata["campaign-days"].value, check.metadata["difference"].value) == (len(UNITS), 0)


def test_a_build_that_fails_materializes_nothing(story: Story) -> None:
    assert story.broken.get_asset_materialization_events() == []


def test_a_build_that_fails_names_the_test(story: Story) -> None:
    failed = {
        each.check_name: each.metadata["failing rows"].value
        for each in story.broken.get_asset_check_evaluations()
        if not each.passed
    }
    assert failed[UNKNOWN] > 0
