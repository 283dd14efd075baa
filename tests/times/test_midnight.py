"""Midnight UTC, of the last day of a year, falls anywhere into a run: the campaign-day keeps its day, its leads and its mails."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from leadfactory import stage
from leadfactory.campaign_day import CampaignDay
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.tables import metadata
from sandbox.process import SandboxProcess
from tests.crash.matrix import LEDGERS
from tests.postgres import settings_for_tests
from tests.times.nights import Turning, differing, launch, left, play

# New Year's Eve is a Thursday; midnight UTC is 16:00 in Los Angeles, inside the send window.
BEFORE = dt.datetime(2026, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
AFTER = BEFORE + dt.timedelta(seconds=2)
UNIT = CampaignDay("restaurant-la", BEFORE.date())
STAGES = (*stage.NIGHT, "sending", "export")
LEADS = 10  # of which some are mailed
BOUGHT_FROM = STAGES.index("sourcing")


@dataclasses.dataclass(frozen=True)
class Undisturbed:
    """What a run before midnight leaves, and how often each stage read the clock."""

    rows: dict[str, Counter[str]]
    readings: dict[str, int]


@pytest.fixture
def config(sandbox: SandboxProcess, tmp_path: Path, postgres: Any) -> Settings:
    return settings_for_tests(
        tmp_path, LEADFACTORY_SANDBOX_URL=sandbox.base_url, LEADFACTORY_DATABASE_URL=postgres.url("app"),
        WEBSITE_CA_FILE=str(sandbox.ca_file), LEADFACTORY_CLOCK=BEFORE.isoformat(),
    )  # fmt: skip


_undisturbed: list[Undisturbed] = []


@pytest.fixture
def undisturbed(database: Database, owner_database: Database, config: Settings) -> Undisturbed:
    """Run once for all tests; the tables are empty again."""
    if not _undisturbed:
        clock, readings = Turning(BEFORE, then=BEFORE), {}
        launch(database, UNIT.campaign, ["90012"], LEADS, BEFORE)
        run = play(STAGES, UNIT, database, config, clock)
        for name in STAGES:
            before = clock.read[0]
            next(run)
            readings[name] = clock.read[0] - before
        _undisturbed.append(Undisturbed(left(database), readings))
        names = ", ".join(f"leadfactory.{table.name}" for table in metadata.sorted_tables)
        with owner_database.begin() as tx:
            tx.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
    return _undisturbed[0]


def run_over_midnight(database: Database, config: Settings, during: str, readings: int) -> None:
    launch(database, UNIT.campaign, ["90012"], LEADS, BEFORE)
    clock = Turning(BEFORE, then=AFTER)
    run = play(STAGES, UNIT, database, config, clock)
    for name in STAGES:
        if name == during:
            clock.turn(readings)
        next(run)
    assert clock.read[0] > clock.last[0], "midnight did not fall into the run"


def test_the_lake_holds_as_many_rows_of_each_ledger_as_the_tables(undisturbed: Undisturbed) -> None:
    files = [row for row in undisturbed.rows["lake_manifest"] if "'row_count': 'all'" in row]
    assert {name for name in LEDGERS if any(f"'{name}'" in row for row in files)} == {
        "vendor_calls",
        "budgets",
        "vendor_quotas",
    }
    assert [row for row in undisturbed.rows["lake_manifest"] if " of " in row] == []


@pytest.mark.parametrize("inside", [1, -1])
@pytest.mark.parametrize("name", STAGES[BOUGHT_FROM:-1])
def test_a_run_over_midnight_leaves_what_one_before_it_leaves(
    database: Database, config: Settings, undisturbed: Undisturbed, name: str, inside: int
) -> None:
    first = 2 if name == "sourcing" else 0  # later than its look whether the day is over
    readings = undisturbed.readings[name]
    # How often a stage reads the clock varies by a few with who is ready first; before its end is early enough.
    run_over_midnight(
        database, config, name, min(first + inside, readings) if inside > 0 else max(first + 1, readings * 9 // 10)
    )
    assert undisturbed.rows["email_sends"].total() >= 2
    found = differing(undisturbed.rows, left(database))
    assert found == {}, "\n".join(row for rows in found.values() for row in rows)
