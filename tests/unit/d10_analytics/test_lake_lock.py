"""No build and no backup reads half of an export, in a folder and in an object store; readers do not wait for each other."""

from __future__ import annotations

import fcntl
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from leadfactory.d10_analytics import lake_files, lake_lock
from leadfactory.d10_analytics.export import export_lake
from leadfactory.database import Database
from tests.dbt.cohorts import CLOCK
from tests.postgres import settings_for_tests

BUCKET = "s3://bucket/lake"
PAIRS = pytest.mark.parametrize(
    ("first", "second", "together"),
    [(True, True, False), (True, False, False), (False, True, False), (False, False, True)],
    ids=["two exports", "a build in an export", "an export in a build", "two builds"],
)


def enters_folder(root: Path, *, alone: bool) -> bool:
    with (root / lake_lock.LOCK_FILE).open("w") as other:
        try:
            fcntl.flock(other, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def enters_store(db: Database, lake: str, *, alone: bool) -> bool:
    """Whether another session would not have to wait; it keeps nothing."""
    taken = sa.func.pg_try_advisory_xact_lock if alone else sa.func.pg_try_advisory_xact_lock_shared
    with db.begin() as tx:
        return bool(tx.scalar(sa.select(taken(lake_lock.number(lake)))))


@PAIRS
def test_exports_and_builds_exclude_each_other_in_a_folder(
    tmp_path: Path, first: bool, second: bool, together: bool
) -> None:
    with lake_lock.held(str(tmp_path), None, alone=first):
        assert enters_folder(tmp_path, alone=second) is together


@PAIRS
def test_exports_and_builds_exclude_each_other_in_a_bucket(
    database: Database, first: bool, second: bool, together: bool
) -> None:
    with lake_lock.held(BUCKET, database, alone=first):
        assert enters_store(database, BUCKET, alone=second) is together


def test_a_folder_that_was_held_is_free_again(tmp_path: Path) -> None:
    with lake_lock.held(str(tmp_path), None, alone=True):
        pass
    assert enters_folder(tmp_path, alone=True)


def test_a_bucket_is_free_again_after_an_export_that_failed(database: Database) -> None:
    with pytest.raises(OSError, match="on the way"), lake_lock.held(BUCKET, database, alone=True):
        raise OSError("on the way")
    assert enters_store(database, BUCKET, alone=True)


def test_another_bucket_is_not_held(database: Database) -> None:
    with lake_lock.held(BUCKET, database, alone=True):
        assert enters_store(database, "s3://other/lake", alone=True)


def test_a_reader_whose_connection_was_lost_is_told(database: Database) -> None:
    with lake_lock.held(BUCKET, database, alone=False) as still:
        still()
        with database.begin() as tx:
            ended = tx.scalar(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'"
                )
            )
        assert ended
        with pytest.raises(lake_lock.LakeNotHeld, match=r"held s3://bucket/lake was lost .*run again"):
            still()


def test_an_export_to_a_bucket_waits_for_who_reads_it(database: Database, tmp_path: Path) -> None:
    there = settings_for_tests(tmp_path, LEADFACTORY_LAKE_URL="memory://lake-that-is-read")
    export = threading.Thread(target=export_lake, kwargs={"db": database, "clock": CLOCK, "settings": there})
    with lake_lock.held(there.lake, database, alone=False):
        export.start()
        waited = waits(database, there.lake)
        written = lake_files.manifest_sha256(there.lake)
    export.join(60)
    assert (waited, written) == (True, None)
    assert lake_files.manifest_sha256(there.lake) is not None


def waits(db: Database, lake: str) -> bool:
    """Whether another session comes to wait for the lake."""
    waiting = sa.text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND (classid::bigint << 32) | objid::bigint = :number"
    )
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        with db.begin() as tx:
            if tx.scalar(waiting, {"number": lake_lock.number(lake)}):
                return True
        time.sleep(0.05)
    return False
