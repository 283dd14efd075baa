"""Keeps Dagster's campaign partitions equal to the registry in Postgres. Requests partitions only; never runs."""

import datetime as dt

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.d01_targeting import campaigns
from leadfactory.database import Database
from leadfactory_assets.partitions import CAMPAIGN

PRUNE_AFTER = dt.timedelta(days=180)  # a closed campaign's late events fold in until then (architecture §2)


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def campaign_registry(
    context: dg.SensorEvaluationContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.SensorResult | dg.SkipReason:
    """Adds keys of new campaigns, and prunes those that closed and fell silent more than 180 days ago."""
    with db.begin() as tx:
        wanted = campaigns.living(tx)
        silent = campaigns.silent_since(tx, clock.now() - PRUNE_AFTER)
    known = set(context.instance.get_dynamic_partitions("campaign"))
    add, prune = sorted(set(wanted) - known), sorted(set(silent) & known)
    if not add and not prune:
        return dg.SkipReason(f"all {len(wanted)} campaigns are registered")
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if add:
        requests.append(CAMPAIGN.build_add_request(add))
    if prune:
        requests.append(CAMPAIGN.build_delete_request(prune))
    return dg.SensorResult(dynamic_partitions_requests=requests)
