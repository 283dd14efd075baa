"""The published marts say what the ledgers say, or are not published."""

from __future__ import annotations

import dataclasses

import duckdb
import pytest

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.verticals import verticals
from leadfactory.d10_analytics import lake_files, responses, sales, versions, warehouse
from leadfactory.d10_analytics.funnel import Funnel
from leadfactory.d10_analytics.warehouse import MartsError
from leadfactory.settings import Settings
from tests.dbt.cohorts import UNITS
from tests.dbt.conftest import ROWS, Story

pytestmark = pytest.mark.slow


@pytest.fixture
def marts(story: Story) -> duckdb.DuckDBPyConnection:
    """The published file, as an analyst opens it."""
    return duckdb.connect(str(story.config.warehouse), read_only=True)


@pytest.mark.parametrize("unit", UNITS, ids=str)
def test_the_funnel_equals_the_ledgers(story: Story, unit: CampaignDay) -> None:
    assert story.marts[unit] == story.ledgers[unit]


def test_the_ledgers_hold_every_stage(story: Story) -> None:
    for field in ("sourced", "unique", "enriched", "audited", "scored", "qualified", "drafted", "sent", "unknown"):
        assert sum(getattr(each, field) for each in story.ledgers.values()) > 0, field


@pytest.mark.parametrize("unit", UNITS, ids=str)
def test_what_became_of_the_letters_equals_the_ledgers(story: Story, unit: CampaignDay) -> None:
    assert {name: story.counts[unit][name] for name in responses.FIELDS} == dataclasses.asdict(story.answers[unit])


@pytest.mark.parametrize("unit", UNITS, ids=str)
def test_what_was_sold_equals_the_ledgers(story: Story, unit: CampaignDay) -> None:
    assert {name: story.counts[unit][name] for name in sales.FIELDS} == dataclasses.asdict(story.sold[unit])


def test_the_ledgers_hold_every_response_and_sale(story: Story) -> None:
    for field in (*responses.FIELDS, *sales.FIELDS):
        parts = [*story.answers.values(), *story.sold.values()]
        assert sum(getattr(each, field, 0) for each in parts) > 0, field


def test_calls_and_costs_equal_the_ledger(story: Story, marts: duckdb.DuckDBPyConnection) -> None:
    rows = marts.execute(
        "SELECT campaign_id, cohort_on, vendor_calls, vendor_cost_microusd FROM marts.mart_cohort_funnel"
    ).fetchall()
    assert {CampaignDay(c, day): (calls, cost) for c, day, calls, cost in rows} == story.calls


def test_every_send_is_in_one_state(marts: duckdb.DuckDBPyConnection, story: Story) -> None:
    states = "sum(waiting + sent + unknown + refused + rejected + expired)"
    (sends,) = marts.execute(f"SELECT {states} FROM marts.mart_cohort_funnel").fetchone() or ()
    (stored,) = (
        duckdb.execute(
            f"SELECT count(*) FROM read_parquet('{story.config.lake}/email_sends/*/*.parquet', hive_partitioning = false)"
        ).fetchone()
        or ()
    )
    assert sends == stored > 0


def test_campaigns_are_the_sums_of_their_days(marts: duckdb.DuckDBPyConnection) -> None:
    whole = marts.execute(
        "SELECT campaign_id, businesses, letters_sent, vendor_cost_microusd FROM marts.dim_campaigns ORDER BY 1"
    ).fetchall()
    days = marts.execute(
        "SELECT campaign_id, sum(unique_businesses), sum(sent), sum(vendor_cost_microusd) FROM marts.mart_cohort_funnel "
        "GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert whole == days


def test_every_registered_business_is_one_row(story: Story) -> None:
    assert story.full.rows["dim_businesses"] == story.businesses


def test_an_own_name_stands_as_it_was_published(marts: duckdb.DuckDBPyConnection) -> None:
    names = marts.execute(
        "SELECT DISTINCT own_name FROM marts.dim_businesses WHERE enrichment_status = 'ok'"
    ).fetchall()
    assert all(name.startswith("Café №") for (name,) in names)


def test_marts_over_an_empty_lake_are_empty(story: Story) -> None:
    assert story.empty.rows == dict.fromkeys(sorted(ROWS), 0) | {"dim_verticals": len(verticals())}
    assert all(each.passed for each in story.empty.tested)
    assert set(story.empty_funnel.values()) == {Funnel()}


def test_a_second_build_over_the_same_lake_gives_the_same_rows(story: Story) -> None:
    assert story.tables_again == story.tables


def test_an_increment_takes_changed_campaign_days_only(story: Story) -> None:
    assert (story.empty.changed, story.full.changed) == (None, len(UNITS) + 1)  # and the calls of no campaign


def test_a_reader_keeps_its_version_while_a_new_one_is_published(story: Story) -> None:
    assert story.reader_after == story.reader_before
    assert story.reader_before[0][0] == story.empty.build_id != story.full.build_id


def test_a_failing_test_leaves_the_old_file(story: Story) -> None:
    assert not story.broken.success
    assert story.sha_after_broken == story.sha_before_broken


def test_postgres_holds_the_rows_of_the_file(story: Story) -> None:
    assert {name: len(rows) for name, rows in story.in_postgres.items()} == {
        n: len(r) for n, r in story.tables_again.items()
    }
    for name in ("mart_cohort_funnel", "mart_unit_economics", "dim_campaigns"):
        assert story.in_postgres[name], name


def test_a_failing_test_leaves_the_marts_in_postgres(story: Story) -> None:
    newest = versions.listed(story.config)[0]
    assert story.live_after_broken is not None
    assert story.live_after_broken[0] == newest.build_id


def test_earlier_versions_are_kept(story: Story) -> None:
    kept = versions.listed(story.config)
    assert [each.published for each in kept] == [True, False, False]
    assert {story.empty.build_id, story.full.build_id} <= {each.build_id for each in kept}


def test_the_published_file_holds_tables_of_marts_only(marts: duckdb.DuckDBPyConnection) -> None:
    found = marts.execute("SELECT table_schema, table_name, table_type FROM information_schema.tables").fetchall()
    assert {schema for schema, _, _ in found} == {"marts"}
    assert {kind for _, _, kind in found} == {"BASE TABLE"}
    assert {name for _, name, _ in found} == {*ROWS, "version", "lake_files"}


def test_the_version_names_the_lake_that_it_was_built_from(marts: duckdb.DuckDBPyConnection, story: Story) -> None:
    (sha,) = marts.execute("SELECT lake_manifest_sha256 FROM marts.version").fetchone() or ()
    assert sha == story.full.lake_manifest_sha256 != story.empty.lake_manifest_sha256
    assert sha != lake_files.manifest_sha256(story.config.lake)  # of the broken lake, which was not published


def test_no_column_is_called_date(marts: duckdb.DuckDBPyConnection) -> None:
    names = {name for (name,) in marts.execute("SELECT column_name FROM information_schema.columns").fetchall()}
    assert "cohort_on" in names
    assert "date" not in names


def test_every_column_carries_its_description(marts: duckdb.DuckDBPyConnection) -> None:
    bare = marts.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'marts' AND table_name NOT IN ('version', 'lake_files') AND comment IS NULL"
    ).fetchall()
    assert bare == []


def test_builds_leave_nothing_beside_the_published_file(story: Story) -> None:
    left = sorted(path.name for path in story.config.home.glob("warehouse*"))
    assert left == ["warehouse.duckdb", "warehouse.lock", "warehouse.versions"]


def test_dbt_writes_nothing_into_the_project(story: Story) -> None:
    assert (story.config.home / "dbt" / "target" / warehouse.RESULTS).is_file()
    assert {path.name for path in warehouse.PROJECT.iterdir()} & {"target", "logs", ".user.yml"} == set()


def test_without_an_export_there_is_nothing_to_build(config: Settings) -> None:
    nowhere = config.model_copy(update={"lake_url": str(config.home / "no-lake")})
    with pytest.raises(MartsError, match="lake_export"):
        warehouse.build_marts(nowhere)
