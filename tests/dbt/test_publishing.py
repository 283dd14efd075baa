"""What may be published: all marts, as tables, and only after a build that succeeded. dbt is played by plain DuckDB here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from leadfactory.d10_analytics import (
    columns,
    dbt_runs,
    export,
    increments,
    judging,
    lake_files,
    repeating,
    schema_changes,
    versions,
    warehouse,
)
from leadfactory.d10_analytics.warehouse import MartsError, Published
from leadfactory.settings import Settings
from tests.postgres import settings_for_tests

MODELS = sorted(path.stem for path in (warehouse.PROJECT / "models" / "marts").glob("*.sql"))


def exported_nothing(config: Settings) -> None:
    """A lake with the schemas of its tables and a manifest without a file."""
    export._put_schemas(config.lake)
    lake_files.put(config.lake, lake_files.MANIFEST, export.parquet(increments.FILES, ()))


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    """A home with a lake that was exported once."""
    made = settings_for_tests(tmp_path)
    exported_nothing(made)
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


def build_marts(config: Settings, **more: Any) -> Published:
    """A publication of what ``run`` built; dbt's place is taken, so there are no columns to judge."""
    return warehouse.build_marts(config, **{"judge": lambda built: {}, "full": True, **more})


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
    assert tables(config) == {*(f"marts.{model}" for model in MODELS), "marts.version", "marts.lake_files"}


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


def test_a_mart_that_breaks_an_expectation_is_not_published(config: Settings) -> None:
    first = build_marts(config, run=builds())
    with pytest.raises(MartsError, match="dim_dates: one is not two"):
        build_marts(config, run=builds(), judge=lambda built: {"dim_dates": ["one is not two"]})
    assert [each.build_id for each in versions.listed(config)] == [first.build_id]


def test_an_expectation_names_the_mart_and_the_rule(tmp_path: Path) -> None:
    built = tmp_path / "built.duckdb"
    with duckdb.connect(str(built)) as side:
        side.execute("CREATE SCHEMA marts")
        for mart, key in judging.KEYS.items():
            columns = ", ".join(f"'x' AS {column}" for column in key)
            side.execute(f"CREATE TABLE marts.{mart} AS SELECT {columns}, 1::bigint AS sent, 0.5::double AS open_share")
        side.execute("UPDATE marts.mart_daily_activity SET sent = -1")
        side.execute("UPDATE marts.mart_vendor_health SET open_share = 1.5")
        side.execute("INSERT INTO marts.dim_campaigns SELECT * FROM marts.dim_campaigns")
    found = {mart: broken for mart, broken in judging.judge(built).items() if broken}
    assert set(found) == {"mart_daily_activity", "mart_vendor_health", "dim_campaigns"}
    assert "'sent'" in found["mart_daily_activity"][0]


def test_as_many_versions_are_kept_as_were_promised(config: Settings) -> None:
    for _ in range(versions.KEPT + 2):
        newest = build_marts(config, run=builds())
    kept = versions.listed(config)
    assert (len(kept), kept[0].build_id, kept[0].published) == (versions.KEPT, newest.build_id, True)


def test_a_rollback_publishes_the_version_before(config: Settings) -> None:
    first, second = (
        build_marts(config, run=builds()),
        build_marts(config, run=builds("CREATE TABLE marts.more AS SELECT 1")),
    )
    versions.restore(config, versions.before(config, None))
    assert {each.build_id: each.published for each in versions.listed(config)} == {
        first.build_id: True,
        second.build_id: False,
    }
    assert "marts.more" not in tables(config)


def test_a_rollback_to_what_is_not_kept_says_what_is(config: Settings) -> None:
    only = build_marts(config, run=builds())
    with pytest.raises(versions.NoSuchVersion, match=only.build_id):
        versions.before(config, None)


def test_what_must_be_forgotten_leaves_no_version_behind(config: Settings) -> None:
    build_marts(config, run=builds())
    newest = build_marts(config, run=builds())
    assert versions.keep_only_published(config) == 1
    assert [each.build_id for each in versions.listed(config)] == [newest.build_id]


def test_a_build_that_cannot_be_repeated_begins_anew_with_dbt(config: Settings) -> None:
    asked = []

    def run(arguments: list[str], environment: dict[str, str]) -> None:
        asked.append(environment.get(dbt_runs.ANEW))
        builds("CREATE TABLE marts.half AS SELECT 1" if len(asked) == 1 else "SELECT 1")(arguments, environment)
        if len(asked) == 1:
            raise repeating.NotAsBefore("a test finds a row")

    build_marts(config, run=run)
    assert (asked, "marts.half" in tables(config)) == ([None, "yes"], False)


def reads(table: str) -> Callable[[list[str], dict[str, str]], None]:
    """A build whose staging of ``table`` is the project's own SQL."""

    def run(arguments: list[str], environment: dict[str, str]) -> None:
        source = f"read_parquet('{environment['LEADFACTORY_LAKE']}/{table}/*/*.parquet', hive_partitioning = false)"
        staging = (warehouse.PROJECT / "models" / "staging" / f"stg_{table}.sql").read_text()
        select = staging.replace(f"{{{{ source('lake', '{table}') }}}}", source)
        try:
            with duckdb.connect() as reader:
                reader.execute(select).fetchall()
        except duckdb.Error as error:
            raise MartsError(f"dbt build failed: {error}") from error
        builds()(arguments, environment)

    return run


def with_a_column_more(config: Settings, *paths: str) -> None:
    """Files of letters as they were before a column of theirs was left out, and one as they are now."""
    now = columns.schema("email_sends")
    before = now.append(pa.field("left_out_column", pa.string()))
    for path, schema in ((f"{schema_changes.path_of('email_sends')}", before), *((path, before) for path in paths)):
        lake_files.put(config.lake, path, export.parquet(schema, ()))


def listing(config: Settings, *paths: str) -> None:
    at = dt.datetime(2026, 10, 6, tzinfo=dt.UTC)
    rows = [("email_sends", path[-9:-8], at.date(), path, 0, path, at) for path in paths]
    lake_files.put(config.lake, lake_files.MANIFEST, export.parquet(increments.FILES, rows))


OLD, NEW = "email_sends/date=2026-10-06/a.parquet", "email_sends/date=2026-10-06/b.parquet"


def test_a_column_that_was_left_out_since_the_export_stops_no_build(config: Settings) -> None:
    with_a_column_more(config, OLD)
    listing(config, OLD)
    assert build_marts(config, run=reads("email_sends")).rows == dict.fromkeys(MODELS, 1)


def test_files_with_and_without_a_column_that_was_left_out_stop_no_build(config: Settings) -> None:
    with_a_column_more(config, OLD)
    lake_files.put(config.lake, NEW, export.parquet(columns.schema("email_sends"), ()))
    listing(config, OLD, NEW)
    assert build_marts(config, run=reads("email_sends")).rows == dict.fromkeys(MODELS, 1)


def test_a_column_that_the_lake_has_not_yet_stops_a_build_with_its_name_and_what_to_do(config: Settings) -> None:
    was = columns.schema("email_sends")
    less = was.remove(was.get_field_index("sender_domain"))
    for path in (schema_changes.path_of("email_sends"), OLD):
        lake_files.put(config.lake, path, export.parquet(less, ()))
    listing(config, OLD)
    with pytest.raises(
        MartsError, match=r"email_sends: sender_domain \(string\) is new\): materialize leadfactory/lake_export"
    ):
        build_marts(config, run=reads("email_sends"))
