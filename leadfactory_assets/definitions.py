"""The factory's code location on one page. Loads with no environment; imports no GX, dbt or SDK."""

from collections.abc import Mapping

import dagster as dg

from leadfactory_assets import (
    backup,
    d01_targeting,
    d02_sourcing,
    d03_assessment,
    d04_enrichment,
    d05_scoring,
    d06_reports,
    d07_storefront,
    d08_personalization,
    d09_delivery,
    d10_analytics,
    d11_experiments,
)
from leadfactory_assets.auditing import audit_digest, files_whole
from leadfactory_assets.d09_delivery import due_sends
from leadfactory_assets.housekeeping import database_care, housekeeping, monthly_review
from leadfactory_assets.jobs import JOBS
from leadfactory_assets.security import security_review
from leadfactory_assets.upkeep import erasures, vendor_terms
from resources.clock import ClockResource
from resources.database import DatabaseResource
from resources.mailer import MailerResource
from resources.openai import OpenAIResource
from resources.pagespeed import PagespeedResource
from resources.places import PlacesResource
from resources.stripe import StripeResource
from resources.website import WebsiteResource
from resources.yelp import YelpResource
from schedules.auditing import audit_digest_daily, files_daily, warehouse_hourly
from schedules.backup import backup_nightly, drill_weekly
from schedules.daily_campaigns import daily_campaigns
from schedules.due_sends import due_sends_every_quarter
from schedules.housekeeping import database_care_weekly, housekeeping_nightly, review_monthly
from schedules.security import security_weekly
from schedules.upkeep import (
    erasures_nightly,
    lake_nightly,
    payments_nightly,
    standing_hourly,
    suppressions_polled,
    vendor_terms_hourly,
)
from sensors.campaign_registry import campaign_registry
from sensors.held_nights import held_nights
from sensors.resumed_work import resumed_work
from sensors.run_outcomes import run_cancellations, run_failures, run_successes
from sensors.webhook_inbox import webhook_inbox

ROOMS = [
    d01_targeting,
    d02_sourcing,
    d04_enrichment,
    d03_assessment,
    d05_scoring,
    d11_experiments,
    d08_personalization,
    d09_delivery,
    d07_storefront,
    d06_reports,
    d10_analytics,
    backup,
]
RESOURCES: dict[str, object] = {
    "db": DatabaseResource(),
    "clock": ClockResource(),
    "yelp": YelpResource(),
    "places": PlacesResource(),
    "pagespeed": PagespeedResource(),
    "openai": OpenAIResource(),
    "stripe": StripeResource(),
    "mailer": MailerResource(),
    "website": WebsiteResource(),
}


def build_defs(overrides: Mapping[str, object] | None = None) -> dg.Definitions:
    """The code location, with resources replaced by name for tests."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules(ROOMS),
        asset_checks=dg.load_asset_checks_from_modules(ROOMS),
        jobs=[
            *JOBS,
            audit_digest,
            files_whole,
            due_sends,
            vendor_terms,
            erasures,
            backup.backup_job,
            backup.drill_job,
            housekeeping,
            database_care,
            monthly_review,
            security_review,
        ],
        schedules=[
            daily_campaigns,
            audit_digest_daily,
            files_daily,
            warehouse_hourly,
            due_sends_every_quarter,
            lake_nightly,
            standing_hourly,
            payments_nightly,
            suppressions_polled,
            vendor_terms_hourly,
            erasures_nightly,
            backup_nightly,
            drill_weekly,
            housekeeping_nightly,
            database_care_weekly,
            review_monthly,
            security_weekly,
        ],
        sensors=[
            campaign_registry,
            held_nights,
            run_successes,
            run_cancellations,
            run_failures,
            webhook_inbox,
            resumed_work,
        ],
        resources=RESOURCES | dict(overrides or {}),
        executor=dg.in_process_executor,  # of clicks and backfills too: a process a step costs 5 s, and GX again
    )


defs = build_defs()
