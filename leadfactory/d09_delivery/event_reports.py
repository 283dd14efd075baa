"""What a drain and a second fold say about themselves: reports by campaign-day."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
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
    with db.begin() as tx:
        reports = _reports(tx, done.units, reused={}, seconds=0.0)
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
        (report,) = _reports(tx, {unit: events}, reused={unit: events}, seconds=time.monotonic() - began)
        return report


def _reports(
    tx: sa.Connection, units: Mapping[CampaignDay, int], *, reused: Mapping[CampaignDay, int], seconds: float
) -> list[StageReport]:
    """One for each campaign-day, with its events; asked for all of them at once, for a busy drain touches thousands."""
    o, wanted = send_outcomes, [(unit.campaign, unit.day) for unit in units]
    states: dict[CampaignDay, dict[str, int]] = defaultdict(dict)
    bots: Counter[tuple[CampaignDay, str]] = Counter()
    rows = tx.execute(
        sa.select(
            o.c.campaign, o.c.cohort_on, o.c.state, sa.func.count().label("n"),
            sa.func.sum(o.c.bot_opens).label("opens"), sa.func.sum(o.c.bot_clicks).label("clicks"),
        )
        .where(sa.tuple_(o.c.campaign, o.c.cohort_on).in_(wanted))
        .group_by(o.c.campaign, o.c.cohort_on, o.c.state)
    )  # fmt: skip
    for row in rows:
        unit = CampaignDay(row.campaign, row.cohort_on)
        states[unit][row.state] = row.n
        bots[unit, "opens"] += int(row.opens or 0)
        bots[unit, "clicks"] += int(row.clicks or 0)
    d = campaign_days.campaign_days
    stored = tx.execute(
        sa.select(d.c.campaign, d.c.cohort_on, d.c.state).where(sa.tuple_(d.c.campaign, d.c.cohort_on).in_(wanted))
    )
    how = {CampaignDay(row.campaign, row.cohort_on): row.state for row in stored}
    return [
        StageReport(
            asset=ASSET, unit=unit, state=how.get(unit, "unplanned"), rows_in=events, rows_out=events,
            rows_reused=reused.get(unit, 0), seconds=seconds,
            counts={**states[unit], "opens by machines": bots[unit, "opens"], "clicks by machines": bots[unit, "clicks"]},
        )
        for unit, events in sorted(units.items())
    ]  # fmt: skip
