"""The daily look at the audit log; it goes on while all is paused."""

import dagster as dg

from leadfactory_assets.auditing import audit_digest
from leadfactory_assets.partitions import TIMEZONE
from schedules.status import ON_IN_PRODUCTION

audit_digest_daily = dg.ScheduleDefinition(
    job=audit_digest, cron_schedule="20 0 * * *", execution_timezone=TIMEZONE, default_status=ON_IN_PRODUCTION
)
