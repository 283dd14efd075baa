"""The lake in a bucket: the same files as on disk, replaced as a whole, and read by a build as they are there."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from leadfactory import blobs, campaign_days, embedded
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d10_analytics import columns, increments, lake_files, reconciling
from leadfactory.d10_analytics.export import ExportReport, export_lake
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.dbt.cohorts import CLOCK, NYC, Cohorts
from tests.postgres import FILLED, settings_for_tests
from tests.s3 import new_bucket, objects

AUDITS = f"site_audits/date={NYC.day}/restaurant-nyc.parquet"
MONTH = "site_audits/month=2026-10/site_audits.parquet"
LATER = type(CLOCK)(start=dt.datetime(2026, 12, 10, 12, tzinfo=dt.UTC))
Objects = dict[str, bytes]


@dataclasses.dataclass
class Story:
    """What lay in the bucket after each export, and what was seen on the way."""

    audits: int
    first: Objects
    on_disk: Objects
    differences: tuple[int, list[Any]]
    read_by_build: Objects
    counted_by_duckdb: int
    again: ExportReport
    refusal: OSError
    dirty_after_refusal: bool
    late: ExportReport
    after_late: Objects
    old: ExportReport
    compacted: Objects


@pytest.fixture(scope="module")
def story(postgres: embedded.EmbeddedServer, s3: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A campaign-day's life in a bucket, once for all tests: each export is some hundred requests."""
    db, owner = Database(postgres.url("app")), Database(postgres.url("owner"))
    try:
        with owner.begin() as tx:
            for filled in tx.scalars(sa.text(FILLED)).all():
                tx.execute(sa.text(f"TRUNCATE {filled} CASCADE"))
        yield _lived(db, settings_for_tests(tmp_path_factory.mktemp("s3") / "home"), s3)
    finally:
        db.dispose()
        owner.dispose()


def _lived(db: Database, here: Settings, s3: Any) -> Story:
    bucket = new_bucket(s3)
    there = here.model_copy(update={"lake_url": f"s3://{bucket}/lake"})
    cohorts = Cohorts(db, seed=1)
    cohorts.campaign(NYC)
    cohorts.day(NYC, listings=12)
    cohorts.calls(NYC)
    _export(db, there)
    first, differences = objects(s3, bucket, "lake/"), reconciling.differences(db, there)
    with increments.view(there, increments.scope(there, full=True)) as seen:
        read = {path.relative_to(seen).as_posix(): path.read_bytes() for path in seen.rglob("*.parquet")}
    counted = _counted(there)
    again = _export(db, there)
    with db.begin() as tx:
        audits = int(tx.scalar(sa.select(sa.func.count()).select_from(site_audits)) or 0)
        campaign_days.mark_dirty(tx, NYC, *columns.policy().tables)
    _export(db, here)
    root = Path(here.lake)
    on_disk = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.parquet")}
    with db.begin() as tx:
        tx.execute(sa.update(site_audits).values(performance=1))
        campaign_days.mark_dirty(tx, NYC, "site_audits")
    with pytest.raises(OSError) as refused:
        _export(db, here.model_copy(update={"lake_url": "s3://no-such-bucket-of-tests/lake"}))
    with db.begin() as tx:
        dirty = NYC in campaign_days.dirty_days(tx)
    late, after_late = _export(db, there), objects(s3, bucket, "lake/")
    old = export_lake(db=db, clock=LATER, settings=there)
    return Story(
        audits, first, on_disk, differences, read, counted, again, refused.value, dirty, late, after_late, old,
        objects(s3, bucket, "lake/"),
    )  # fmt: skip


def _export(db: Database, settings: Settings) -> ExportReport:
    return export_lake(db=db, clock=CLOCK, settings=settings)


def _counted(there: Settings) -> int:
    with duckdb.connect() as reader:
        reader.register_filesystem(fsspec.filesystem("s3"))
        scan = f"SELECT count(*) FROM read_parquet('{there.lake}/site_audits/*/*.parquet', hive_partitioning = false)"
        return int(reader.execute(scan).fetchall()[0][0])


def rows(content: bytes) -> list[dict[str, Any]]:
    return pq.read_table(io.BytesIO(content)).to_pylist()


def test_a_bucket_holds_the_files_that_a_folder_would(story: Story) -> None:
    assert story.first == story.on_disk


def test_the_manifest_names_every_row_of_the_bucket(story: Story) -> None:
    assert story.differences == (1, [])


def test_a_build_reads_from_a_bucket_what_lies_there(story: Story) -> None:
    lying = {path: content for path, content in story.first.items() if path != lake_files.MANIFEST}
    assert {path: content for path, content in story.read_by_build.items() if path != increments.CHANGED} == lying


def test_duckdb_reads_a_bucket_as_it_is(story: Story) -> None:
    assert story.counted_by_duckdb == story.audits > 0


def test_a_second_export_puts_no_object(story: Story) -> None:
    assert story.again.files == 0


def test_a_bucket_that_is_not_there_leaves_the_flags(story: Story) -> None:
    assert story.dirty_after_refusal
    assert "bucket" in str(story.refusal)


def test_a_changed_campaign_day_replaces_its_object_and_no_other(story: Story) -> None:
    assert set(story.late.rows_by_table) == {"site_audits"}
    apart = {path for path in story.first if story.first[path] != story.after_late.get(path)}
    assert apart == {AUDITS, lake_files.MANIFEST}
    assert {row["performance"] for row in rows(story.after_late[AUDITS])} == {1}


def test_old_months_are_one_object_of_each_table(story: Story) -> None:
    assert story.old.compacted > 0
    assert AUDITS not in story.compacted
    assert len(rows(story.compacted[MONTH])) == story.audits


def test_a_blob_comes_back_from_a_bucket(s3: Any) -> None:
    root = f"s3://{new_bucket(s3)}/blobs"
    assert blobs.get(root, blobs.put(root, b"a sold report")) == b"a sold report"


def test_blobs_that_no_row_names_go_from_a_bucket_whoever_stored_them(s3: Any) -> None:
    bucket = new_bucket(s3)
    root, later = f"s3://{bucket}/blobs", dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    used = blobs.put(root, b"sold")
    assert blobs.remove_unused(root, {used}, later) == (0, 1)
    other = "ab" * 32
    s3.put_object(Bucket=bucket, Key=f"blobs/ab/{other}", Body=b"by another process")
    assert blobs.remove_unused(root, {used}, later) == (1, 1)
