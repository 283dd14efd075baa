"""Which schedules run by themselves, and where: the graph is the same everywhere, only this differs."""

from __future__ import annotations

import dagster as dg

from leadfactory.settings import settings

ON_IN_PRODUCTION = (
    dg.DefaultScheduleStatus.RUNNING if settings().env == "production" else dg.DefaultScheduleStatus.STOPPED
)
