"""Marts and ledgers that are apart are told apart: the campaign-day, the measure, both numbers."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from leadfactory import embedded
from leadfactory.campaign_day import CampaignDay
from leadfactory.d10_analytics import agreeing
from leadfactory.d10_analytics.agreeing import Disagreement
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.dbt.cohorts import NYC, UNITS
from tests.dbt.conftest import Story

pytestmark = pytest.mark.slow
OF_ONE = (
    "SELECT ctid FROM lead_scores WHERE campaign = :campaign AND cohort_on = :day AND qualified AND version = 1 LIMIT 1"
)
MISSING = f"DELETE FROM lead_scores WHERE ctid = ({OF_ONE})"
ALTERED = f"UPDATE lead_scores SET qualified = false WHERE ctid = ({OF_ONE})"
EXTRA = """INSERT INTO lead_scores
    SELECT (jsonb_populate_record(s, jsonb_build_object('business_id', gen_random_uuid()))).* FROM lead_scores s
    WHERE campaign = :campaign AND cohort_on = :day AND qualified LIMIT 1"""


@pytest.fixture
def tx(story: Story, postgres: embedded.EmbeddedServer) -> Iterator[sa.Connection]:
    """The ledgers that the published marts were made from; what a test does to them is undone."""
    db = Database(postgres.url("owner"))
    with db.engine.connect() as found, found.begin() as whole:
        yield found
        whole.rollback()
    db.dispose()


@pytest.fixture
def spoiled(story: Story, tmp_path: Path) -> Settings:
    """A copy of the published file that a test may spoil."""
    copy = story.config.model_copy(update={"home": tmp_path})
    shutil.copyfile(story.config.warehouse, copy.warehouse)
    return copy


def told(found: list[Disagreement]) -> set[tuple[CampaignDay, str, int]]:
    return {(each.unit, each.measure, each.mart - each.ledger) for each in found}


def test_every_campaign_day_that_the_build_read_is_judged(tx: sa.Connection, story: Story) -> None:
    assert agreeing.differences(tx, story.config) == (len(UNITS), [])


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
    tx: sa.Connection, story: Story, statement: str, named: set[tuple[str, int]]
) -> None:
    tx.execute(sa.text(statement), {"campaign": NYC.campaign, "day": NYC.day})
    _, found = agreeing.differences(tx, story.config)
    assert told(found) == {(NYC, measure, apart) for measure, apart in named}


def test_a_row_that_is_missing_in_the_marts_is_named(tx: sa.Connection, spoiled: Settings) -> None:
    _spoil(spoiled, "DELETE FROM marts.mart_cohort_funnel WHERE campaign_id = ? AND cohort_on = ?")
    _, found = agreeing.differences(tx, spoiled)
    assert {each.unit for each in found} == {NYC}
    assert "sourced" in {each.measure for each in found}


def test_a_row_that_only_the_marts_have_is_named(tx: sa.Connection, spoiled: Settings) -> None:
    _spoil(
        spoiled,
        "INSERT INTO marts.mart_cohort_funnel SELECT * REPLACE (DATE '2030-01-01' AS cohort_on) "
        "FROM marts.mart_cohort_funnel WHERE campaign_id = ? AND cohort_on = ?",
    )
    nowhere = CampaignDay(NYC.campaign, dt.date(2030, 1, 1))
    assert told(agreeing.differences(tx, spoiled)[1]) == {(nowhere, "campaign-days", 1)}


def test_a_cent_that_the_marts_tell_otherwise_is_named(tx: sa.Connection, spoiled: Settings) -> None:
    _spoil(
        spoiled,
        "UPDATE marts.mart_cohort_funnel SET revenue_cents = revenue_cents + 1 WHERE campaign_id = ? AND cohort_on = ?",
    )
    assert told(agreeing.differences(tx, spoiled)[1]) == {(NYC, "revenue_cents", 1)}


def _spoil(spoiled: Settings, statement: str) -> None:
    with duckdb.connect(str(spoiled.warehouse)) as warehouse:
        warehouse.execute(statement, [NYC.campaign, NYC.day])
