"""What each target may source on a day: within the campaign's quota, its budget and Yelp's cap. Decided once a day."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import math
import time
import uuid
from collections.abc import Sequence
from typing import Any

import pydantic
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days, yaml_config
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.tables import budgets, vendor_quotas
from leadfactory.d01_targeting import campaigns, verticals
from leadfactory.d01_targeting.tables import campaign_targets, targets
from leadfactory.database import Database
from leadfactory.settings import settings
from leadfactory.stage_report import StageReport

VERSION = "1"
PAGE, CAP = 50, 240  # Yelp: businesses a page, results a query


class Yields(pydantic.BaseModel):
    """Shares of the step before, from stored history or config/planning.yaml."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    unique: float
    contactable: float
    with_site: float
    audited: float
    qualified: float
    drafted: float
    mailable: float


class PlanningConfig(pydantic.BaseModel):
    """config/planning.yaml."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    as_of: dt.date
    yields: Yields
    calls_per_business: dict[str, float]
    openai_call_microusd: int
    price_age_warning_days: int
    max_quota: int


@functools.lru_cache(maxsize=1)
def config() -> PlanningConfig:
    """The checked content of config/planning.yaml."""
    return yaml_config.load("planning", PlanningConfig)


@dataclasses.dataclass(frozen=True)
class Allotment:
    """What one target gets: businesses, search calls, and the result to begin at."""

    target_id: uuid.UUID
    businesses: int
    calls: int
    from_offset: int


def allot(wishes: Sequence[tuple[uuid.UUID, int, int]], *, daily_quota: int, calls_left: int | None) -> list[Allotment]:
    """Shares out a day's businesses over targets, in their order.

    Args:
        wishes: (target, businesses a day, next result to look at) of each target that is not exhausted.
        daily_quota: businesses that the campaign may source today.
        calls_left: search calls that the vendor still allows today; None when there is no such limit.

    The source of the caps is Yelp's API: 50 businesses a page, the first 240 results of a query.
    """
    left, calls = daily_quota, calls_left if calls_left is not None else 10**9
    out = []
    for target_id, wish, offset in wishes:
        businesses = max(0, min(wish, left, CAP - offset, calls * PAGE))
        needed = math.ceil(businesses / PAGE)
        out.append(Allotment(target_id, businesses, needed, offset))
        left, calls = left - businesses, calls - needed
    return out


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run is expected to do: calls by vendor, dollars, leads, mails, and the gates that would stop the mails."""

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


def plan_day(unit: CampaignDay, *, db: Database, clock: Clock) -> StageReport:
    """Stores the allotments of ``unit`` once; later runs return the stored ones.

    Raises:
        LookupError: the campaign does not exist.
    """
    began = time.monotonic()
    with db.begin() as tx:
        campaign = campaigns.get(tx, unit.campaign)
        state = campaign_days.open_day(tx, unit, clock.now())
        stored = _stored(tx, unit)
        notes: tuple[str, ...] = ()
        reused = len(stored)
        if not stored and not campaign_days.may_source(unit, clock):
            notes = (f"closed for sourcing: its day is not {clock.today()}",)
        elif not stored:
            stored = _decide(tx, unit, campaign, clock.now())
            campaign_days.mark_dirty(tx, unit, "campaign_targets")
    planned = sum(row["businesses_planned"] for row in stored)
    return StageReport(
        "campaign_targets", unit, state, rows_in=len(stored), rows_out=len(stored), rows_reused=reused,
        seconds=time.monotonic() - began, counts={"businesses planned": planned, "calls planned": sum(r["calls_planned"] for r in stored)}, notes=notes,
    )  # fmt: skip


def preview(tx: sa.Connection, units: Sequence[CampaignDay], *, limit: int | None = None) -> Plan:
    """The plan from stored yields; calls nothing and writes nothing."""
    policies, rules = Policies.for_settings(settings()), config()
    shares = rules.yields
    businesses = sum(min(campaigns.get(tx, unit.campaign)["daily_quota"], limit or 10**9) for unit in units)
    per = rules.calls_per_business
    calls = {
        "yelp": sum(math.ceil(min(campaigns.get(tx, u.campaign)["daily_quota"], limit or 10**9) / PAGE) for u in units)
    }
    calls |= {vendor: round(businesses * share) for vendor, share in per.items()}
    prices = {
        "yelp": policies.price("yelp", "call").microusd,
        "places": policies.price("places", "text_search_enterprise").microusd,
        "openai": rules.openai_call_microusd,
        "sendgrid": policies.price("sendgrid", "mail").microusd,
    }
    cost = sum(calls.get(vendor, 0) * price for vendor, price in prices.items())
    contactable = businesses * shares.unique * shares.contactable * shares.with_site
    leads = contactable * shares.audited * shares.qualified
    today = settings().clock.today()
    old = sorted({f"{v} price read {p.as_of}" for v, policy in policies.vendors.items() for p in policy.prices.values()
                  if (today - p.as_of).days > rules.price_age_warning_days})  # fmt: skip
    gates = [
        f"{unit.campaign} lacks {gap.what}"
        for unit in units
        for gap in campaigns.launch_gaps(campaigns.get(tx, unit.campaign))
    ]
    gates += [
        f"{unit.campaign} is {row['state']}"
        for unit in units
        if (row := campaigns.get(tx, unit.campaign))["state"] != "launched"
    ]
    gates += _money_gates(tx, units, cost)
    mails = 0.0 if limit is not None else leads * shares.drafted * shares.mailable
    return Plan(
        tuple(units),
        businesses,
        calls,
        cost,
        leads,
        mails,
        tuple(gates),
        tuple(f"older than {rules.price_age_warning_days} days: {each}" for each in old),
    )


def _decide(tx: sa.Connection, unit: CampaignDay, campaign: Any, now: dt.datetime) -> list[dict[str, Any]]:
    rows = list(
        tx.execute(
            sa.select(targets)
            .where(targets.c.campaign == unit.campaign, targets.c.active, targets.c.exhausted_at.is_(None))
            .order_by(targets.c.place)
        ).mappings()
    )
    wishes = [(row["target_id"], row["quota"], row["next_offset"]) for row in rows]
    allotted = {a.target_id: a for a in allot(wishes, daily_quota=campaign["daily_quota"], calls_left=_calls_left(tx))}
    price = Policies.for_settings(settings()).price("yelp", "call").microusd
    shares = config().yields
    lead_share = shares.unique * shares.contactable * shares.with_site * shares.audited * shares.qualified
    out = [
        {
            "campaign": unit.campaign, "cohort_on": unit.day, "target_id": row["target_id"], "vertical": row["vertical"],
            "kind": row["kind"], "place": row["place"],
            "yelp_categories": ",".join(verticals.verticals()[row["vertical"]].yelp),
            "from_offset": allotted[row["target_id"]].from_offset, "businesses_planned": allotted[row["target_id"]].businesses,
            "calls_planned": allotted[row["target_id"]].calls,
            "expected_leads": round(allotted[row["target_id"]].businesses * lead_share, 2),
            "expected_cost_microusd": allotted[row["target_id"]].calls * price, "planned_at": now,
        }
        for row in rows
    ]  # fmt: skip
    if out:
        tx.execute(insert(campaign_targets).on_conflict_do_nothing(), out)
        campaign_days.set_plan(tx, unit, {"businesses": sum(r["businesses_planned"] for r in out), "version": VERSION})
    return _stored(tx, unit)


def _stored(tx: sa.Connection, unit: CampaignDay) -> list[dict[str, Any]]:
    table = campaign_targets
    query = (
        sa.select(table).where(table.c.campaign == unit.campaign, table.c.cohort_on == unit.day).order_by(table.c.place)
    )
    return [dict(row) for row in tx.execute(query).mappings()]


def _calls_left(tx: sa.Connection) -> int | None:
    row = tx.execute(
        sa.select(vendor_quotas.c.limit_units - vendor_quotas.c.used_units - vendor_quotas.c.leased_units, vendor_quotas.c.resets_at > sa.func.now())
        .where(vendor_quotas.c.vendor == "yelp", vendor_quotas.c.rate == "day")
    ).first()  # fmt: skip
    return max(0, int(row[0])) if row is not None and row[1] else None


def _money_gates(tx: sa.Connection, units: Sequence[CampaignDay], cost: int) -> list[str]:
    found = []
    for unit in units:
        row = tx.execute(
            sa.select(budgets.c.cap_microusd - budgets.c.spent_microusd - budgets.c.reserved_microusd).where(
                budgets.c.scope == "campaign", budgets.c.key == unit.campaign
            )
        ).first()
        if row is not None and row[0] < cost:
            found.append(f"{unit.campaign} has ${row[0] / 1_000_000:,.2f} of its budget left")
    return found
