"""D7 Storefront: what was bought. Checkouts are opened by the edge, events are folded by ``webhook_drain``."""

import asyncio

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.database import Database
from leadfactory.settings import settings
from leadfactory_assets.checks import expectations, standing
from leadfactory_assets.policies import PREFIX, WRITE_TAG, cohort_asset, key, run_stage, told

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


@dg.asset(
    key_prefix=PREFIX,
    group_name="d07_storefront",
    kinds={"stripe", "postgres"},
    owners=["team:sales"],
    tags={WRITE_TAG: "fold"},
)
def payment_poll(
    context: dg.AssetExecutionContext,
    db: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    stripe: dg.ResourceParam[StripeClient],
) -> dg.MaterializeResult:
    """Takes one row per event of Stripe that no webhook brought within three days, and folds the purchases they name."""
    from leadfactory.d07_storefront import reconciling, reporting  # only the run that needs the room pays

    asked, new = asyncio.run(reconciling.poll(db=db, clock=clock, settings=settings(), stripe=stripe))
    figures, reports = reporting.drain(db=db, clock=clock, settings=settings())
    for report in reports:
        context.log_event(dg.AssetMaterialization(key(report.asset), partition=report.unit.key, metadata=told(report)))
    return dg.MaterializeResult(metadata={"events at Stripe": asked, "events that no webhook brought": new} | figures)


@dg.asset_check(
    asset=payment_poll,
    name="three_way_match",
    description="Stripe's paid sessions and refunds, our purchases, and the delivered reports agree: difference 0.",
)
def three_way_match(
    db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock], stripe: dg.ResourceParam[StripeClient]
) -> dg.AssetCheckResult:
    from leadfactory.d07_storefront import reconciling  # only the run that needs the room pays for its imports

    found = asyncio.run(reconciling.differences(db=db, clock=clock, settings=settings(), stripe=stripe))
    named = [f"{each.name}: {each.what} ({each.told})" for each in found[:50]]
    return dg.AssetCheckResult(passed=not found, metadata={"difference": len(found), "named": named})


purchases_expectations = expectations(purchases)
d07_standing = standing("d07_storefront", "purchases", judges=True)
