"""The partitions that all domain assets share: campaign × day. What belongs here: partition definitions, nothing else.

Dimension names sort, so the key is ``campaign|YYYY-MM-DD``; only ``leadfactory.campaign_day`` parses it.
"""

from __future__ import annotations

import dagster as dg

from leadfactory.settings import settings

TIMEZONE = "UTC"  # one clock for days, schedules and freshness
CAMPAIGN = dg.DynamicPartitionsDefinition(name="campaign")
DAY = dg.DailyPartitionsDefinition(
    start_date=settings().first_day.isoformat(), timezone=TIMEZONE, end_offset=1
)  # end_offset: today counts
CAMPAIGN_DAY = dg.MultiPartitionsDefinition({"campaign": CAMPAIGN, "date": DAY})
