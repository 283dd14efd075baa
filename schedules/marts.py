"""The marts' rhythm: once a night, after the lake export."""

import dagster as dg

from schedules.status import ON_IN_PRODUCTION

marts_nightly = dg.ScheduleDefinition(
    name="marts_nightly",
    job_name="marts",
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    default_status=ON_IN_PRODUCTION,
)
