"""D5 Scoring: which leads are worth a letter, and why."""

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.d05_scoring import versions
from leadfactory.database import Database
from leadfactory_assets.checks import expectations, standing
from leadfactory_assets.policies import NIGHT, cohort_asset, run_stage


@cohort_asset(
    "d05_scoring",
    "replace",
    after=("enriched_businesses", "site_audits", "site_insights"),
    kinds={"python"},
    owner="growth",
    code_version=versions.asset_version(),
)
def lead_scores(
    context: dg.AssetExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """One row per unique business: score and tier. A re-run replaces its own rows, but never one that a claimed send used."""
    from leadfactory.d05_scoring import scoring  # only the run that needs the room pays for its imports

    return run_stage(context, db, NIGHT, lambda unit: scoring.score(unit, db=db, clock=clock))


lead_scores_expectations = expectations(lead_scores)
d05_standing = standing("d05_scoring", "lead_scores")
