"""D2 Sourcing: which businesses there are, and which of them are one."""

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.d00_gateway.yelp import YelpClient
from leadfactory.database import Database
from leadfactory.settings import settings
from leadfactory_assets.checks import expectations, standing
from leadfactory_assets.policies import NIGHT, cohort_asset, run_stage


class SourcingConfig(dg.Config):
    """``limit``: at most this many businesses in all (test-pipeline); None sources what was planned."""

    limit: int | None = None


@cohort_asset("d02_sourcing", "fill", after=("campaign_targets",), kinds={"yelp"}, owner="growth", pool="yelp")
def sourced_businesses(
    context: dg.AssetExecutionContext,
    config: SourcingConfig,
    db: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    yelp: dg.ResourceParam[YelpClient],
) -> dg.MaterializeResult:
    """One row per Yelp listing sourced on the day: its id and keyed hashes; the content expires within 24 hours."""
    from leadfactory.d02_sourcing import sourcing  # only the run that needs the room pays for its imports

    return run_stage(
        context,
        db,
        NIGHT,
        lambda unit: sourcing.source(unit, db=db, clock=clock, settings=settings(), yelp=yelp, limit=config.limit),
    )


@cohort_asset("d02_sourcing", "fill", after=("sourced_businesses",), kinds={"python"}, owner="growth")
def unique_businesses(
    context: dg.AssetExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """One row per distinct business of the day, with the ``business_id`` that it keeps for life."""
    from leadfactory.d02_sourcing import uniqueness  # only the run that needs the room pays for its imports

    return run_stage(context, db, NIGHT, lambda unit: uniqueness.unify(unit, db=db, clock=clock, settings=settings()))


sourced_businesses_expectations = expectations(sourced_businesses)
unique_businesses_expectations = expectations(unique_businesses)
d02_standing = standing("d02_sourcing", "sourced_businesses", "unique_businesses")
