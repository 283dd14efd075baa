"""The stage of D1: what each target may source on a day, decided once a day and stored. What decides is day_plan.py."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d01_targeting import campaigns, coverage, day_plan, history, verticals
from leadfactory.d01_targeting.tables import campaign_targets
from leadfactory.database import Database
from leadfactory.settings import settings
from leadfactory.stage_report import StageReport

VERSION = "4"
ASSET = "campaign_targets"


def plan_day(unit: CampaignDay, *, db: Database, clock: Clock) -> StageReport:
    """Stores the allotments of ``unit`` once; later runs return the stored ones.

    Raises:
        LookupError: the campaign does not exist.
    """
    began = time.monotonic()
    notes: list[str] = []
    with db.begin() as tx:
        campaign = campaigns.get(tx, unit.campaign)
        state = campaign_days.open_day(tx, unit, clock.now())
        rows = stored(tx, unit)
        reused = len(rows)
        shut = campaigns.closed_reason(campaign, unit.day)
        if not rows and not campaign_days.may_source(unit, clock):
            notes.append(f"closed for sourcing: its day is not {clock.today()}")
        elif not rows and shut is not None:
            notes.append(f"nothing planned: {shut}")
        elif not rows:
            rows, stops = _decide(tx, unit, campaign, clock.now())
            campaign_days.mark_dirty(tx, unit, ASSET)
            notes += [f"bounded by: {stop}" for stop in stops] if rows else []
            if not rows:
                notes.append(
                    "nothing planned: every target is exhausted; add places (leadfactory targets add) or another vertical"
                )
        seen = coverage.of(tx, unit, clock.now())
    counts = {
        "businesses planned": sum(row["businesses_planned"] for row in rows),
        "calls planned": sum(row["calls_planned"] for row in rows),
        "audits planned": sum(row["audits_planned"] or 0 for row in rows),
        "targets exhausted": sum(each.exhausted for each in seen),
        "targets": len(seen),
    }
    if rows and not counts["businesses planned"]:
        notes.append("nothing planned: the quota, the budget or Yelp's daily limit leaves no room")
    return StageReport(
        ASSET, unit, state, rows_in=len(rows), rows_out=len(rows), rows_reused=reused, seconds=time.monotonic() - began,
        counts=counts, notes=tuple(notes), stacks={each.label: each.parts for each in seen}, chart_title=coverage.TITLE,
    )  # fmt: skip


def _decide(
    tx: sa.Connection, unit: CampaignDay, campaign: Mapping[str, Any], now: dt.datetime
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    state = history.day_state(tx, unit, campaign, Policies.for_settings(settings()), now)
    plan = day_plan.make(state, history.config())
    categories = ",".join(verticals.verticals()[campaign["vertical"]].yelp)
    rows = [
        {
            "campaign": unit.campaign, "cohort_on": unit.day, "target_id": each.target.target_id, "vertical": campaign["vertical"],
            "kind": each.target.kind, "place": each.target.place, "yelp_categories": categories,
            "from_offset": each.allotment.from_offset, "businesses_planned": each.allotment.businesses,
            "calls_planned": each.allotment.calls, "audits_planned": each.expected.audits,
            "expected_leads": round(each.expected.leads, 2), "expected_mails": round(each.expected.mails, 2),
            "expected_sales": round(each.expected.sales, 5), "expected_cost_microusd": each.allotment.microusd, "planned_at": now,
        }
        for each in plan.targets
    ]  # fmt: skip
    if rows:
        tx.execute(insert(campaign_targets).on_conflict_do_nothing(), rows)
        told = {"businesses": sum(r["businesses_planned"] for r in rows), "version": VERSION, "stops": list(plan.stops)}
        campaign_days.set_plan(tx, unit, told)
    return stored(tx, unit), plan.stops


def stored(tx: sa.Connection, unit: CampaignDay) -> list[dict[str, Any]]:
    """The allotments of a campaign-day that are stored, by place."""
    table = campaign_targets
    query = (
        sa.select(table).where(table.c.campaign == unit.campaign, table.c.cohort_on == unit.day).order_by(table.c.place)
    )
    return [dict(row) for row in tx.execute(query).mappings()]
