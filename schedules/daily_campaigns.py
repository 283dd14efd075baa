"""The nightly run: one per active campaign, at 02:00 UTC. Postgres says who is active; Dagster's partitions follow it."""

import dagster as dg

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d01_targeting import campaigns
from leadfactory.database import Database
from leadfactory_assets.jobs import campaign_day
from leadfactory_assets.partitions import TIMEZONE
from schedules.status import ON_IN_PRODUCTION


@dg.schedule(job=campaign_day, cron_schedule="0 2 * * *", execution_timezone=TIMEZONE, default_status=ON_IN_PRODUCTION)
def daily_campaigns(
    context: dg.ScheduleEvaluationContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run per active campaign that Dagster knows; one unknown partition key would fail the whole tick, for ever."""
    day = context.scheduled_execution_time.date() if clock.is_real else clock.today()
    with db.begin() as tx:
        active = campaigns.active(tx, day)
    known = set(context.instance.get_dynamic_partitions("campaign"))
    unregistered = sorted(set(active) - known)
    if unregistered:
        context.log.warning(f"not registered yet, left for the next night or a run by hand: {', '.join(unregistered)}")
    units = [CampaignDay(slug, day) for slug in active if slug in known]
    if not units:
        return dg.SkipReason(
            f"no active campaign on {day}" + (f"; unregistered: {unregistered}" if unregistered else "")
        )
    return [dg.RunRequest(run_key=unit.key, partition_key=unit.key) for unit in units]
