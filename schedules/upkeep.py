"""The clock work that is the same every day: export, standing checks, vendor terms, people who asked to be forgotten."""

import dagster as dg

from leadfactory_assets.jobs import lake, poll_suppressions, reconcile_payments, standing_checks
from leadfactory_assets.partitions import TIMEZONE
from leadfactory_assets.upkeep import erasures, vendor_terms
from schedules.pausing import at
from schedules.status import ON_IN_PRODUCTION

lake_nightly = at("15 3 * * *", lake)
standing_hourly = at("5 * * * *", standing_checks)
payments_nightly = at("40 4 * * *", reconcile_payments)
vendor_terms_hourly = (
    dg.ScheduleDefinition(  # goes on while all is paused: what a vendor lets us keep ends all the same
        job=vendor_terms, cron_schedule="35 * * * *", execution_timezone=TIMEZONE, default_status=ON_IN_PRODUCTION
    )
)
erasures_nightly = dg.ScheduleDefinition(  # goes on while all is paused: the law's month does not stand still
    job=erasures, cron_schedule="25 4 * * *", execution_timezone=TIMEZONE, default_status=ON_IN_PRODUCTION
)
suppressions_polled = at("50 */4 * * *", poll_suppressions)
