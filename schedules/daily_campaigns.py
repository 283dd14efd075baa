"""The nightly run: one per active campaign, at 02:00 UTC. Postgres says who is active; Dagster's partitions follow it."""

import dagster as dg

from leadfactory import pauses
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d01_targeting import campaigns
from leadfactory.database import Database
from leadfactory.monitoring import preflight
from leadfactory.settings import settings
from leadfactory_assets.jobs import campaign_day
from leadfactory_assets.partitions import DAY, TIMEZONE
from schedules.pausing import held
from schedules.status import ON_IN_PRODUCTION

CLOSED = "the campaign is closed"  # told while its partitions exist, not for ever
UNREGISTERED = "its partition key is not registered: the sensor campaign_registry adds it, or a run by hand after that"
MOST = 20  # campaigns named in one message


@dg.schedule(job=campaign_day, cron_schedule="0 2 * * *", execution_timezone=TIMEZONE, default_status=ON_IN_PRODUCTION)
def daily_campaigns(
    context: dg.ScheduleEvaluationContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run per active campaign that Dagster knows; one unknown partition key would fail the whole tick, for ever.

    Every other campaign is named with its reason: in the tick's log, in the message of a tick that requests nothing, and as
    the tag ``leadfactory/left_out`` of each run that is requested.
    """
    day = context.scheduled_execution_time.date() if clock.is_real else clock.today()
    if not DAY.has_partition_key(day.isoformat()):
        return dg.SkipReason(f"{day} is no partition: LEADFACTORY_CLOCK or LEADFACTORY_FIRST_DAY is off the calendar")
    flight = preflight.look(settings().home)
    if flight.stops:
        return dg.SkipReason(flight.stops)
    if flight.warns:
        context.log.warning(flight.warns)
    word = held(db)
    if word is not None:
        return word
    known = set(context.instance.get_dynamic_partitions("campaign"))
    with db.begin() as tx:
        active, resting, paused = campaigns.active(tx, day), campaigns.resting(tx, day), pauses.current(tx)
    left_out = {slug: reason for slug, reason in resting.items() if slug in known or reason != CLOSED}
    units = []
    for slug in active:
        try:
            unit = CampaignDay(slug, day)
        except ValueError as error:
            left_out[slug] = str(error)
            continue
        word_of_it = pauses.holding(paused, ("campaign", slug))
        if word_of_it is not None:
            left_out[slug] = str(word_of_it)
        elif slug in known:
            units.append(unit)
        else:
            left_out[slug] = UNREGISTERED
    told = _told(left_out)
    if not units:
        return dg.SkipReason(f"no active campaign on {day}" + (f"; left out: {told}" if told else ""))
    if told:
        context.log.warning(f"left out on {day}: {told}")
    tags = {"leadfactory/left_out": told} if told else {}
    return [dg.RunRequest(run_key=unit.key, partition_key=unit.key, tags=tags) for unit in units]


def _told(left_out: dict[str, str]) -> str:
    named = [f"{slug}: {reason}" for slug, reason in sorted(left_out.items())]
    return "; ".join(named[:MOST] + ([f"and {len(named) - MOST} more"] if len(named) > MOST else []))
