"""D11 Experiments: who is in which arm."""

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory_assets.checks import expectations, standing
from leadfactory_assets.policies import NIGHT, cohort_asset, run_stage


@cohort_asset("d11_experiments", "replace", after=("lead_scores",), kinds={"python"}, owner="growth")
def experiment_assignments(
    context: dg.AssetExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """One row per qualified business and running experiment; fixed from its first exposure on."""
    from leadfactory.d11_experiments import assignment  # only the run that needs the room pays for its imports

    return run_stage(context, db, NIGHT, lambda unit: assignment.assign(unit, db=db, clock=clock))


experiment_assignments_expectations = expectations(experiment_assignments)
d11_standing = standing("d11_experiments", "experiment_assignments")
