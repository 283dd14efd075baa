"""Readers of the published marts, in the file and in Postgres, while builds are published one after another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import psycopg
import pytest

from leadfactory import embedded
from leadfactory.d10_analytics import postgres_marts, warehouse
from leadfactory.settings import Settings
from tests.dbt.test_publishing import MODELS, exported_nothing
from tests.postgres import settings_for_tests

READS = 500  # in each of the two stores
READERS = 4
QUERY = (
    "SELECT (SELECT min(stamp) FROM marts.dim_campaigns), (SELECT max(stamp) FROM marts.fct_emails), "
    "(SELECT max(stamp) FROM marts.mart_daily_funnel), (SELECT count(*) FROM marts.mart_daily_funnel), "
    "(SELECT row_counts FROM marts.version)"
)


def stamped(number: int) -> Callable[[list[str], dict[str, str]], None]:
    """A build whose every row says which build it is; the first three marts have as many rows."""

    def run(arguments: list[str], environment: dict[str, str]) -> None:
        with duckdb.connect(environment["LEADFACTORY_WAREHOUSE_BUILD"]) as side:
            side.execute("CREATE SCHEMA marts")
            for model in MODELS:
                side.execute(f"CREATE TABLE marts.{model} AS SELECT {number} AS stamp FROM range({number})")

    return run


def whole(row: tuple[object, ...]) -> bool:
    """Whether everything that was read is of one build."""
    first, second, third, rows, told = row
    return first == second == third == rows and f'"mart_daily_funnel": {rows}' in str(told)


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    made = settings_for_tests(tmp_path)
    exported_nothing(made)
    return made


def publish(config: Settings, url: str, number: int) -> None:
    warehouse.build_marts(config, run=stamped(number), judge=lambda built: {}, full=True, into=url)


@pytest.fixture
def read(
    config: Settings, postgres: embedded.EmbeddedServer
) -> Callable[[str, threading.Event], list[tuple[object, ...]]]:
    """Reads of one of the two stores until enough were made; an analyst opens, asks and leaves each time, or stays connected."""

    def reads(store: str, over: threading.Event) -> list[tuple[object, ...]]:
        seen = []
        session = psycopg.connect(postgres.url("analyst"), autocommit=True) if store == "postgres" else None
        while not over.is_set() or len(seen) < READS // READERS:
            if session is not None:
                row = session.execute(QUERY).fetchone()
            else:
                with duckdb.connect(str(config.warehouse), read_only=True) as reader:
                    row = reader.execute(QUERY).fetchone()
            assert row is not None
            seen.append(row)
        if session is not None:
            session.close()
        return seen

    return reads


@pytest.mark.parametrize("store", ["file", "postgres"])
def test_readers_see_no_error_no_wait_and_no_mixed_version_while_builds_are_published(
    store: str, config: Settings, postgres: embedded.EmbeddedServer, read: Callable[..., list[tuple[object, ...]]]
) -> None:
    url, over = postgres.url("owner"), threading.Event()
    publish(config, url, 1)
    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(read, store, over) for _ in range(READERS)]
        for number in range(2, 8):
            publish(config, url, number)
        over.set()
        seen = [row for reader in readers for row in reader.result()]
    assert len(seen) >= READS
    assert [row for row in seen if not whole(row)] == []
    assert len({row[0] for row in seen}) >= 3, "too few versions were seen to show anything"


def test_a_publication_waits_for_no_reader_that_stays(config: Settings, postgres: embedded.EmbeddedServer) -> None:
    url = postgres.url("owner")
    publish(config, url, 1)
    with psycopg.connect(postgres.url("analyst")) as reader:
        reader.execute("SELECT stamp FROM marts.fct_emails").fetchall()  # its transaction stays open and holds locks
        publish(config, url, 2)
        live = postgres_marts.live_version(url)
    assert live is not None
    assert live[0] == warehouse.versions.listed(config)[0].build_id


def test_marts_that_postgres_refuses_are_published_nowhere(config: Settings, postgres: embedded.EmbeddedServer) -> None:
    publish(config, postgres.url("owner"), 1)
    before = postgres_marts.live_version(postgres.url("owner"))
    with pytest.raises(warehouse.MartsError, match="LEADFACTORY_MARTS_DATABASE_URL"):
        publish(config, postgres.url("app"), 2)
    assert postgres_marts.live_version(postgres.url("owner")) == before
    assert len(warehouse.versions.listed(config)) == 1


def test_descriptions_travel_into_postgres(config: Settings, postgres: embedded.EmbeddedServer) -> None:
    def described(arguments: list[str], environment: dict[str, str]) -> None:
        stamped(1)(arguments, environment)
        with duckdb.connect(environment["LEADFACTORY_WAREHOUSE_BUILD"]) as side:
            side.execute("COMMENT ON COLUMN marts.dim_dates.stamp IS 'Which build it is.'")

    warehouse.build_marts(config, run=described, judge=lambda built: {}, full=True, into=postgres.url("owner"))
    with psycopg.connect(postgres.url("analyst")) as reader:
        told = reader.execute("SELECT col_description('marts.dim_dates'::regclass, 1)").fetchone()
    assert told == ("Which build it is.",)
