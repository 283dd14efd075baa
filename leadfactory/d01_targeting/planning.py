"""What each target may source on a day: within the campaign's quota, its budget and Yelp's limits. Decided once a day."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d01_targeting import campaigns, history, verticals
from leadfactory.d01_targeting.allotment import PAGE, Allotment, Room, Wish, allot
from leadfactory.d01_targeting.tables import campaign_targets, targets
from leadfactory.d02_sourcing.tables import sourced_businesses
from leadfactory.database import Database
from leadfactory.settings import settings
from leadfactory.stage_report import StageReport

VERSION = "2"
ASSET = "campaign_targets"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run is expected to do: calls by vendor, dollars, leads, mails, and the gates that would stop it."""

    units: tuple[CampaignDay, ...]
    businesses: int
    calls: dict[str, int]
    cost_microusd: int
    leads: float
    mails: float
    gates: tuple[str, ...]
    warnings: tuple[str, ...]

    def figures(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "campaign_days": [unit.key for unit in self.units],
            "businesses": self.businesses,
            "calls": self.calls,
            "cost_usd": round(self.cost_microusd / 1_000_000, 2),
            "expected_leads": round(self.leads, 1),
            "expected_mails": round(self.mails, 1),
            "gates": list(self.gates),
            "warnings": list(self.warnings),
        }

    def lines(self) -> list[tuple[str, str]]:
        """As a table for people."""
        calls = ", ".join(f"{vendor} {count}" for vendor, count in self.calls.items())
        return [
            ("campaign-days", ", ".join(unit.key for unit in self.units)),
            ("businesses", str(self.businesses)),
            ("vendor calls", calls),
            ("cost", f"${self.cost_microusd / 1_000_000:,.2f}"),
            ("leads", f"{self.leads:.0f}"),
            ("mails", f"{self.mails:.0f}"),
            *(("note", warning) for warning in self.warnings),
        ]


@dataclasses.dataclass(frozen=True)
class _Share:
    """A target with what it is allotted and how many leads a business of it is expected to become."""

    target: Mapping[str, Any]
    allotment: Allotment
    leads: float


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
        stored = _stored(tx, unit)
        reused = len(stored)
        shut = campaigns.closed_reason(campaign, unit.day)
        if not stored and not campaign_days.may_source(unit, clock):
            notes.append(f"closed for sourcing: its day is not {clock.today()}")
        elif not stored and shut is not None:
            notes.append(f"nothing planned: {shut}")
        elif not stored:
            stored = _decide(tx, unit, campaign, clock.now())
            campaign_days.mark_dirty(tx, unit, ASSET)
            if not stored:
                notes.append("nothing planned: every target is exhausted; add places or another vertical")
    counts = {
        "businesses planned": sum(row["businesses_planned"] for row in stored),
        "calls planned": sum(row["calls_planned"] for row in stored),
    }
    if stored and not counts["businesses planned"]:
        notes.append("nothing planned: the quota, the budget or Yelp's daily limit leaves no room")
    return StageReport(
        ASSET, unit, state, rows_in=len(stored), rows_out=len(stored), rows_reused=reused, seconds=time.monotonic() - began,
        counts=counts, notes=tuple(notes),
    )  # fmt: skip


def preview(tx: sa.Connection, units: Sequence[CampaignDay], *, limit: int | None = None) -> Plan:
    """The plan from stored yields; calls nothing and writes nothing.

    Args:
        units: the campaign-days that would run.
        limit: at most this many businesses of each; such a run drafts but sends nothing.
    """
    policies, rules, today = Policies.for_settings(settings()), history.config(), settings().clock.today()
    businesses, searches, leads = 0, 0, 0.0
    gates: list[str] = []
    for unit in units:
        campaign = campaigns.get(tx, unit.campaign)
        shares = _remaining(tx, unit, campaign, policies)
        left = limit if limit is not None else campaign["daily_quota"]
        for share in shares:
            count = min(left, share.allotment.businesses)
            left, businesses, leads = left - count, businesses + count, leads + count * share.leads
            searches += math.ceil(count / PAGE)
        gates += _gates(tx, campaign, unit, shares, policies)
    calls = {"yelp": searches} | {vendor: round(businesses * n) for vendor, n in rules.calls_per_business.items()}
    mails = 0.0 if limit is not None else leads * rules.yields.drafted * rules.yields.mailable
    if limit is not None:
        calls["sendgrid"] = 0
    cost = sum(calls.get(vendor, 0) * price for vendor, price in history.prices(policies).items())
    gates += [
        f"{vendor} is not asked: its breaker is open ({reason or 'no reason given'})"
        for vendor, reason in history.open_breakers(tx)
    ]
    return Plan(
        tuple(units), businesses, calls, cost, leads, mails, tuple(gates), tuple(history.old_prices(policies, today))
    )


def _gates(
    tx: sa.Connection, campaign: Mapping[str, Any], unit: CampaignDay, shares: Sequence[_Share], policies: Policies
) -> list[str]:
    """What would stop the sourcing or the mails of one campaign-day."""
    slug = unit.campaign
    found = [f"{slug} lacks {gap.what}" for gap in campaigns.launch_gaps(campaign)]
    if campaign["state"] != "launched":
        found.append(f"{slug} is {campaign['state']}: it drafts, but sends only once launched")
    shut = campaigns.closed_reason(campaign, unit.day)
    if shut is not None:
        found.append(f"{slug} sources nothing: {shut}")
    elif not shares:
        found.append(f"{slug} sources nothing more today: its targets are exhausted or the day's plan is done")
    wanted = campaign["daily_quota"] * history.business_microusd(policies)
    money = history.money_left(tx, campaign, policies)
    if money < wanted:
        found.append(
            f"{slug} has ${money / 1_000_000:,.2f} of its budget left; a full day costs ${wanted / 1_000_000:,.2f}"
        )
    calls = history.search_calls_left(tx, policies)
    if calls is not None and calls < sum(share.allotment.calls for share in shares):
        found.append(f"yelp allows {calls} more calls today")
    return found


def _remaining(tx: sa.Connection, unit: CampaignDay, campaign: Mapping[str, Any], policies: Policies) -> list[_Share]:
    """What ``unit`` would still source: its stored plan less what is stored, or the plan that would be made."""
    if campaigns.closed_reason(campaign, unit.day) is not None:
        return []
    stored = _stored(tx, unit)
    if not stored:
        return [share for share in _shares(tx, unit, campaign, policies) if share.allotment.businesses]
    s = sourced_businesses
    query = sa.select(s.c.target_id, sa.func.count()).where(s.c.campaign == unit.campaign, s.c.cohort_on == unit.day)
    done: dict[uuid.UUID, int] = dict(tx.execute(query.group_by(s.c.target_id)).tuples().all())
    finished = set(
        tx.scalars(
            sa.select(targets.c.target_id).where(
                targets.c.campaign == unit.campaign, targets.c.exhausted_at.is_not(None)
            )
        )
    )
    yields, default = history.leads_per_business(tx, unit), history.config().yields.leads
    shares = []
    for row in stored:
        count = 0 if row["target_id"] in finished else max(0, row["businesses_planned"] - done.get(row["target_id"], 0))
        if count:
            left = Allotment(row["target_id"], count, math.ceil(count / PAGE), row["from_offset"], 0)
            shares.append(_Share(row, left, yields.get(row["target_id"], default)))
    return shares


def _shares(tx: sa.Connection, unit: CampaignDay, campaign: Mapping[str, Any], policies: Policies) -> list[_Share]:
    """Every target that is not exhausted with its allotment."""
    query = sa.select(targets).where(
        targets.c.campaign == unit.campaign, targets.c.active, targets.c.exhausted_at.is_(None)
    )
    rows = [dict(row) for row in tx.execute(query.order_by(targets.c.place)).mappings()]
    yields, default = history.leads_per_business(tx, unit), history.config().yields.leads
    wishes = [Wish(r["target_id"], r["quota"], r["next_offset"], yields.get(r["target_id"], default)) for r in rows]
    room = Room(
        businesses=campaign["daily_quota"], calls=history.search_calls_left(tx, policies), microusd=history.money_left(tx, campaign, policies),
        call_microusd=history.prices(policies)["yelp"], business_microusd=history.business_microusd(policies),
    )  # fmt: skip
    given = allot(wishes, room)
    return [_Share(row, each, wish.leads) for row, each, wish in zip(rows, given, wishes, strict=True)]


def _decide(
    tx: sa.Connection, unit: CampaignDay, campaign: Mapping[str, Any], now: dt.datetime
) -> list[dict[str, Any]]:
    shares = _shares(tx, unit, campaign, Policies.for_settings(settings()))
    rows = [
        {
            "campaign": unit.campaign, "cohort_on": unit.day, "target_id": share.target["target_id"], "vertical": share.target["vertical"],
            "kind": share.target["kind"], "place": share.target["place"],
            "yelp_categories": ",".join(verticals.verticals()[share.target["vertical"]].yelp),
            "from_offset": share.allotment.from_offset, "businesses_planned": share.allotment.businesses,
            "calls_planned": share.allotment.calls, "expected_leads": round(share.allotment.businesses * share.leads, 2),
            "expected_cost_microusd": share.allotment.microusd, "planned_at": now,
        }
        for share in shares
    ]  # fmt: skip
    if rows:
        tx.execute(insert(campaign_targets).on_conflict_do_nothing(), rows)
        campaign_days.set_plan(tx, unit, {"businesses": sum(r["businesses_planned"] for r in rows), "version": VERSION})
    return _stored(tx, unit)


def _stored(tx: sa.Connection, unit: CampaignDay) -> list[dict[str, Any]]:
    table = campaign_targets
    query = (
        sa.select(table).where(table.c.campaign == unit.campaign, table.c.cohort_on == unit.day).order_by(table.c.place)
    )
    return [dict(row) for row in tx.execute(query).mappings()]
