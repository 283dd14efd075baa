"""What a drain and a second fold say about themselves: reports by campaign-day."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d09_delivery import folding
from leadfactory.d09_delivery.tables import send_outcomes
from leadfactory.database import Database
from leadfactory.stage_report import StageReport

ASSET = "email_events"


def drain(*, db: Database, clock: Clock) -> tuple[dict[str, Any], list[StageReport]]:
    """Drains the inbox; figures of the whole, and a report for each campaign-day that it changed."""
    began = time.monotonic()
    done = folding.drain(db=db, clock=clock)
    seconds = time.monotonic() - began
    reports = []
    with db.begin() as tx:
        for unit, events in sorted(done.units.items()):
            reports.append(_report(tx, unit, events, 0, 0.0))
    figures = {
        **{f"events {outcome}": count for outcome, count in sorted(done.outcomes.items())},
        "campaign-days changed": len(done.units), "sends settled by evidence": done.settled, "batches": done.batches,
        "seconds": round(seconds, 2),
    }  # fmt: skip
    return figures, reports


def refold(unit: CampaignDay, *, db: Database, clock: Clock) -> StageReport:
    """Folds a campaign-day again from what is stored."""
    began = time.monotonic()
    with db.begin() as tx:
        events, _ = folding.refold(tx, unit, clock.now())
        return _report(tx, unit, events, events, time.monotonic() - began)


def _report(tx: sa.Connection, unit: CampaignDay, events: int, reused: int, seconds: float) -> StageReport:
    o = send_outcomes
    of_unit = sa.and_(o.c.campaign == unit.campaign, o.c.cohort_on == unit.day)
    states = {
        row.state: row.n
        for row in tx.execute(sa.select(o.c.state, sa.func.count().label("n")).where(of_unit).group_by(o.c.state))
    }
    bots = tx.execute(sa.select(sa.func.sum(o.c.bot_opens), sa.func.sum(o.c.bot_clicks)).where(of_unit)).one()
    counts = {**states, "opens by machines": int(bots[0] or 0), "clicks by machines": int(bots[1] or 0)}
    return StageReport(
        asset=ASSET, unit=unit, state=campaign_days.state_of(tx, unit), rows_in=events, rows_out=events, rows_reused=reused,
        seconds=seconds, counts=counts,
    )  # fmt: skip
