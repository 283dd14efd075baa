"""Every 15 minutes: what is due in an open window, over all cohorts, in one run."""

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory_assets.d09_delivery import due_sends
from leadfactory_assets.partitions import TIMEZONE
from schedules.pausing import held
from schedules.status import ON_IN_PRODUCTION


@dg.schedule(
    job=due_sends,
    cron_schedule="*/15 * * * *",
    execution_timezone=TIMEZONE,
    default_status=ON_IN_PRODUCTION,
    name="due_sends_schedule",
)
def due_sends_every_quarter(
    context: dg.ScheduleEvaluationContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.RunRequest | dg.SkipReason:
    """One run when anything is due; the run key is the tick, so a tick that is repeated does not run twice."""
    from leadfactory.d09_delivery import sending  # the location loads without the room

    word = held(db)
    if word is not None:
        return word
    with db.begin() as tx:
        due = sending.count_due(tx, clock.now())
    if due == 0:
        return dg.SkipReason("nothing is due")
    return dg.RunRequest(
        run_key=f"due:{context.scheduled_execution_time.isoformat()}",
        run_config={"ops": {"send_all_due": {"config": {"dry_run": False}}}},
    )
