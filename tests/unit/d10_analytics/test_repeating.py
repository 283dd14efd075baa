"""A build is repeated without dbt only while the database answers as it did; here two statements and a test play a project."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pytest

from leadfactory.d10_analytics import repeating
from leadfactory.d10_analytics.repeating import NotAsBefore, Statement

THEN, NOW = "2026-10-06T03:00:00+00:00", "2026-10-07T03:00:00+00:00"
MODEL, TEST, SOURCE = "model.leadfactory.fct", "test.leadfactory.whole", "source.leadfactory.export.lake_manifest"


def statements(lake: Path) -> list[tuple[str, str]]:
    """What dbt would send: the model from a file of the lake, its test, and how new the lake is."""
    return [
        (SOURCE, f"SELECT timestamptz '2026-10-06 02:00:00+00' AS newest, timestamptz '{THEN}' AS asked_at"),
        ("master", "CREATE SCHEMA IF NOT EXISTS marts"),
        (MODEL, f"CREATE TABLE marts.fct AS SELECT *, timestamptz '{THEN}' AS built_at FROM '{lake}'"),
        (MODEL, "SELECT column_name FROM duckdb_columns() WHERE table_name = 'fct'"),
        (TEST, "SELECT count(*) AS failures FROM marts.fct WHERE id IS NULL"),
    ]


def results(status: str = "pass") -> list[dict[str, Any]]:
    nodes = ((SOURCE, "pass", 26 * 3600.0), (MODEL, "success", None), (TEST, status, None))
    return [
        {"unique_id": node, "status": said, "held": said != "fail", "fresh_within_s": within, "message": ""}
        for node, said, within in nodes
    ]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    path = tmp_path / "lake.parquet"
    put(path, "SELECT 1 AS id")
    return path


def put(path: Path, query: str) -> None:
    duckdb.sql(query).write_parquet(str(path))


def recorded(lake: Path, status: str = "pass") -> Path:
    """The record of a build of ``lake`` as it is now."""
    heard = []
    with duckdb.connect() as first:
        for node, sql in statements(lake):
            said = Statement(node, sql, repeating._columns(first.execute(sql)))
            if sql.startswith("SELECT"):
                repeating._Heard(first, said).fetchall()
            heard.append(said)
    target = lake.with_name("recorded.json")
    repeating.record(target, "key", THEN, heard, results(status))
    return target


def test_a_repeated_build_makes_the_tables_from_the_lake_as_it_is_now(lake: Path, tmp_path: Path) -> None:
    record = recorded(lake)
    put(lake, "SELECT unnest([2, 3]) AS id")
    repeating.repeat(record, tmp_path / "side.duckdb", NOW)
    with duckdb.connect(str(tmp_path / "side.duckdb")) as side:
        assert side.sql("SELECT id FROM marts.fct ORDER BY id").fetchall() == [(2,), (3,)]


def test_a_repeated_build_is_told_its_own_time(lake: Path, tmp_path: Path) -> None:
    repeating.repeat(recorded(lake), tmp_path / "side.duckdb", NOW)
    with duckdb.connect(str(tmp_path / "side.duckdb")) as side:
        found = side.sql("SELECT built_at AT TIME ZONE 'UTC' FROM marts.fct").fetchall()
    assert found == [(dt.datetime.fromisoformat(NOW).replace(tzinfo=None),)]


def test_a_test_that_finds_a_row_ends_the_repetition(lake: Path, tmp_path: Path) -> None:
    record = recorded(lake)
    put(lake, "SELECT unnest([2, NULL]) AS id")
    with pytest.raises(NotAsBefore, match=r"whole: another answer than before: \[\(1,\)\]"):
        repeating.repeat(record, tmp_path / "side.duckdb", NOW)


def test_a_column_more_ends_the_repetition(lake: Path, tmp_path: Path) -> None:
    record = recorded(lake)
    put(lake, "SELECT 1 AS id, 2 AS more")
    with pytest.raises(NotAsBefore, match="fct: another answer than before"):
        repeating.repeat(record, tmp_path / "side.duckdb", NOW)


def test_a_statement_that_fails_ends_the_repetition(lake: Path, tmp_path: Path) -> None:
    record = recorded(lake)
    lake.unlink()
    with pytest.raises(NotAsBefore, match=r"fct: IO Error: No files found"):
        repeating.repeat(record, tmp_path / "side.duckdb", NOW)


def test_a_build_with_a_test_that_failed_is_not_kept(lake: Path) -> None:
    assert not recorded(lake, "fail").exists()


def test_a_build_with_a_test_that_warned_is_not_kept(lake: Path) -> None:
    assert not recorded(lake, "warn").exists()


def test_a_lake_that_is_stale_by_now_is_told(lake: Path, tmp_path: Path) -> None:
    record = recorded(lake)
    on_time, late = (
        repeating.repeat(record, tmp_path / f"{day}.duckdb", f"2026-10-{day}T03:00:00+00:00")[0]["held"]
        for day in ("07", "09")
    )
    assert (on_time, late) == (True, False)


def test_another_key_is_another_build(lake: Path) -> None:
    record = recorded(lake)
    assert (repeating.known(record, "key"), repeating.known(record, "other")) == (True, False)


def test_a_build_that_is_told_another_place_has_another_key() -> None:
    told = {"LEADFACTORY_LAKE": "a", "LEADFACTORY_WAREHOUSE_BUILD": "b", "LEADFACTORY_INCREMENT": "no"}
    keys = {repeating.key(["build"], told | {f"LEADFACTORY_{name}": "z"}) for name in ("LAKE", "WAREHOUSE_BUILD", "INCREMENT")}  # fmt: skip
    assert len(keys | {repeating.key(["build"], told), repeating.key(["run"], told)}) == 5
