"""Asks for one drain of the webhook inbox at a time, over all that waits. Reads, plans, returns; writes nothing."""

import datetime as dt

import dagster as dg

from leadfactory import pauses, reloading
from leadfactory.database import Database
from leadfactory_assets.jobs import drain_webhooks

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
SWEEP_MINUTES = 10  # the same state asks again after this, so that what a failed drain left is not forgotten


@dg.sensor(job=drain_webhooks, minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING)
def webhook_inbox(
    context: dg.SensorEvaluationContext, db: dg.ResourceParam[Database]
) -> dg.SensorResult | dg.SkipReason:
    """One run when events have stopped coming for a tick; none while one is queued or running."""
    from leadfactory.inbox import waiting  # the location loads without the room
    from leadfactory.inbox.rules import rules

    reloading.look(db)  # the code server's beat: its schedules and sensors go by the newest configuration
    with db.begin() as tx:
        word = pauses.is_paused(tx, "all")
        found = waiting.look(tx)
    if word is not None:
        return dg.SensorResult(skip_reason=f"{word}; the inbox goes on accepting", cursor=context.cursor)
    busy = context.instance.get_runs_count(dg.RunsFilter(job_name=drain_webhooks.name, statuses=UNDER_WAY))
    plan = waiting.plan(found, context.cursor, busy=busy, most_ticks=rules().settle_ticks)
    if not plan.start:
        return dg.SensorResult(skip_reason=plan.why, cursor=plan.cursor)
    sweep = int(dt.datetime.now(dt.UTC).timestamp()) // (60 * SWEEP_MINUTES)
    run_key = f"{found.newest}:{found.events}:{found.undecided}:{sweep}"
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=run_key)], cursor=plan.cursor)
