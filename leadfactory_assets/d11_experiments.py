"""D11 Experiments: who is in which arm."""

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory_assets.checks import expectations, standing
from leadfactory_assets.policies import NIGHT, PREFIX, WRITE_TAG, cohort_asset, key, run_stage


@cohort_asset("d11_experiments", "replace", after=("lead_scores",), kinds={"python"}, owner="growth")
def experiment_assignments(
    context: dg.AssetExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """One row per qualified business and running experiment; fixed from its first exposure on."""
    from leadfactory.d11_experiments import assignment  # only the run that needs the room pays for its imports

    return run_stage(context, db, NIGHT, lambda unit: assignment.assign(unit, db=db, clock=clock))


@dg.asset(
    key_prefix=PREFIX,
    deps=[
        dg.AssetDep(key(name), partition_mapping=dg.AllPartitionMapping())
        for name in ("experiment_assignments", "email_events")
    ],
    group_name="d11_experiments",
    kinds={"python", "postgres"},
    owners=["team:growth"],
    tags={WRITE_TAG: "replace"},
)
def experiment_readouts(db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]) -> dg.MaterializeResult:
    """One row per experiment, day and arm: rates, intervals and the decision, valid at every look; a broken one is halted."""
    from leadfactory.d11_experiments import reading  # only the run that needs the room pays for its imports

    said, figures = reading.read_all(db=db, clock=clock)
    told = {f"{each.experiment} v{each.version}": each.newest.sentence for each in said if each.newest}
    return dg.MaterializeResult(metadata={**figures, "read-outs": dg.MetadataValue.json(told)})


experiment_assignments_expectations = expectations(experiment_assignments)
d11_standing = standing("d11_experiments", "experiment_assignments")
