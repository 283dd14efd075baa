"""D1 Targeting: what each campaign may source today."""

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.d01_targeting import campaigns, planning
from leadfactory.database import Database
from leadfactory.quality import verdicts
from leadfactory_assets.checks import expectations, standing
from leadfactory_assets.policies import NIGHT, cohort_asset, run_stage


@cohort_asset("d01_targeting", "fill", kinds={"python"}, owner="growth", code_version=planning.VERSION)
def campaign_targets(
    context: dg.AssetExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """One row per target of the campaign-day: calls and businesses allotted within quota and budget, decided once."""
    return run_stage(context, db, NIGHT, lambda unit: planning.plan_day(unit, db=db, clock=clock))


campaign_targets_expectations = expectations(campaign_targets)
d01_standing = standing("d01_targeting", "campaign_targets")


@dg.asset_check(
    asset=campaign_targets,
    name="every_active_campaign_has_today",
    description="A freshness policy sees only the newest partition: one healthy campaign would hide a dead one.",
)
def every_active_campaign_has_today(
    db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.AssetCheckResult:
    with db.begin() as tx:
        missing = verdicts.active_without_today(tx, campaigns.active(tx, clock.today()), clock.today())
    return dg.AssetCheckResult(
        passed=not missing, severity=dg.AssetCheckSeverity.WARN, metadata={"campaigns without today": missing}
    )
