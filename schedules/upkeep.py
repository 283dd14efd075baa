"""The clock work that is the same every day: export, standing checks, vendor terms."""

import dagster as dg

from leadfactory_assets.jobs import lake, poll_suppressions, reconcile_payments, standing_checks
from leadfactory_assets.partitions import TIMEZONE
from leadfactory_assets.upkeep import vendor_terms
from schedules.status import ON_IN_PRODUCTION

lake_nightly = dg.ScheduleDefinition(
    job=lake, cron_schedule="15 3 * * *", execution_timezone=TIMEZONE, default_status=ON_IN_PRODUCTION
)
standing_hourly = dg.ScheduleDefinition(
    job=standing_checks, cron_schedule="5 * * * *", execution_timezone=TIMEZONE, default_status=ON_IN_PRODUCTION
)
vendor_terms_hourly = dg.ScheduleDefinition(
    job=vendor_terms, cron_schedule="35 * * * *", execution_timezone=TIMEZONE, default_status=ON_IN_PRODUCTION
)
payments_nightly = dg.ScheduleDefinition(
    job=reconcile_payments, cron_schedule="40 4 * * *", execution_timezone=TIMEZONE, default_status=ON_IN_PRODUCTION
)
suppressions_polled = dg.ScheduleDefinition(
    job=poll_suppressions, cron_schedule="50 */4 * * *", execution_timezone=TIMEZONE, default_status=ON_IN_PRODUCTION
)
