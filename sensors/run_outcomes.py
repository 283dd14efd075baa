"""Writes how runs ended to Postgres, for processes that do not know Dagster. One of the two sensors that write."""

import dataclasses
import datetime as dt
from typing import Any

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d00_gateway.tables import run_outcomes
from leadfactory.database import Database


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a run's events say beyond its status: when it began, each step's time, and the checks that did not pass."""

    started_at: dt.datetime | None = None
    steps: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    failed_checks: list[str] = dataclasses.field(default_factory=list)


def facts(instance: dg.DagsterInstance, run_id: str) -> Facts:
    """Read from the instance's event log."""
    record_of_run = instance.get_run_record_by_id(run_id)
    began = record_of_run.start_time if record_of_run else None
    steps = {
        stats.step_key: {
            "status": stats.status.value if stats.status else None,
            "seconds": round(stats.end_time - stats.start_time, 3) if stats.start_time and stats.end_time else None,
        }
        for stats in instance.get_run_step_stats(run_id)
    }
    evaluations = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    failed = []
    for each in evaluations:
        event = each.event_log_entry.dagster_event
        found: Any = event.event_specific_data if event else None
        if found is not None and not found.passed:
            failed.append(f"{found.asset_key.path[-1]}:{found.check_name}")
    return Facts(dt.datetime.fromtimestamp(began, dt.UTC) if began else None, steps, sorted(set(failed)))


def record(
    tx: sa.Connection, run: dg.DagsterRun, failed_steps: list[str], ended_at: dt.datetime, more: Facts | None = None
) -> None:
    """One row a run; a run that is told twice keeps one row."""
    more = more or Facts()
    values = {
        "job": run.job_name,
        "partition_key": run.tags.get("dagster/partition"),
        "status": run.status.value,
        "failed_steps": failed_steps,
        "ended_at": ended_at,
        **dataclasses.asdict(more),
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
    _note(context, db, [])


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    default_status=dg.DefaultSensorStatus.RUNNING,
    monitor_all_code_locations=True,
)
def run_cancellations(context: dg.RunStatusSensorContext, db: dg.ResourceParam[Database]) -> None:
    """A run was cancelled."""
    _note(context, db, [])


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING, monitor_all_code_locations=True)
def run_failures(context: dg.RunFailureSensorContext, db: dg.ResourceParam[Database]) -> None:
    """A run failed: which steps, so that the morning's review can name them."""
    failed = [event.step_key for event in context.get_step_failure_events() if event.step_key]
    _note(context, db, failed)
    context.log.error(f"run {context.dagster_run.run_id} of {context.dagster_run.job_name} failed at {failed}")


def _note(context: dg.RunStatusSensorContext, db: Database, failed: list[str]) -> None:
    run = context.dagster_run
    told = facts(context.instance, run.run_id)
    with db.begin() as tx:
        record(tx, run, failed, dt.datetime.now(dt.UTC), told)
