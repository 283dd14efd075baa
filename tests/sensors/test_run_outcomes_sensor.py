"""How runs ended is a row, once."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import sqlalchemy as sa

from leadfactory.d00_gateway.tables import run_outcomes
from leadfactory.database import Database
from sensors.run_outcomes import facts, record

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)


@dg.op
def breaks() -> None:
    raise ValueError("as it should")


@dg.job(tags={"dagster/partition": "dental-60601|2026-10-06"})
def failing() -> None:
    breaks()


def failed_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    result = failing.execute_in_process(instance=instance, raise_on_error=False)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return run


def test_a_failed_run_is_a_row_with_its_partition_and_steps(database: Database) -> None:
    with dg.DagsterInstance.ephemeral() as instance, database.begin() as tx:
        record(tx, failed_run(instance), ["breaks"], NOW)
        row = tx.execute(sa.select(run_outcomes)).mappings().one()
    assert (row["job"], row["partition_key"], row["status"]) == ("failing", "dental-60601|2026-10-06", "FAILURE")
    assert row["failed_steps"] == ["breaks"]


def test_an_outcome_that_is_told_twice_is_one_row(database: Database) -> None:
    with dg.DagsterInstance.ephemeral() as instance, database.begin() as tx:
        run = failed_run(instance)
        for _ in range(2):
            record(tx, run, [], NOW)
        assert tx.scalar(sa.select(sa.func.count()).select_from(run_outcomes)) == 1


@dg.asset
def measured() -> None:
    """Something."""


@dg.asset_check(asset=measured)
def is_right() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False)


def test_an_outcome_tells_when_the_run_began_how_long_its_steps_took_and_which_checks_failed(
    database: Database,
) -> None:
    with dg.DagsterInstance.ephemeral() as instance, database.begin() as tx:
        result = dg.materialize([measured, is_right], instance=instance)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        record(tx, run, [], NOW, facts(instance, run.run_id))
        row = tx.execute(sa.select(run_outcomes)).mappings().one()
    assert row["started_at"] is not None
    assert row["steps"]["measured"]["status"] == "SUCCESS"
    assert row["steps"]["measured"]["seconds"] > 0
    assert row["failed_checks"] == ["measured:is_right"]
