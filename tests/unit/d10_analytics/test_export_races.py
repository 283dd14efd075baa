"""No change is lost between a writer and an export that run at once."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.d02_sourcing.tables import sourced_businesses
from leadfactory.d10_analytics.export import ExportReport
from leadfactory.database import Database
from tests.dbt.cohorts import NOON, NYC, Cohorts

SOURCED = f"sourced_businesses/date={NYC.day}/restaurant-nyc.parquet"
Export = Callable[..., ExportReport]
Lake = Callable[[str], pa.Table]


def write(tx: sa.Connection) -> str:
    """One more listing and its flag, as a room writes them; not committed."""
    sourced_id = uuid.uuid4()
    tx.execute(
        sa.insert(sourced_businesses).values(
            campaign=NYC.campaign, cohort_on=NYC.day, sourced_id=sourced_id, target_id=uuid.uuid4(), source="yelp",
            yelp_id=str(sourced_id), rank=99, fetched_at=NOON, expires_at=NOON,
        )
    )  # fmt: skip
    campaign_days.mark_dirty(tx, NYC, "sourced_businesses")
    return str(sourced_id)


def until_waiting(db: Database, sessions: int) -> None:
    """Returns when that many sessions wait for a lock of another."""
    query = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    for _ in range(1000):
        with db.begin() as tx:
            if tx.scalar(query) >= sessions:
                return
        time.sleep(0.01)
    raise AssertionError(f"never saw {sessions} waiting sessions")


@pytest.fixture
def day(cohorts: Cohorts) -> Cohorts:
    cohorts.campaign(NYC)
    cohorts.day(NYC, listings=5)
    return cohorts


def test_a_row_committed_while_the_day_is_read_is_exported(
    day: Cohorts, database: Database, export: Export, lake: Lake
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as writer:
            mine = write(writer)
            running = pool.submit(export)
            until_waiting(database, 1)  # it has read without our row, and wants to clear the flags that we hold
        report = running.result()
    assert mine in lake(SOURCED)["sourced_id"].to_pylist()
    assert report.behind == 0


def test_a_day_written_after_it_was_read_stays_dirty(
    day: Cohorts, database: Database, owner_database: Database, export: Export, lake: Lake
) -> None:
    written = threading.Event()
    found: list[str] = []

    def writer() -> None:
        with database.begin() as tx:
            found.append(write(tx))
        written.set()

    with ThreadPoolExecutor(2) as pool:
        with owner_database.begin() as gate:
            gate.execute(sa.text("LOCK TABLE leadfactory.lake_manifest IN SHARE ROW EXCLUSIVE MODE"))
            running = pool.submit(export)
            until_waiting(database, 1)  # it has read and cleared, and is about to enter its files
            pool.submit(writer)
            until_waiting(database, 2)  # the writer waits for the flags that the export holds
            assert not written.is_set()
        running.result()
        assert written.wait(30)
    with database.begin() as tx:
        assert campaign_days.dirty_days(tx) == {NYC: ("sourced_businesses",)}
    assert found[0] not in lake(SOURCED)["sourced_id"].to_pylist()
    export()
    assert found[0] in lake(SOURCED)["sourced_id"].to_pylist()


def test_a_second_export_waits_for_the_first(
    day: Cohorts, database: Database, owner_database: Database, export: Export
) -> None:
    with ThreadPoolExecutor(2) as pool:
        with owner_database.begin() as gate:
            gate.execute(sa.text("LOCK TABLE leadfactory.lake_manifest IN SHARE ROW EXCLUSIVE MODE"))
            both = [pool.submit(export), pool.submit(export)]
            until_waiting(database, 2)  # one for the table, one for the first export
        reports = [each.result() for each in both]
    assert sorted(report.units for report in reports) == [0, 1]
