"""The lake is held against Postgres: one missing, one extra and one altered row are named, on either side."""

from __future__ import annotations

import io
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.d10_analytics import lake_files, reconciling
from leadfactory.d10_analytics.export import ExportReport
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.dbt.cohorts import NYC, Cohorts

PATH = f"unique_businesses/date={NYC.day}/restaurant-nyc.parquet"


@pytest.fixture
def exported(cohorts: Cohorts, export: Callable[..., ExportReport], database: Database) -> Database:
    cohorts.campaign(NYC)
    cohorts.day(NYC)
    export()
    return database


def told(db: Database, config: Settings) -> list[str]:
    return [
        f"{each.kind} {each.row.split('/')[-1]} {','.join(each.columns)}".strip()
        for each in reconciling.differences(db, config)[1]
    ]


def rows_of(config: Settings) -> list[dict]:
    return pq.read_table(io.BytesIO(lake_files.get(config.lake, PATH) or b"")).to_pylist()


def put(config: Settings, rows: list[dict]) -> None:
    schema = pq.read_schema(io.BytesIO(lake_files.get(config.lake, PATH) or b""))
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    lake_files.put(config.lake, PATH, sink.getvalue())


def test_what_was_just_exported_agrees(exported: Database, config: Settings) -> None:
    assert reconciling.differences(exported, config) == (1, [])


def test_rows_that_the_lake_lost_kept_or_garbled_are_named(exported: Database, config: Settings) -> None:
    first, second, *rest = rows_of(config)
    put(config, [second | {"excluded_reason": "garbled"}, *rest, first | {"business_id": "made-up"}])
    assert told(exported, config) == [
        f"altered {second['business_id']} excluded_reason", "extra made-up", f"missing {first['business_id']}",
    ]  # fmt: skip


def test_rows_that_postgres_lost_got_or_changed_behind_the_flags_are_named(
    exported: Database, config: Settings
) -> None:
    first, second, third, *_ = rows_of(config)
    with exported.begin() as tx:
        tx.execute(sa.text("DELETE FROM unique_businesses WHERE business_id = :b"), {"b": first["business_id"]})
        tx.execute(
            sa.text("UPDATE unique_businesses SET excluded_reason = 'x' WHERE business_id = :b"),
            {"b": second["business_id"]},
        )
        tx.execute(
            sa.text(
                """INSERT INTO unique_businesses (campaign, cohort_on, business_id, sourced_id, decided_at)
                   SELECT campaign, cohort_on, '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', decided_at
                   FROM unique_businesses WHERE business_id = :b"""
            ),
            {"b": third["business_id"]},
        )
    assert told(exported, config) == [
        f"altered {second['business_id']} excluded_reason",
        f"extra {first['business_id']}",
        "missing 00000000-0000-4000-8000-000000000001",
    ]


def test_a_file_that_is_gone_is_missing_every_row(exported: Database, config: Settings) -> None:
    rows = rows_of(config)
    (lake_files.folder(config.lake) / PATH).unlink()  # type: ignore[operator]
    assert len([each for each in told(exported, config) if each.startswith("missing")]) == len(rows)


def test_a_campaign_day_that_changed_since_is_left_to_the_next_export(exported: Database, config: Settings) -> None:
    with exported.begin() as tx:
        tx.execute(sa.text("UPDATE unique_businesses SET excluded_reason = 'x'"))
        campaign_days.mark_dirty(tx, NYC, "unique_businesses")
    assert reconciling.differences(exported, config) == (0, [])
