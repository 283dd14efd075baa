"""What one or several campaign-days are expected to need and to bring, before anything is called, spent or written."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d01_targeting import campaigns, coverage, day_plan, history, planning
from leadfactory.d01_targeting.allotment import PAGE, Allotment
from leadfactory.d01_targeting.day_plan import DayState, Expected, TargetPlan
from leadfactory.d01_targeting.tables import targets
from leadfactory.d02_sourcing.tables import sourced_businesses
from leadfactory.settings import settings


@dataclasses.dataclass(frozen=True)
class DayPreview:
    """One campaign-day: its targets with what is expected, what bounds it, and the margin of a full day of it.

    ``margin_microusd`` is None when no business is left to source; ``nominal`` is the same question asked of a full day at
    the expected yields, which a launch goes by; ``covered`` is how far each target was looked through; ``own`` is what rows of
    own lists are expected to need and to bring.
    """

    unit: CampaignDay
    targets: tuple[TargetPlan, ...]
    stops: tuple[str, ...]
    nominal: Expected
    nominal_margin_microusd: int
    stored: bool
    covered: Mapping[uuid.UUID, coverage.Coverage]
    own: Expected

    @property
    def parts(self) -> list[Expected]:
        """What each target and the own lists are expected to need and to bring."""
        return [*(each.expected for each in self.targets), self.own]

    @property
    def loses_money(self) -> bool:
        """Whether its businesses are expected to cost more than they bring."""
        return self.nominal_margin_microusd < 0


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run is expected to do: calls by vendor, dollars, leads, mails, sales, and the gates that would stop it."""

    days: tuple[DayPreview, ...]
    total: Expected
    price_cents: int
    margin_microusd: int
    gates: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def businesses(self) -> int:
        """Businesses of all days."""
        return self.total.businesses

    @property
    def calls(self) -> Mapping[str, int]:
        """Calls by vendor."""
        return self.total.calls

    @property
    def cost_microusd(self) -> int:
        """Expected cost."""
        return self.total.microusd

    @property
    def leads(self) -> float:
        """Expected qualified leads."""
        return self.total.leads

    @property
    def mails(self) -> float:
        """Expected first letters."""
        return self.total.mails

    @property
    def losers(self) -> tuple[DayPreview, ...]:
        """The campaign-days that are expected to lose money."""
        return tuple(day for day in self.days if day.loses_money)

    def figures(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "campaign_days": [day.unit.key for day in self.days],
            **self.total.figures(),
            "price_usd": self.price_cents / 100,
            "expected_margin_usd": round(self.margin_microusd / 1e6, 2),
            "days": [_day_figures(day) for day in self.days],
            "gates": list(self.gates),
            "warnings": list(self.warnings),
        }

    def lines(self) -> list[tuple[str, str]]:
        """As a table for people."""
        calls = ", ".join(f"{vendor} {count}" for vendor, count in self.calls.items())
        each = self.total.microusd_per_sale
        return [
            ("campaign-days", ", ".join(day.unit.key for day in self.days)),
            ("businesses", str(self.businesses)),
            ("vendor calls", calls),
            ("cost", f"${self.cost_microusd / 1_000_000:,.2f}"),
            ("leads", f"{self.leads:.0f}"),
            ("mails", f"{self.mails:.0f}"),
            ("sales (estimate)", f"{self.total.sales:.3f}"),
            ("cost per sale", f"{'unknown' if each is None else f'${each / 1e6:,.2f}'} at a price of ${self.price_cents / 100:,.2f}"),
            ("margin (estimate)", f"${self.margin_microusd / 1e6:,.2f}"),
            *(("note", warning) for warning in self.warnings),
        ]  # fmt: skip


def _day_figures(day: DayPreview) -> dict[str, Any]:
    return {
        "campaign_day": day.unit.key,
        "stopped_by": list(day.stops),
        "already_planned": day.stored,
        "own_lists": day.own.figures(),
        "loses_money": day.loses_money,
        "targets": [
            {
                "target": each.target.place,
                "kind": each.target.kind,
                "leads_per_business": round(each.leads_per_business, 4),
                "tried": each.target.judged > 0 or day.covered[each.target.target_id].looked_at > 0,
                "judged": each.target.judged,
                "looked_at": day.covered[each.target.target_id].looked_at,
                "told_total": day.covered[each.target.target_id].told_total,
                **each.expected.figures(),
            }
            for each in day.targets
        ],
    }


def preview(
    tx: sa.Connection, units: Sequence[CampaignDay], *, now: dt.datetime | None = None, limit: int | None = None
) -> Plan:
    """The plan from stored yields; calls nothing and writes nothing.

    Args:
        units: the campaign-days that would run; a later one gets what the earlier ones leave of vendors' quotas.
        now: the factory's time, the clock's when left out.
        limit: at most this many businesses of each; such a run drafts but sends nothing.
    """
    now = now or settings().clock.now()
    policies = Policies.for_settings(settings())
    drawn: Counter[str] = Counter()
    days: list[DayPreview] = []
    gates: list[str] = []
    for unit in units:
        campaign = campaigns.get(tx, unit.campaign)
        state = history.day_state(tx, unit, campaign, policies, now, drawn)
        day = _day(tx, unit, campaign, state, limit, now)
        days.append(day)
        if not day.stored:  # a stored plan is seen in the database by the others
            drawn.update(_total(day.parts, sends=True).calls)
        gates += _gates(tx, campaign, day, state)
    total = _total([each for day in days for each in day.parts], sends=limit is None)
    gates += [
        f"{vendor} is not asked: its breaker is open ({reason or 'no reason given'})"
        for vendor, reason in history.open_breakers(tx)
    ]
    price = history.price_cents()
    warnings = (*history.old_prices(policies, now.date()), *history.lead_caps(policies))
    return Plan(
        tuple(days), total, price, day_plan.margin_microusd(total, price, history.config()), tuple(gates), warnings
    )


def _total(parts: Sequence[Expected], *, sends: bool) -> Expected:
    calls: Counter[str] = Counter({day_plan.SEARCH: 0})
    for each in parts:
        calls.update(each.calls)
    mails, sales = sum(each.mails for each in parts), sum(each.sales for each in parts)
    if not sends:
        calls["sendgrid"], mails, sales = 0, 0.0, 0.0
    return Expected(
        sum(each.businesses for each in parts), dict(calls), sum(each.microusd for each in parts),
        sum(each.leads for each in parts), mails, sales,
    )  # fmt: skip


def _day(
    tx: sa.Connection,
    unit: CampaignDay,
    campaign: Mapping[str, Any],
    state: DayState,
    limit: int | None,
    now: dt.datetime,
) -> DayPreview:
    rules = history.config()
    rows = planning.stored(tx, unit)
    stops: tuple[str, ...] = ()
    shut = campaigns.closed_reason(campaign, unit.day)
    if shut is not None:
        plans: tuple[TargetPlan, ...] = ()
        stops = (shut,)
    elif rows:
        plans = _remaining(tx, unit, state, rows)
    else:
        made = day_plan.make(state, rules)
        plans, stops = made.targets, made.stops
    own = state.own_rows if shut is None else 0
    if limit is not None:
        own = min(own, limit)
        plans = _at_most(plans, limit - own, state)
    count = sum(each.expected.businesses for each in plans)
    leads = sum(each.expected.leads for each in plans)
    each = leads / count if count else state.mean_yield(rules)
    nominal = day_plan.expect(state, rules, campaign["daily_quota"], each)
    margin = day_plan.margin_microusd(nominal, state.price_cents, rules)
    covered = {each.target_id: each for each in coverage.of_campaign(tx, unit.campaign, now)}
    listed = day_plan.expect(state, rules, own, state.mean_yield(rules), searched=False)
    return DayPreview(unit, plans, stops, nominal, margin, bool(rows), covered, listed)


def _at_most(plans: Sequence[TargetPlan], limit: int, state: DayState) -> tuple[TargetPlan, ...]:
    cut = []
    for plan in plans:
        count = min(limit, plan.allotment.businesses)
        limit -= count
        cut.append(_with(plan.target, plan.allotment.from_offset, count, plan.leads_per_business, state))
    return tuple(cut)


def _with(target: day_plan.Target, from_offset: int, count: int, leads: float, state: DayState) -> TargetPlan:
    expected = day_plan.expect(state, history.config(), count, leads)
    allotment = Allotment(target.target_id, count, math.ceil(count / PAGE), from_offset, expected.microusd)
    return TargetPlan(target, allotment, expected, leads)


def _remaining(
    tx: sa.Connection, unit: CampaignDay, state: DayState, rows: Sequence[Mapping[str, Any]]
) -> tuple[TargetPlan, ...]:
    """What the stored plan still has to source."""
    s = sourced_businesses
    query = sa.select(s.c.target_id, sa.func.count()).where(s.c.campaign == unit.campaign, s.c.cohort_on == unit.day)
    done: dict[uuid.UUID, int] = dict(tx.execute(query.group_by(s.c.target_id)).tuples().all())
    ended = sa.select(targets.c.target_id).where(
        targets.c.campaign == unit.campaign, targets.c.exhausted_at.is_not(None)
    )
    finished = set(tx.scalars(ended))
    known = {each.target_id: each for each in state.targets}
    yields, default = state.yields(history.config()), state.mean_yield(history.config())
    plans = []
    for row in rows:
        key = row["target_id"]
        count = 0 if key in finished else max(0, row["businesses_planned"] - done.get(key, 0))
        target = known.get(key) or day_plan.Target(key, row["kind"], row["place"], 0)
        plans.append(_with(target, row["from_offset"], count, yields.get(key, default), state))
    return tuple(plans)


def _gates(tx: sa.Connection, campaign: Mapping[str, Any], day: DayPreview, state: DayState) -> list[str]:
    """What would stop the sourcing or the mails of one campaign-day."""
    slug, rules = day.unit.campaign, history.config()
    found = [f"{slug} lacks {gap.what}" for gap in campaigns.launch_gaps(campaign)]
    if campaign["state"] != "launched":
        found.append(f"{slug} is {campaign['state']}: it drafts, but sends only once launched")
    shut = campaigns.closed_reason(campaign, day.unit.day)
    if shut is not None:
        found.append(f"{slug} sources nothing: {shut}")
    elif not any(each.businesses for each in day.parts):
        found.append(f"{slug} sources nothing more today: its targets are exhausted or the day's plan is done")
    wanted = campaign["daily_quota"] * day_plan.business_microusd(state, rules)
    found += [
        f"{name} has ${left / 1_000_000:,.2f} left; a full day costs ${wanted / 1_000_000:,.2f}"
        for name, left in state.money_left.items()
        if left < wanted
    ]
    found += [f"{stop} bounds {slug}" for stop in day.stops if " allows " in stop]
    if day.loses_money:
        found.append(f"{slug} {loss(day, state.price_cents)}")
    return found


def loss(day: DayPreview, price_cents: int) -> str:
    """Why a campaign-day is expected to lose money, in words."""
    each = day.nominal.microusd_per_sale
    cost = "no sale is expected" if each is None else f"a sale is expected to cost ${each / 1e6:,.2f}"
    return (
        f"is expected to lose ${-day.nominal_margin_microusd / 1e6:,.2f} on a full day: {cost}, "
        f"the price is ${price_cents / 100:,.2f} before fees and refunds"
    )
