"""What a drain of payments and a second fold say about themselves: reports by campaign-day."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d07_storefront import folding
from leadfactory.d07_storefront.folding import ASSET
from leadfactory.d07_storefront.tables import purchases
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport


def drain(*, db: Database, clock: Clock, settings: Settings) -> tuple[dict[str, Any], list[StageReport]]:
    """Drains Stripe's events; figures of the whole, and a report for each campaign-day that it changed."""
    began = time.monotonic()
    done = folding.drain(db=db, clock=clock, settings=settings)
    with db.begin() as tx:
        reports = [_report(tx, unit, events, 0, 0.0) for unit, events in sorted(done.units.items())]
    figures: dict[str, Any] = {
        **{f"payment events {outcome}": count for outcome, count in sorted(done.outcomes.items())},
        **{f"purchases now {state}": count for state, count in sorted(done.states.items())},
        "seconds for payments": round(time.monotonic() - began, 2),
    }
    return figures, reports


def refold(unit: CampaignDay, *, db: Database, clock: Clock, settings: Settings) -> StageReport:
    """Folds a campaign-day's purchases again from what is stored."""
    began = time.monotonic()
    with db.begin() as tx:
        events, _ = folding.refold(tx, unit, clock.now(), live=folding.is_live(settings))
        return _report(tx, unit, events, events, time.monotonic() - began)


def _report(tx: sa.Connection, unit: CampaignDay, events: int, reused: int, seconds: float) -> StageReport:
    p = purchases
    of_unit = sa.and_(p.c.campaign == unit.campaign, p.c.cohort_on == unit.day)
    states = {
        row.state: row.n
        for row in tx.execute(sa.select(p.c.state, sa.func.count().label("n")).where(of_unit).group_by(p.c.state))
    }
    kept = sa.func.coalesce(sa.func.sum(p.c.amount_cents - p.c.refunded_cents - p.c.disputed_cents), 0)
    cents = tx.scalar(sa.select(kept).where(of_unit, p.c.state != "quarantined"))
    return StageReport(
        asset=ASSET, unit=unit, state=campaign_days.state_of(tx, unit), rows_in=events, rows_out=events, rows_reused=reused,
        seconds=seconds, counts={**states, "revenue in cents": int(cents or 0)},
    )  # fmt: skip
