"""D10 Analytics: what leaves Postgres for the lake. The marts are the second code location, ``marts.py``."""

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory.settings import settings
from leadfactory_assets.policies import PREFIX, WRITE_TAG, key

EXPORTED = (
    "campaign_targets",
    "sourced_businesses",
    "unique_businesses",
    "enriched_businesses",
    "site_audits",
    "site_insights",
    "lead_scores",
    "experiment_assignments",
    "email_drafts",
    "email_sends",
    "email_events",
    "purchases",
    "audit_reports",
    "report_deliveries",
)


@dg.asset(
    key_prefix=PREFIX,
    deps=[dg.AssetDep(key(name), partition_mapping=dg.AllPartitionMapping()) for name in EXPORTED],
    group_name="d10_analytics",
    kinds={"parquet"},
    owners=["team:analytics"],
    tags={WRITE_TAG: "export"},
)
def lake_export(
    context: dg.AssetExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """One Parquet file per table and campaign-day whose rows changed since its last export; one run for all of them."""
    from leadfactory.d10_analytics import export  # pyarrow and numpy: only the run that exports pays

    report = export.export_lake(db=db, clock=clock, settings=settings())
    return dg.MaterializeResult(metadata=report.metadata())


@dg.asset_check(
    asset=lake_export,
    name="lake_matches_postgres",
    description="The lake's files hold the rows of Postgres, each with the same values: difference 0.",
)
def lake_matches_postgres(db: dg.ResourceParam[Database]) -> dg.AssetCheckResult:
    from leadfactory.d10_analytics import reconciling

    days, found = reconciling.differences(db, settings())
    named = [str(each) for each in found[:50]]
    return dg.AssetCheckResult(
        passed=not found, metadata={"campaign-days": days, "difference": len(found), "named": named}
    )
