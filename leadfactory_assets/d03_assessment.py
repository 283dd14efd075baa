"""D3 Assessment: what is wrong with a website, measured, and what it means in plain words."""

from collections.abc import Awaitable

import dagster as dg

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.openai import OpenAIClient
from leadfactory.d00_gateway.pagespeed import PagespeedClient
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.database import Database
from leadfactory.stage_report import StageReport
from leadfactory_assets.checks import expectations, standing
from leadfactory_assets.policies import NIGHT, cohort_asset, run_stage


@cohort_asset(
    "d03_assessment", "fill", after=("enriched_businesses",), kinds={"python"}, owner="audits", pool="pagespeed"
)
def site_audits(
    context: dg.AssetExecutionContext,
    db: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    pagespeed: dg.ResourceParam[PagespeedClient],
    website: dg.ResourceParam[WebsiteClient],
) -> dg.MaterializeResult:
    """One row per audited website: our own crawl, lab and field data; each thing wrong is a row of ``audit_findings``."""
    from leadfactory.d03_assessment import auditing  # only the run that needs the room pays for its imports

    def stage(unit: CampaignDay) -> Awaitable[StageReport]:
        return auditing.audit(unit, db=db, clock=clock, pagespeed=pagespeed, website=website)

    return run_stage(context, db, NIGHT, stage)


@cohort_asset("d03_assessment", "fill", after=("site_audits",), kinds={"openai"}, owner="audits", pool="openai")
def site_insights(
    context: dg.AssetExecutionContext,
    db: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    openai: dg.ResourceParam[OpenAIClient],
) -> dg.MaterializeResult:
    """One row per audited website: what its findings cost its customers, in words that only use measured numbers."""
    from leadfactory.d03_assessment import insights  # only the run that needs the room pays for its imports

    return run_stage(context, db, NIGHT, lambda unit: insights.explain(unit, db=db, clock=clock, openai=openai))


site_audits_expectations = expectations(site_audits)
site_insights_expectations = expectations(site_insights)
d03_standing = standing("d03_assessment", "site_audits", "site_insights")
