"""Schedules that only say when, and stand still while an operator has paused all work."""

from typing import Any

import dagster as dg

from leadfactory import pauses
from leadfactory.database import Database
from leadfactory_assets.partitions import TIMEZONE
from schedules.status import ON_IN_PRODUCTION

GOES_ON = {pauses.GOES_ON_TAG: pauses.GOES_ON}  # tags of a job that backs up, repairs or keeps a vendor's terms


def held(db: Database) -> dg.SkipReason | None:
    """Why nothing may start now; None when it may."""
    with db.begin() as tx:
        word = pauses.is_paused(tx, "all")
    return None if word is None else dg.SkipReason(str(word))


def at(
    cron: str,
    job: Any = None,
    *,
    name: str | None = None,
    job_name: str | None = None,
) -> dg.ScheduleDefinition:
    """One run of ``job`` (or of the job of that name in the same code location) at each tick, and none while all is paused."""
    about = name or f"{job_name or getattr(job, 'name', '')}_schedule"

    def tick(context: dg.ScheduleEvaluationContext, db: dg.ResourceParam[Database]) -> dg.RunRequest | dg.SkipReason:
        return held(db) or dg.RunRequest()

    decorate = dg.schedule(
        cron_schedule=cron, job=job, job_name=job_name, name=about, execution_timezone=TIMEZONE,
        default_status=ON_IN_PRODUCTION,
    )  # fmt: skip
    return decorate(tick)
