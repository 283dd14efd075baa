"""Marts and ledgers that are apart are told apart: the campaign-day, the measure, both numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import duckdb
import pytest
import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d10_analytics import agreeing
from leadfactory.d10_analytics.agreeing import Disagreement
from leadfactory.d10_analytics.export import export_lake
from leadfactory.d10_analytics.tables import lake_manifest
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.dbt.cohorts import CLOCK, NYC, NYC_NEXT_DAY, Cohorts

UNITS = [NYC, NYC_NEXT_DAY]
NEWEST = """SELECT * FROM (SELECT DISTINCT ON (business_id) * FROM lead_scores WHERE campaign = :campaign AND cohort_on = :day
    ORDER BY business_id, version DESC) s WHERE qualified AND score IS NOT NULL LIMIT 1"""
MINE = "campaign = :campaign AND cohort_on = :day AND business_id = (SELECT business_id FROM one)"
MISSING = f"WITH one AS ({NEWEST}) DELETE FROM lead_scores WHERE {MINE}"
ALTERED = f"WITH one AS ({NEWEST}) UPDATE lead_scores SET qualified = false WHERE {MINE}"
EXTRA = f"""WITH one AS ({NEWEST}) INSERT INTO lead_scores
    SELECT (jsonb_populate_record(s, jsonb_build_object('business_id', gen_random_uuid()))).*
    FROM lead_scores s JOIN one USING (campaign, cohort_on, business_id, version)"""


@pytest.fixture
def tx(cohorts: Cohorts, database: Database, config: Settings) -> Iterator[sa.Connection]:
    """Ledgers of two campaign-days that were exported and published; what a test does to them is undone."""
    cohorts.campaign(NYC)
    for unit in UNITS:
        cohorts.day(unit)
    export_lake(db=database, clock=CLOCK, settings=config)
    with database.engine.connect() as found, found.begin() as whole:
        _published(found, config)
        yield found
        whole.rollback()


def _published(tx: sa.Connection, config: Settings) -> None:
    """A warehouse that says what the ledgers say, as dbt's does (tests/dbt holds that), with the files that it was built from."""
    told = agreeing.of_ledgers(tx, UNITS)
    names = list(told[NYC])
    with duckdb.connect(str(config.warehouse)) as warehouse:
        warehouse.execute("CREATE SCHEMA marts")
        counts = ", ".join(f"{name} BIGINT" for name in names)
        warehouse.execute(f"CREATE TABLE marts.mart_cohort_funnel (campaign_id VARCHAR, cohort_on DATE, {counts}, vertical VARCHAR, state VARCHAR)")  # fmt: skip
        for unit, of in told.items():
            row = [unit.campaign, unit.day, *of.values(), "restaurant", "open"]
            warehouse.execute(f"INSERT INTO marts.mart_cohort_funnel VALUES ({', '.join('?' * len(row))})", row)
        warehouse.execute("CREATE TABLE marts.lake_files (campaign VARCHAR, cohort_on DATE, table_name VARCHAR, sha256 VARCHAR)")  # fmt: skip
        m = lake_manifest.c
        files = tx.execute(sa.select(m.campaign, m.cohort_on, m.table_name, m.sha256)).all()
        warehouse.executemany("INSERT INTO marts.lake_files VALUES (?, ?, ?, ?)", [tuple(row) for row in files])


def told(found: list[Disagreement]) -> set[tuple[CampaignDay, str, int]]:
    return {(each.unit, each.measure, each.mart - each.ledger) for each in found}


def test_every_campaign_day_that_the_build_read_is_judged(tx: sa.Connection, config: Settings) -> None:
    assert agreeing.differences(tx, config) == (len(UNITS), [])


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (MISSING, {("scored", 1), ("qualified", 1)}),
        (EXTRA, {("scored", -1), ("qualified", -1)}),
        (ALTERED, {("qualified", 1)}),
    ],
    ids=["missing", "extra", "altered"],
)
def test_a_row_of_the_ledgers_that_the_marts_do_not_tell_is_named(
    tx: sa.Connection, config: Settings, statement: str, named: set[tuple[str, int]]
) -> None:
    tx.execute(sa.text(statement), {"campaign": NYC.campaign, "day": NYC.day})
    _, found = agreeing.differences(tx, config)
    assert told(found) == {(NYC, measure, apart) for measure, apart in named}


def test_a_row_that_is_missing_in_the_marts_is_named(tx: sa.Connection, config: Settings) -> None:
    _spoil(config, "DELETE FROM marts.mart_cohort_funnel WHERE campaign_id = ? AND cohort_on = ?")
    _, found = agreeing.differences(tx, config)
    assert {each.unit for each in found} == {NYC}
    assert "sourced" in {each.measure for each in found}


def test_a_row_that_only_the_marts_have_is_named(tx: sa.Connection, config: Settings) -> None:
    _spoil(
        config,
        "INSERT INTO marts.mart_cohort_funnel SELECT * REPLACE (DATE '2030-01-01' AS cohort_on) "
        "FROM marts.mart_cohort_funnel WHERE campaign_id = ? AND cohort_on = ?",
    )
    nowhere = CampaignDay(NYC.campaign, dt.date(2030, 1, 1))
    assert told(agreeing.differences(tx, config)[1]) == {(nowhere, "campaign-days", 1)}


def test_a_cent_that_the_marts_tell_otherwise_is_named(tx: sa.Connection, config: Settings) -> None:
    _spoil(
        config,
        "UPDATE marts.mart_cohort_funnel SET revenue_cents = revenue_cents + 1 WHERE campaign_id = ? AND cohort_on = ?",
    )
    assert told(agreeing.differences(tx, config)[1]) == {(NYC, "revenue_cents", 1)}


def _spoil(config: Settings, statement: str) -> None:
    with duckdb.connect(str(config.warehouse)) as warehouse:
        warehouse.execute(statement, [NYC.campaign, NYC.day])


def test_a_campaign_day_that_changed_since_the_build_is_not_judged(tx: sa.Connection, config: Settings) -> None:
    tx.execute(sa.text(MISSING), {"campaign": NYC.campaign, "day": NYC.day})
    campaign_days.mark_dirty(tx, NYC, "lead_scores")
    assert agreeing.differences(tx, config) == (1, [])
