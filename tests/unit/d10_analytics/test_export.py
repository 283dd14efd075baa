"""What the lake holds after an export."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.d00_gateway.tables import vendor_calls
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d10_analytics import columns
from leadfactory.d10_analytics.export import ExportReport, export_lake
from leadfactory.d10_analytics.tables import lake_manifest
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.dbt.cohorts import CLOCK, LA, NOON, NYC, Cohorts

Export = Callable[..., ExportReport]
Lake = Callable[[str], pa.Table]
AUDITS = f"site_audits/date={NYC.day}/restaurant-nyc.parquet"
CALLS = f"vendor_calls/date={NYC.day}/restaurant-nyc.parquet"


def files_of(config: Settings) -> dict[str, bytes]:
    root = Path(config.lake)
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.parquet"))}


@pytest.fixture
def day(cohorts: Cohorts) -> Cohorts:
    """One campaign with one day."""
    cohorts.campaign(NYC)
    cohorts.day(NYC)
    cohorts.calls(NYC)
    return cohorts


def test_every_table_of_a_campaign_day_becomes_one_file(day: Cohorts, export: Export, config: Settings) -> None:
    export()
    found = {path for path in files_of(config) if path.endswith("restaurant-nyc.parquet")}
    assert found == {f"{table}/date=2026-10-06/restaurant-nyc.parquet" for table in columns.policy().tables}


def test_rows_come_back_as_they_were(day: Cohorts, database: Database, export: Export, lake: Lake) -> None:
    export()
    chosen = columns.policy().tables["site_audits"].export
    with database.begin() as tx:
        rows = tx.execute(
            sa.select(*(site_audits.c[name] for name in chosen)).order_by(site_audits.c.business_id)
        ).mappings()
        stored = [{k: str(v) if k.endswith("_id") and v is not None else v for k, v in row.items()} for row in rows]
    assert lake(AUDITS).to_pylist() == stored


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "\\N",
        "NULL",
        "t",
        " padded ",
        'a "quoted", word',
        "two\nlines\r\nand a\ttab",
        "é 漢字 🙂",
        "x" * 3_000_000,
    ],
    ids=["unknown", "empty", "backslash", "null", "flag", "spaces", "quotes", "lines", "unicode", "three megabytes"],
)
def test_any_text_comes_back_as_it_was(
    day: Cohorts, database: Database, export: Export, lake: Lake, text: str | None
) -> None:
    with database.begin() as tx:
        tx.execute(sa.update(site_audits).values(crawl_reason=text))
        campaign_days.mark_dirty(tx, NYC, "site_audits")
    export()
    assert set(lake(AUDITS)["crawl_reason"].to_pylist()) == {text}


@pytest.mark.parametrize(
    ("path", "column", "kind"),
    [
        (AUDITS, "performance", pa.int16()),
        (AUDITS, "total_bytes", pa.int64()),
        (AUDITS, "cls", pa.decimal128(8, 4)),
        (AUDITS, "fetched_at", pa.timestamp("us", tz="UTC")),
        (AUDITS, "cohort_on", pa.date32()),
        (AUDITS, "retryable", pa.bool_()),
        (AUDITS, "audit_id", pa.string()),
        ("campaigns/all/campaigns.parquet", "top_share", pa.decimal128(4, 3)),
    ],
)
def test_columns_are_typed(day: Cohorts, export: Export, lake: Lake, path: str, column: str, kind: pa.DataType) -> None:
    export()
    assert lake(path).schema.field(column).type == kind


def test_a_decimal_is_exact(day: Cohorts, export: Export, lake: Lake) -> None:
    export()
    assert set(lake(AUDITS)["cls"].drop_null().to_pylist()) == {decimal.Decimal("0.0213")}


def test_a_moment_keeps_its_zone(day: Cohorts, export: Export, lake: Lake) -> None:
    export()
    assert lake(AUDITS)["fetched_at"][0].as_py() == NOON


def test_a_table_without_rows_keeps_its_columns(cohorts: Cohorts, export: Export, lake: Lake) -> None:
    export()
    empty = lake("email_sends/_schema/empty.parquet")
    assert (empty.num_rows, empty.column_names) == (0, list(columns.policy().tables["email_sends"].columns))


def test_no_value_of_a_column_that_stays_reaches_the_lake(day: Cohorts, export: Export, config: Settings) -> None:
    export()
    private = (b"info@shop", b"ana@mail", b"Ana Ruiz", b"500 Example Plaza", b"Your website")
    plain = {
        path: str(pq.read_table(Path(config.lake) / path, partitioning=None).to_pylist()).encode()
        for path in files_of(config)
    }
    assert [(path, word) for path, text in plain.items() for word in private if word in text] == []


def test_the_flags_fall(day: Cohorts, database: Database, export: Export) -> None:
    export()
    with database.begin() as tx:
        assert campaign_days.dirty_days(tx) == {}


def test_only_dirty_campaign_days_are_read(day: Cohorts, export: Export) -> None:
    export()
    day.campaign(LA)
    day.day(LA)
    assert export().units == 1


def test_an_export_without_changes_changes_no_file(day: Cohorts, export: Export, config: Settings) -> None:
    export()
    before = files_of(config)
    again = export()
    assert (files_of(config), again.files) == (before, 0)


def test_exporting_the_same_rows_again_gives_the_same_bytes(day: Cohorts, export: Export, config: Settings) -> None:
    export()
    before = files_of(config)
    export(units=[NYC])
    assert files_of(config) == before


def test_named_campaign_days_are_exported_whatever_their_flags(day: Cohorts, export: Export) -> None:
    export()
    assert export(units=[NYC]).units == 1


def test_a_changed_row_replaces_the_file(day: Cohorts, database: Database, export: Export, lake: Lake) -> None:
    export()
    with database.begin() as tx:
        tx.execute(sa.update(site_audits).values(performance=7))
        campaign_days.mark_dirty(tx, NYC, "site_audits")
    export()
    assert set(lake(AUDITS)["performance"].to_pylist()) == {7}


def test_only_files_that_changed_are_counted(day: Cohorts, database: Database, export: Export) -> None:
    export()
    with database.begin() as tx:
        tx.execute(sa.update(site_audits).values(performance=7))
        campaign_days.mark_dirty(tx, NYC, "site_audits")
    assert set(export().rows_by_table) == {"site_audits"}


def test_the_manifest_names_every_file_with_its_rows(
    day: Cohorts, export: Export, config: Settings, lake: Lake
) -> None:
    export()
    listed = {row["path"]: row["row_count"] for row in lake("_manifest.parquet").to_pylist()}
    there = {
        path: lake(path).num_rows for path in files_of(config) if "_schema" not in path and path != "_manifest.parquet"
    }
    assert listed == there


def test_the_manifest_keeps_the_time_of_a_file_that_did_not_change(day: Cohorts, export: Export, database: Database, config: Settings) -> None:  # fmt: skip
    from leadfactory.clock import Clock

    export()
    export_lake(db=database, clock=Clock(start=NOON + dt.timedelta(days=1)), settings=config, units=[NYC])
    with database.begin() as tx:
        assert set(tx.scalars(sa.select(lake_manifest.c.exported_at))) == {NOON}


def test_a_call_that_is_settled_late_reaches_the_lake(
    day: Cohorts, database: Database, export: Export, lake: Lake
) -> None:
    late = day.call(NYC, status="started", cost_microusd=None, settled_at=None, started_at=dt.datetime.now(dt.UTC))
    export()
    with database.begin() as tx:
        tx.execute(
            sa.update(vendor_calls).where(vendor_calls.c.call_id == late).values(status="unknown", cost_microusd=900)
        )
    export()
    found = {row["call_id"]: row["cost_microusd"] for row in lake(CALLS).to_pylist()}
    assert found[str(late)] == 900


def test_a_call_made_after_the_export_reaches_the_lake(day: Cohorts, export: Export, lake: Lake) -> None:
    export()
    late = day.call(NYC)
    export()
    assert str(late) in lake(CALLS)["call_id"].to_pylist()


def test_calls_of_no_campaign_have_a_file_a_day(day: Cohorts, export: Export, lake: Lake) -> None:
    alone = day.call(None)
    export()
    assert lake("vendor_calls/date=2026-10-06/_none.parquet")["call_id"].to_pylist() == [str(alone)]


def test_registries_are_one_file_each(day: Cohorts, export: Export, lake: Lake) -> None:
    export()
    assert lake("campaign_days/all/campaign_days.parquet")["campaign"].to_pylist() == ["restaurant-nyc"]


def test_a_lake_that_was_lost_is_written_anew(day: Cohorts, export: Export, config: Settings) -> None:
    day.call(None)
    export()
    before = files_of(config)
    for path in before:
        (Path(config.lake) / path).unlink()
    export()
    assert files_of(config) == before


def test_a_lake_that_cannot_be_written_leaves_the_flags(
    day: Cohorts, database: Database, export: Export, config: Settings
) -> None:
    (Path(config.lake) / "site_audits").mkdir(parents=True)
    (Path(config.lake) / "site_audits" / f"date={NYC.day}").write_text("in the way")
    with pytest.raises(OSError):
        export()
    with database.begin() as tx:
        assert NYC in campaign_days.dirty_days(tx)


def test_a_lake_in_an_object_store_holds_the_same(
    day: Cohorts, database: Database, export: Export, config: Settings
) -> None:
    export()
    there = config.model_copy(update={"lake_url": "memory://lake-of-tests"})
    export_lake(db=database, clock=CLOCK, settings=there)
    store = fsspec.filesystem("memory")
    stored = {path.removeprefix("/lake-of-tests/"): store.cat_file(path) for path in store.find("/lake-of-tests")}
    assert stored == files_of(config)
