"""Keeps Dagster's campaign partitions equal to the registry in Postgres. Requests partitions only; never runs."""

import datetime as dt
from collections.abc import Iterable

import dagster as dg

from leadfactory.campaign_day import check_campaign_slug
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
    fit, unfit = _keys(set(wanted) - known)
    add, prune = sorted(fit), sorted(set(silent) & known)
    told = [
        f"{what}: {', '.join(names)}"
        for what, names in (("added", add), ("pruned", prune), ("refused", unfit))
        if names
    ]
    if not add and not prune:
        return dg.SkipReason("; ".join([f"all {len(wanted) - len(unfit)} campaigns are registered", *told]))
    context.log.info("; ".join(told))
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if add:
        requests.append(CAMPAIGN.build_add_request(add))
    if prune:
        requests.append(CAMPAIGN.build_delete_request(prune))
    return dg.SensorResult(skip_reason="; ".join(told), dynamic_partitions_requests=requests)


def _keys(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Names that can be half of a partition key, and why the others cannot: one that Dagster refuses fails the whole tick."""
    fit, unfit = [], []
    for name in sorted(names):
        try:
            fit.append(check_campaign_slug(name))
        except ValueError as error:
            unfit.append(str(error))
    return fit, unfit
