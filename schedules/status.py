"""Which schedules run by themselves, and where: the graph is the same everywhere, only this differs."""

import dagster as dg

from leadfactory.settings import settings

ON_IN_PRODUCTION = (
    dg.DefaultScheduleStatus.RUNNING if settings().env == "production" else dg.DefaultScheduleStatus.STOPPED
)
SENSOR_ON_IN_PRODUCTION = (
    dg.DefaultSensorStatus.RUNNING if settings().env == "production" else dg.DefaultSensorStatus.STOPPED
)
