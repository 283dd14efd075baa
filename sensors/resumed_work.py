"""Takes up what a pause held back: today's campaign-days, once the word is taken back. Reads, plans, returns; writes nothing."""

import dagster as dg

from leadfactory import pauses
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d01_targeting import campaigns
from leadfactory.database import Database
from leadfactory_assets.jobs import campaign_day
from leadfactory_assets.partitions import DAY
from sensors.webhook_inbox import UNDER_WAY

NIGHT_BEGINS = 2  # UTC, as the schedule daily_campaigns says: before that hour the night itself takes up today


@dg.sensor(job=campaign_day, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def resumed_work(
    context: dg.SensorEvaluationContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run for each of today's campaign-days that a pause held back and that nobody has taken up since.

    The run key is the pause, so that each is taken up once. What was done already is neither bought nor written again.
    """
    now = clock.now()
    if now.hour < NIGHT_BEGINS or not DAY.has_partition_key(now.date().isoformat()):
        return dg.SkipReason("the night takes up today's campaign-days by itself")
    begun = now.replace(hour=NIGHT_BEGINS, minute=0, second=0, microsecond=0)
    with db.begin() as tx:
        over = [one for one in pauses.resumed_since(tx, begun) if one.kind != "sender"]
        found = pauses.current(tx)
        active = campaigns.active(tx, now.date()) if over else []
    known = set(context.instance.get_dynamic_partitions("campaign"))
    requests = []
    for slug in active:
        mine = [one for one in over if one.kind != "campaign" or one.key == slug]
        if not mine or slug not in known or pauses.holding(found, ("campaign", slug)):
            continue
        unit = CampaignDay(slug, now.date())
        busy = dg.RunsFilter(tags={"dagster/partition": unit.key}, statuses=UNDER_WAY)
        if not context.instance.get_runs_count(busy):
            requests.append(dg.RunRequest(run_key=f"resumed:{mine[-1].pause_id}:{unit.key}", partition_key=unit.key))
    return requests or dg.SkipReason("nothing was held back today")
