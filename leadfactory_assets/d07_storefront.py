"""D7 Storefront: what was bought. Checkouts are opened by the edge, events are folded by ``webhook_drain``."""

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory.settings import settings
from leadfactory_assets.checks import expectations, standing
from leadfactory_assets.policies import cohort_asset, run_stage

STOREFRONT = "storefront"


@cohort_asset("d07_storefront", "fold", after=("email_sends",), kinds={"stripe"}, owner="sales")
def purchases(
    context: dg.AssetExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """One row per Stripe session that has events: what became of it, folded from all of them again."""
    from leadfactory.d07_storefront import reporting  # only the run that needs the room pays for its imports

    return run_stage(
        context, db, STOREFRONT, lambda unit: reporting.refold(unit, db=db, clock=clock, settings=settings())
    )


purchases_expectations = expectations(purchases)
d07_standing = standing("d07_storefront", "purchases", judges=True)
