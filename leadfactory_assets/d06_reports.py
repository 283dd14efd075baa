"""D6 Reports: what was sold, sealed and brought to whoever paid. ``paid_reports`` follows every drain of the inbox."""

import asyncio
import functools

import dagster as dg

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.pagespeed import PagespeedClient
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d09_delivery.mailer import PostOffice
from leadfactory.database import Database
from leadfactory.settings import settings
from leadfactory.stage_report import StageReport
from leadfactory_assets.checks import expectations, standing
from leadfactory_assets.policies import PREFIX, WRITE_TAG, cohort_asset, key, run_stage, told

REPORTS = "reports"


@cohort_asset("d06_reports", "claim", after=("purchases", "site_audits"), kinds={"weasyprint"}, owner="sales")
def audit_reports(
    context: dg.AssetExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """One row per sold report and version: sealed once, immutable, its bytes are blobs under their hashes."""
    from leadfactory.d06_reports import paid_work  # only the run that needs the room pays for its imports

    def seal(unit: CampaignDay) -> StageReport:
        paid_work.seal_all(db=db, clock=clock, settings=settings(), unit=unit)
        with db.begin() as tx:
            return paid_work.report_of(tx, "audit_reports", unit)

    return run_stage(context, db, REPORTS, seal)


@cohort_asset("d06_reports", "claim", after=("audit_reports",), kinds={"sendgrid"}, owner="sales")
def report_deliveries(context: dg.AssetExecutionContext, db: dg.ResourceParam[Database]) -> dg.MaterializeResult:
    """One row per mail with a report's link. A click tells how they stand; only ``paid_reports`` sends."""
    from leadfactory.d06_reports import paid_work  # only the run that needs the room pays for its imports

    def look(unit: CampaignDay) -> StageReport:
        with db.begin() as tx:
            return paid_work.report_of(tx, "report_deliveries", unit)

    return run_stage(context, db, REPORTS, look)


@dg.asset(
    key_prefix=PREFIX,
    deps=[key("webhook_drain")],
    group_name="d06_reports",
    kinds={"stripe", "sendgrid", "weasyprint"},
    owners=["team:sales"],
    tags={WRITE_TAG: "claim"},
)
def paid_reports(
    context: dg.AssetExecutionContext,
    db: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    stripe: dg.ResourceParam[StripeClient],
    mailer: dg.ResourceParam[PostOffice],
    pagespeed: dg.ResourceParam[PagespeedClient],
    website: dg.ResourceParam[WebsiteClient],
) -> dg.MaterializeResult:
    """Takes one row per refund, report and mail that payments ask for, over all campaign-days, and does it."""
    from leadfactory.d06_reports import paid_work  # only the run that needs the rooms pays for their imports
    from leadfactory.inbox import paying

    work = functools.partial(
        paid_work.work,
        db=db, clock=clock, settings=settings(), stripe=stripe, mailer=mailer, pagespeed=pagespeed, website=website,
    )  # fmt: skip
    done, reports = asyncio.run(paying.serve(work, db=db, clock=clock, settings=settings()))
    for report in reports:
        context.log_event(dg.AssetMaterialization(key(report.asset), partition=report.unit.key, metadata=told(report)))
    return dg.MaterializeResult(metadata=done)


audit_reports_expectations = expectations(audit_reports)
report_deliveries_expectations = expectations(report_deliveries)
d06_standing = standing("d06_reports", "report_deliveries", "audit_reports", judges=True)
