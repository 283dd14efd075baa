"""Writes how runs ended to Postgres, for processes that do not know Dagster. One of the two sensors that write."""

import datetime as dt

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d00_gateway.tables import run_outcomes
from leadfactory.database import Database


def record(tx: sa.Connection, run: dg.DagsterRun, failed_steps: list[str], ended_at: dt.datetime) -> None:
    """One row a run; a run that is told twice keeps one row."""
    values = {
        "job": run.job_name,
        "partition_key": run.tags.get("dagster/partition"),
        "status": run.status.value,
        "failed_steps": failed_steps,
        "ended_at": ended_at,
    }
    tx.execute(
        insert(run_outcomes)
        .values(run_id=run.run_id, **values)
        .on_conflict_do_update(index_elements=["run_id"], set_=values)
    )


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    monitor_all_code_locations=True,
)
def run_successes(context: dg.RunStatusSensorContext, db: dg.ResourceParam[Database]) -> None:
    """A run succeeded."""
    with db.begin() as tx:
        record(tx, context.dagster_run, [], _now())


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    default_status=dg.DefaultSensorStatus.RUNNING,
    monitor_all_code_locations=True,
)
def run_cancellations(context: dg.RunStatusSensorContext, db: dg.ResourceParam[Database]) -> None:
    """A run was cancelled."""
    with db.begin() as tx:
        record(tx, context.dagster_run, [], _now())


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING, monitor_all_code_locations=True)
def run_failures(context: dg.RunFailureSensorContext, db: dg.ResourceParam[Database]) -> None:
    """A run failed: which steps, so that the morning's review can name them."""
    failed = [event.step_key for event in context.get_step_failure_events() if event.step_key]
    with db.begin() as tx:
        record(tx, context.dagster_run, failed, _now())
    context.log.error(f"run {context.dagster_run.run_id} of {context.dagster_run.job_name} failed at {failed}")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
