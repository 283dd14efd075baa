"""D4 Enrichment: the business's own website, and what it publishes there."""

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.d00_gateway.places import PlacesClient
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.database import Database
from leadfactory.settings import settings
from leadfactory_assets.checks import expectations, standing
from leadfactory_assets.policies import NIGHT, cohort_asset, run_stage


@cohort_asset("d04_enrichment", "fill", after=("unique_businesses",), kinds={"python"}, owner="growth", pool="places")
def enriched_businesses(
    context: dg.AssetExecutionContext,
    db: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    places: dg.ResourceParam[PlacesClient],
    website: dg.ResourceParam[WebsiteClient],
) -> dg.MaterializeResult:
    """One row per unique business: its own website as we fetched it, or the reason why there is none."""
    from leadfactory.d04_enrichment import enriching  # only the run that needs the room pays for its imports

    return run_stage(
        context,
        db,
        NIGHT,
        lambda unit: enriching.enrich(unit, db=db, clock=clock, settings=settings(), places=places, website=website),
    )


enriched_businesses_expectations = expectations(enriched_businesses)
d04_standing = standing("d04_enrichment", "enriched_businesses")
