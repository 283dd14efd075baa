"""D8 Personalization: the letter to each qualified lead."""

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.d00_gateway.openai import OpenAIClient
from leadfactory.database import Database
from leadfactory.settings import settings
from leadfactory_assets.checks import expectations, standing
from leadfactory_assets.policies import NIGHT, cohort_asset, run_stage


@cohort_asset(
    "d08_personalization",
    "fill",
    after=("lead_scores", "site_insights", "experiment_assignments"),
    kinds={"openai"},
    owner="growth",
    pool="openai",
)
def email_drafts(
    context: dg.AssetExecutionContext,
    db: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    openai: dg.ResourceParam[OpenAIClient],
) -> dg.MaterializeResult:
    """One row per qualified lead: the mail as it would leave, every number tied to its finding, or why there is none."""
    from leadfactory.d08_personalization import drafting  # only the run that needs the room pays for its imports

    return run_stage(
        context,
        db,
        NIGHT,
        lambda unit: drafting.draft(unit, db=db, clock=clock, settings=settings(), openai=openai),
    )


email_drafts_expectations = expectations(email_drafts)
d08_standing = standing("d08_personalization", "email_drafts")
