"""When backups are made, and when one is restored to see that it can be."""

import dagster as dg

from leadfactory_assets.backup import backup_job, drill_job
from leadfactory_assets.partitions import TIMEZONE
from schedules.status import ON_IN_PRODUCTION

backup_nightly = dg.ScheduleDefinition(
    name="backup_nightly",
    job=backup_job,
    cron_schedule="0 4 * * *",
    execution_timezone=TIMEZONE,
    default_status=ON_IN_PRODUCTION,
)
drill_weekly = dg.ScheduleDefinition(
    name="drill_weekly",
    job=drill_job,
    cron_schedule="0 5 * * 0",
    execution_timezone=TIMEZONE,
    default_status=ON_IN_PRODUCTION,
)
