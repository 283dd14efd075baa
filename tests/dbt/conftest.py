"""One warehouse through four builds: over an empty lake, over filled ledgers, over the same again, and over a broken lake."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import duckdb
import psycopg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from leadfactory import embedded
from leadfactory.campaign_day import CampaignDay
from leadfactory.d10_analytics import postgres_marts, warehouse
from leadfactory.d10_analytics.export import export_lake
from leadfactory.d10_analytics.funnel import (
    Funnel,
    calls_and_spend,
    counts_from_marts,
    funnel_from_ledgers,
    funnel_from_marts,
)
from leadfactory.d10_analytics.responses import Responses, responses
from leadfactory.d10_analytics.sales import Sales, sales
from leadfactory.d10_analytics.warehouse import Published
from leadfactory.database import Database
from leadfactory.migrate import owner_url
from leadfactory.settings import Settings, settings
from tests.dbt.cohorts import CLOCK, LA, NYC, UNITS, Cohorts
from tests.postgres import FILLED, settings_for_tests

ROWS = tuple(sorted(path.stem for path in (warehouse.PROJECT / "models" / "marts").glob("*.sql")))


@dataclasses.dataclass
class Story:
    """What was seen on the way."""

    config: Settings
    empty: Published
    empty_funnel: dict[CampaignDay, Funnel]
    reader_before: list[Any]
    reader_after: list[Any]
    full: Published
    ledgers: dict[CampaignDay, Funnel]
    answers: dict[CampaignDay, Responses]
    sold: dict[CampaignDay, Sales]
    calls: dict[CampaignDay, tuple[int, int]]
    businesses: int
    counts: dict[CampaignDay, dict[str, int]]
    marts: dict[CampaignDay, Funnel]
    tables: dict[str, list[Any]]
    tables_again: dict[str, list[Any]]
    in_postgres: dict[str, list[Any]]
    again: dg.ExecuteInProcessResult
    broken: dg.ExecuteInProcessResult
    live_after_broken: tuple[str, Any] | None
    sha_before_broken: str
    sha_after_broken: str


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory, postgres: embedded.EmbeddedServer) -> Settings:
    """A home for the warehouse, under a fixed clock, beside the tests' Postgres as the owner of its schemas."""
    home = tmp_path_factory.mktemp("dbt") / "home"
    return settings_for_tests(
        home, LEADFACTORY_CLOCK="2026-10-06T12:00:00+00:00", LEADFACTORY_DATABASE_URL=SecretStr(postgres.url("owner"))
    )


@pytest.fixture(scope="session")
def location(config: Settings) -> Iterator[ModuleType]:
    """The marts' code location, in a process whose settings are ``config``."""
    before = dict(os.environ)
    assert config.database_url is not None
    os.environ.update(
        LEADFACTORY_HOME=str(config.home), LEADFACTORY_CLOCK=config.clock_spec, LEADFACTORY_ENV="test",
        LEADFACTORY_DATABASE_URL=config.database_url.get_secret_value(),
    )  # fmt: skip
    settings.cache_clear()
    try:
        from leadfactory_assets import marts

        yield marts
    finally:
        os.environ.clear()
        os.environ.update(before)
        settings.cache_clear()


@pytest.fixture(scope="session")
def story(postgres: embedded.EmbeddedServer, config: Settings, location: ModuleType) -> Iterator[Story]:
    """The four builds, once a session: each takes seconds."""
    db, owner = Database(postgres.url("app")), Database(postgres.url("owner"))
    try:
        with owner.begin() as tx:
            for filled in tx.scalars(sa.text(FILLED)).all():
                tx.execute(sa.text(f"TRUNCATE {filled} CASCADE"))
        yield _lived(db, config, location)
    finally:
        db.dispose()
        owner.dispose()


def _lived(db: Database, config: Settings, location: ModuleType) -> Story:
    export_lake(db=db, clock=CLOCK, settings=config)
    empty = warehouse.build_marts(config)
    empty_funnel = funnel_from_marts(config.warehouse, UNITS)

    cohorts = Cohorts(db, seed=42)
    for unit in (NYC, LA):
        cohorts.campaign(unit)
    for unit in UNITS:
        cohorts.day(unit, listings=70)
        cohorts.calls(unit)
    cohorts.call(None)
    export_lake(db=db, clock=CLOCK, settings=config)
    with db.begin() as tx:
        ledgers = funnel_from_ledgers(tx, UNITS)
        answers, sold = responses(tx, UNITS), sales(tx, UNITS)
        calls = {unit: (sum(n.values()), cost) for unit in UNITS for n, cost in [calls_and_spend(tx, [unit])]}
        businesses = int(tx.scalar(sa.text("SELECT count(*) FROM businesses")) or 0)

    with duckdb.connect(str(config.warehouse), read_only=True) as reader:
        before = reader.execute("SELECT * FROM marts.version").fetchall()
        full = warehouse.build_marts(config, into=owner_url(config))
        after = reader.execute("SELECT * FROM marts.version").fetchall()
    counts = counts_from_marts(config.warehouse, UNITS)
    marts, tables = funnel_from_marts(config.warehouse, UNITS), tables_of(config.warehouse)

    again = run(location)
    tables_again, in_postgres = tables_of(config.warehouse), postgres_tables(config)

    sha = hashlib.sha256(config.warehouse.read_bytes()).hexdigest()
    with db.begin() as tx:  # a qualified lead that no registry knows: a dbt test finds it
        tx.execute(sa.text("DELETE FROM businesses"))
    export_lake(db=db, clock=CLOCK, settings=config)
    broken = run(location)
    live = postgres_marts.live_version(owner_url(config))
    return Story(
        config, empty, empty_funnel, before, after, full, ledgers, answers, sold, calls, businesses, counts, marts, tables, tables_again, in_postgres, again, broken, live,
        sha, hashlib.sha256(config.warehouse.read_bytes()).hexdigest(),
    )  # fmt: skip


def run(location: ModuleType) -> dg.ExecuteInProcessResult:
    """The job as the schedule runs it."""
    return location.defs.resolve_job_def("marts").execute_in_process(raise_on_error=False)


def tables_of(path: Path) -> dict[str, list[Any]]:
    """Every row of every mart, in an order."""
    with duckdb.connect(str(path), read_only=True) as reader:
        return {name: sorted(map(str, reader.execute(f"SELECT * FROM marts.{name}").fetchall())) for name in ROWS}


def postgres_tables(config: Settings) -> dict[str, list[Any]]:
    """Every row of every live mart in Postgres, in an order."""
    with psycopg.connect(owner_url(config), options="-ctimezone=UTC") as reader:
        return {name: sorted(map(str, reader.execute(f"SELECT * FROM marts.{name}").fetchall())) for name in ROWS}
