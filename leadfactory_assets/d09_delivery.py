"""D9 Delivery: what leaves the house. A click here lists; only ``due_sends`` and ``launch-campaign`` send."""

import asyncio

import dagster as dg

from leadfactory import pauses
from leadfactory.clock import Clock
from leadfactory.d09_delivery.mailer import PostOffice
from leadfactory.database import Database
from leadfactory.settings import settings
from leadfactory_assets.checks import expectations, standing
from leadfactory_assets.policies import DELIVERY, PREFIX, WRITE_TAG, cohort_asset, key, run_stage, told


class SendConfig(dg.Config):
    """``dry_run`` lists what would be sent and which gate stops the rest; ``limit`` is the most mails of this run."""

    dry_run: bool = True
    limit: int | None = None


@cohort_asset(
    "d09_delivery", "claim", after=("email_drafts",), kinds={"sendgrid"}, owner="deliverability", pool="sendgrid"
)
def email_sends(
    context: dg.AssetExecutionContext,
    config: SendConfig,
    db: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    mailer: dg.ResourceParam[PostOffice],
) -> dg.MaterializeResult:
    """One row per business, campaign and step: claimed before the vendor is called, settled after, never sent twice."""
    from leadfactory.d09_delivery import sending  # only the run that needs the room pays for its imports

    return run_stage(
        context,
        db,
        DELIVERY,
        lambda unit: sending.send_due(
            unit, db=db, clock=clock, settings=settings(), mailer=mailer, dry_run=config.dry_run, limit=config.limit
        ),
    )


@dg.op(pool="sendgrid")
def send_all_due(
    context: dg.OpExecutionContext,
    config: SendConfig,
    db: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    mailer: dg.ResourceParam[PostOffice],
) -> None:
    """Sends what is due now over all cohorts and records one materialization for each campaign-day it changed."""
    from leadfactory.d09_delivery import sending  # only the run that needs the room pays for its imports

    with pauses.watching(db):
        reports = asyncio.run(
            sending.send_all_due(
                db=db, clock=clock, settings=settings(), mailer=mailer, dry_run=config.dry_run, limit=config.limit
            )
        )
    for report in reports:
        context.log_event(dg.AssetMaterialization(key("email_sends"), partition=report.unit.key, metadata=told(report)))
    context.log.info(f"{len(reports)} campaign-days had sends due")


@dg.job(executor_def=dg.in_process_executor, tags={"dagster/priority": "5"})
def due_sends() -> None:
    """First touches and follow-ups whose window is open, over all cohorts, in one run."""
    send_all_due()


@cohort_asset("d09_delivery", "fold", after=("email_sends",), kinds={"sendgrid"}, owner="deliverability")
def email_events(
    context: dg.AssetExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """One row per mail event that carries a send id of ours; the state of each send is folded from them again."""
    from leadfactory.d09_delivery import event_reports  # only the run that needs the room pays for its imports

    return run_stage(context, db, DELIVERY, lambda unit: event_reports.refold(unit, db=db, clock=clock))


@dg.asset(
    key_prefix=PREFIX,
    group_name="d09_delivery",
    kinds={"sendgrid", "stripe", "postgres"},
    owners=["team:deliverability"],
    tags={WRITE_TAG: "fold"},
)
def webhook_drain(
    context: dg.AssetExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Takes one row per waiting event from the inbox, over all campaign-days, and folds the sends and purchases they name."""
    from leadfactory.d07_storefront import reporting  # only the run that needs the rooms pays for their imports
    from leadfactory.d09_delivery import event_reports

    with pauses.watching(db):
        done, reports = event_reports.drain(db=db, clock=clock)
        bought, sales = reporting.drain(db=db, clock=clock, settings=settings())
    for report in [*reports, *sales]:
        context.log_event(dg.AssetMaterialization(key(report.asset), partition=report.unit.key, metadata=told(report)))
    return dg.MaterializeResult(metadata=done | bought)


@dg.asset(
    key_prefix=PREFIX,
    group_name="d09_delivery",
    kinds={"sendgrid", "postgres"},
    owners=["team:deliverability"],
    tags={WRITE_TAG: "fold"},
    pool="sendgrid",
)
def suppression_poll(
    context: dg.AssetExecutionContext,
    db: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    mailer: dg.ResourceParam[PostOffice],
) -> dg.MaterializeResult:
    """Takes one row per entry of SendGrid's suppression lists that no event had told of, and folds the sends they name."""
    from leadfactory.d00_gateway.sendgrid import SendGridClient  # only the run that needs the room pays for its imports
    from leadfactory.d09_delivery import event_reports, list_polling

    sendgrid = SendGridClient(mailer.gateway, settings())
    found = asyncio.run(list_polling.poll(db=db, clock=clock, settings=settings(), sendgrid=sendgrid))
    figures, reports = event_reports.drain(db=db, clock=clock)
    for report in reports:
        context.log_event(dg.AssetMaterialization(key(report.asset), partition=report.unit.key, metadata=told(report)))
    mine = {"entries on the lists": found.listed, "that no event told of": found.unheard, "suppressed by it": found.suppressed}  # fmt: skip
    return dg.MaterializeResult(metadata=mine | figures)


@dg.asset_check(
    asset=suppression_poll,
    name="lists_match",
    description="SendGrid's suppression lists, its events and our suppressions agree: each difference is named.",
)
def lists_match(
    db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock], mailer: dg.ResourceParam[PostOffice]
) -> dg.AssetCheckResult:
    from leadfactory.d00_gateway.sendgrid import SendGridClient  # only the run that needs the room pays for its imports
    from leadfactory.d09_delivery import list_polling

    sendgrid = SendGridClient(mailer.gateway, settings())
    found = asyncio.run(list_polling.differences(db=db, clock=clock, settings=settings(), sendgrid=sendgrid))
    named = [f"{each.name}: {each.what} ({each.told})" for each in found[:50]]
    return dg.AssetCheckResult(
        passed=not found, severity=dg.AssetCheckSeverity.WARN, metadata={"differences": len(found), "named": named}
    )


email_sends_expectations = expectations(email_sends)
email_events_expectations = expectations(email_events)
d09_standing = standing("d09_delivery", "email_events", "email_sends", judges=True)
