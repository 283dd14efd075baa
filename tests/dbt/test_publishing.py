"""What may be published: all marts, as tables, and only after a build that succeeded. dbt is played by plain DuckDB here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from leadfactory.d10_analytics import lake_files, warehouse
from leadfactory.d10_analytics.warehouse import MartsError, build_marts
from leadfactory.settings import Settings
from tests.postgres import settings_for_tests

MODELS = sorted(path.stem for path in (warehouse.PROJECT / "models" / "marts").glob("*.sql"))


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    """A home with a lake that was exported once."""
    made = settings_for_tests(tmp_path)
    lake_files.put(made.lake, lake_files.MANIFEST, b"one export")
    return made


def builds(*more: str, without: str = "") -> Callable[[list[str], dict[str, str]], None]:
    """A build of all marts but one, and of whatever else ``more`` makes."""

    def run(arguments: list[str], environment: dict[str, str]) -> None:
        with duckdb.connect(environment["LEADFACTORY_WAREHOUSE_BUILD"]) as side:
            side.execute("CREATE SCHEMA marts")
            for model in MODELS:
                if model != without:
                    side.execute(f"CREATE TABLE marts.{model} AS SELECT 1 AS one")
            for statement in more:
                side.execute(statement)

    return run


def tables(config: Settings) -> set[str]:
    with duckdb.connect(str(config.warehouse), read_only=True) as reader:
        return {
            ".".join(row)
            for row in reader.execute("SELECT table_schema, table_name FROM information_schema.tables").fetchall()
        }


def test_what_is_no_mart_is_dropped(config: Settings) -> None:
    build_marts(
        config,
        run=builds(
            "CREATE SCHEMA staging",
            "CREATE VIEW staging.v AS SELECT 1",
            "CREATE TABLE t AS SELECT 1",
            "CREATE VIEW w AS SELECT 1",
        ),
    )
    assert tables(config) == {*(f"marts.{model}" for model in MODELS), "marts.version"}


def test_a_view_among_the_marts_is_not_published(config: Settings) -> None:
    with pytest.raises(MartsError, match="fct_live is a view"):
        build_marts(config, run=builds("CREATE VIEW marts.fct_live AS SELECT 1"))
    assert not config.warehouse.exists()


def test_a_build_of_some_marts_is_not_published(config: Settings) -> None:
    with pytest.raises(MartsError, match=f"{MODELS[0]} was not built"):
        build_marts(config, run=builds(without=MODELS[0]))
    assert not config.warehouse.exists()


def test_a_build_that_fails_leaves_the_published_file_and_no_other(config: Settings) -> None:
    first = build_marts(config, run=builds())

    def fails(arguments: list[str], environment: dict[str, str]) -> None:
        builds()(arguments, environment)
        raise MartsError("a test failed")

    with pytest.raises(MartsError, match="a test failed"):
        build_marts(config, run=fails)
    with duckdb.connect(str(config.warehouse), read_only=True) as reader:
        assert reader.execute("SELECT build_id FROM marts.version").fetchall() == [(first.build_id,)]
    assert not list(config.home.glob("warehouse.building-*"))


def test_what_a_killed_build_left_is_removed(config: Settings) -> None:
    (config.home / "warehouse.building-dead.duckdb").write_bytes(b"half")
    build_marts(config, run=builds())
    assert not list(config.home.glob("warehouse.building-*"))


def test_the_version_row_tells_what_was_published(config: Settings) -> None:
    done = build_marts(config, run=builds())
    with duckdb.connect(str(config.warehouse), read_only=True) as reader:
        (row,) = reader.execute(
            "SELECT build_id, lake_manifest_sha256, built_at::VARCHAR IS NOT NULL FROM marts.version"
        ).fetchall()
    assert row == (done.build_id, lake_files.manifest_sha256(config.lake), True)
    assert done.rows == dict.fromkeys(MODELS, 1)
