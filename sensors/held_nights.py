"""Starts a night that the pre-flight held back, when the cause is gone. Reads, plans, returns; writes nothing."""

import datetime as dt

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory.monitoring import preflight
from leadfactory_assets.jobs import campaign_day
from schedules.daily_campaigns import daily_campaigns
from schedules.status import SENSOR_ON_IN_PRODUCTION


@dg.sensor(job=campaign_day, minimum_interval_seconds=60, default_status=SENSOR_ON_IN_PRODUCTION)
def held_nights(
    context: dg.SensorEvaluationContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.SensorResult | dg.SkipReason:
    """Asks the schedule again after it held today's night back; only the schedule decides, here as at 02:00."""
    held_at = held_today(context.instance, clock.today())
    if held_at is None:
        return dg.SkipReason("today's night was not held back")
    again = dg.build_schedule_context(instance=context.instance, scheduled_execution_time=held_at)
    found = daily_campaigns(again, db=db, clock=clock)
    if isinstance(found, dg.SkipReason):
        return found
    assert isinstance(found, list)
    return dg.SensorResult(run_requests=found)  # their run keys are the campaign-days: each is asked for once


def held_today(instance: dg.DagsterInstance, today: dt.date) -> dt.datetime | None:
    """When the newest tick of the schedule held the night of ``today`` back; None when it did not."""
    for state in instance.all_instigator_state():
        if state.instigator_name != daily_campaigns.name:
            continue
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1):
            at = dt.datetime.fromtimestamp(tick.timestamp, dt.UTC)
            if at.date() == today and (tick.skip_reason or "").startswith(preflight.HELD):
                return at
    return None
