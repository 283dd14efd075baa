"""When the factory clears away, cares for its database and looks ahead (UTC)."""

import dagster as dg

from leadfactory_assets.housekeeping import database_care, housekeeping, monthly_review
from leadfactory_assets.partitions import TIMEZONE
from schedules.status import ON_IN_PRODUCTION

housekeeping_nightly = dg.ScheduleDefinition(
    name="housekeeping_nightly",
    job=housekeeping,
    cron_schedule="0 3 * * *",
    execution_timezone=TIMEZONE,
    default_status=ON_IN_PRODUCTION,
)
database_care_weekly = dg.ScheduleDefinition(
    name="database_care_weekly",
    job=database_care,
    cron_schedule="0 6 * * 0",
    execution_timezone=TIMEZONE,
    default_status=ON_IN_PRODUCTION,
)
review_monthly = dg.ScheduleDefinition(
    name="review_monthly",
    job=monthly_review,
    cron_schedule="0 7 1 * *",
    execution_timezone=TIMEZONE,
    default_status=ON_IN_PRODUCTION,
)
