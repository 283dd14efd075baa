"""The daily look at the audit log, and the looks at files; they go on while all is paused."""

import dagster as dg

from leadfactory_assets.auditing import audit_digest, files_whole
from leadfactory_assets.partitions import TIMEZONE
from schedules.status import ON_IN_PRODUCTION

audit_digest_daily = dg.ScheduleDefinition(
    job=audit_digest, cron_schedule="20 0 * * *", execution_timezone=TIMEZONE, default_status=ON_IN_PRODUCTION
)
files_daily = dg.ScheduleDefinition(
    name="files_daily",
    job=files_whole,
    cron_schedule="30 5 * * *",
    execution_timezone=TIMEZONE,
    default_status=ON_IN_PRODUCTION,
)
# What dashboards and reports are read from, every hour: it is one file.
warehouse_hourly = dg.ScheduleDefinition(
    name="warehouse_hourly",
    job=files_whole,
    cron_schedule="50 * * * *",
    run_config={"ops": {"look_at_files": {"config": {"areas": ["warehouse"]}}}},
    execution_timezone=TIMEZONE,
    default_status=ON_IN_PRODUCTION,
)
