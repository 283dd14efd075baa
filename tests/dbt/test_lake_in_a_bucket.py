"""The marts over a lake in a bucket are those over the same files in a folder, and no export begins while they are built.

Nothing but this process talks to the bucket: DuckDB reads copies, for its own way to S3 is an extension that would have to be downloaded.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from leadfactory import embedded
from leadfactory.d10_analytics import lake_files, lake_lock, warehouse
from leadfactory.d10_analytics.export import export_lake
from leadfactory.database import Database
from leadfactory.settings import Settings
from tests.dbt.cohorts import LA, NYC, NYC_NEXT_DAY, Cohorts
from tests.dbt.conftest import ROWS, tables_of
from tests.postgres import FILLED, settings_for_tests
from tests.s3 import new_bucket, objects

pytestmark = pytest.mark.slow
NOW = dt.datetime(2026, 12, 10, 12, tzinfo=dt.UTC)  # the campaign-days' month is old: it is one object of each table


@dataclasses.dataclass
class Built:
    """The rows of every mart from the bucket and from the folder; what lay there; whether an export could begin in each build."""

    from_bucket: dict[str, list[Any]]
    from_folder: dict[str, list[Any]]
    lying: set[str]
    exports_could_begin: list[bool]


@pytest.fixture(scope="module")
def built(postgres: embedded.EmbeddedServer, s3: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Two builds, once for all tests: each takes seconds."""
    db, owner = Database(postgres.url("app")), Database(postgres.url("owner"))
    here = settings_for_tests(
        tmp_path_factory.mktemp("bucket") / "home", LEADFACTORY_CLOCK=NOW.isoformat(),
        LEADFACTORY_DATABASE_URL=postgres.url("app"),
    )  # fmt: skip
    try:
        with owner.begin() as tx:
            for filled in tx.scalars(sa.text(FILLED)).all():
                tx.execute(sa.text(f"TRUNCATE {filled} CASCADE"))
        yield _lived(db, here, s3)
    finally:
        db.dispose()
        owner.dispose()


def _lived(db: Database, here: Settings, s3: Any) -> Built:
    bucket, cohorts, exports_could_begin = new_bucket(s3), Cohorts(db, seed=11), []
    there = here.model_copy(update={"lake_url": f"s3://{bucket}/lake"})
    for unit in (NYC, LA):
        cohorts.campaign(unit)
    for unit in (NYC, LA, NYC_NEXT_DAY):
        cohorts.day(unit, listings=30)
        cohorts.calls(unit)

    def models(arguments: list[str], environment: dict[str, str]) -> None:
        with db.begin() as tx:
            free = tx.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(lake_lock.number(there.lake))))
        exports_could_begin.append(bool(free))
        warehouse.run_dbt(["run", *arguments[1:]], environment)

    def marts(of: Settings) -> dict[str, list[Any]]:
        warehouse.build_marts(of, full=True, run=models, judge=lambda built: {})
        return tables_of(of.warehouse)

    export_lake(db=db, clock=there.clock, settings=there)
    from_bucket, lying = marts(there), objects(s3, bucket, "lake/")
    for path, content in lying.items():
        lake_files.put(here.lake, path, content)
    return Built(from_bucket, marts(here), set(lying), exports_could_begin)


@pytest.mark.parametrize("table", ROWS)
def test_marts_from_a_bucket_equal_those_from_a_folder(built: Built, table: str) -> None:
    assert built.from_bucket[table] == built.from_folder[table]


def test_marts_from_a_bucket_hold_what_lies_there(built: Built) -> None:
    assert "email_sends/month=2026-10/email_sends.parquet" in built.lying
    assert all(
        built.from_bucket[name] for name in ("fct_leads", "fct_emails", "fct_vendor_calls", "mart_cohort_funnel")
    )


def test_no_export_begins_while_marts_are_built_from_a_bucket(built: Built) -> None:
    assert built.exports_could_begin == [False, True]  # the other build reads the folder
