"""What analysts get of a query: numbers as numbers, names as they are written, and the way on when a table is not there."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from cli import analysts
from leadfactory.d10_analytics.reading import Marts, RefusedQuery, written
from tests.postgres import settings_for_tests


@pytest.fixture
def marts(tmp_path: Path) -> Iterator[Marts]:
    """A published file with one mart of two rows."""
    config = settings_for_tests(tmp_path)
    with duckdb.connect(str(config.warehouse)) as warehouse:
        warehouse.execute("CREATE SCHEMA marts")
        warehouse.execute(
            "CREATE TABLE marts.version AS SELECT 'b1' AS build_id, now() AS built_at, 'abc' AS lake_manifest_sha256"
        )
        warehouse.execute(
            "CREATE TABLE marts.dim_businesses AS SELECT 'Joe''s [/b]' AS own_name, 2 AS letters FROM range(2)"
        )
    with Marts(config) as found:
        yield found


def test_a_sum_of_integers_is_an_integer_of_64_bits(marts: Marts) -> None:
    assert marts.ask("SELECT sum(letters) AS letters FROM dim_businesses").schema.field("letters").type == pa.int64()


def test_a_sum_that_64_bits_do_not_hold_stays_exact(marts: Marts) -> None:
    found = marts.ask("SELECT sum(letters) * 10000000000000000000000 AS letters FROM dim_businesses")
    assert json.loads(written(found, "json")) == [{"letters": 4 * 10**22}]


def test_decimals_are_numbers_in_json_and_what_is_no_number_is_null(marts: Marts) -> None:
    found = marts.ask("SELECT 1.250::DECIMAL(9, 3) AS share, 'nan'::DOUBLE AS unknown, DATE '2026-10-06' AS day_on")
    assert json.loads(written(found, "json")) == [{"share": 1.25, "unknown": None, "day_on": "2026-10-06"}]


def test_a_list_in_csv_is_json(marts: Marts) -> None:
    found = marts.ask("SELECT [DATE '2026-10-06'] AS days, {'a': 1} AS of_it")
    assert written(found, "csv").decode().splitlines()[1] == '"[""2026-10-06""]","{""a"": 1}"'


def test_a_table_that_is_not_there_is_answered_with_those_that_are(marts: Marts) -> None:
    with pytest.raises(RefusedQuery, match="letters does not exist! There are dim_businesses, version"):
        marts.ask("FROM letters")


def test_a_name_from_a_website_is_shown_as_it_is_written(marts: Marts, capsys: pytest.CaptureFixture[str]) -> None:
    analysts._give(marts.ask("FROM dim_businesses"), None, None)
    assert "Joe's [/b]" in capsys.readouterr().out


def test_a_build_is_told_with_its_age(marts: Marts) -> None:
    told = marts.build.sentence(marts.build.built_at + dt.timedelta(hours=2))
    assert told.startswith("marts b1, built ")
    assert "(2.0 h ago)" in told


def test_a_day_that_was_not_over_when_the_marts_were_built_is_not_whole(marts: Marts) -> None:
    today = marts.build.built_at.date()
    assert [marts.build.whole(today - dt.timedelta(days=days)) for days in (0, 1)] == [False, True]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.05752212389380531, "0.0575221"), (1234567.891, "1,234,567.89"), (7, "7"), ("[b]", "[b]")],
)
def test_a_value_is_shown_as_people_read_it(value: object, shown: str) -> None:
    assert analysts._shown(value) == shown
