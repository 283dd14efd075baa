"""The plan of a campaign-day: what each target gets and what is expected of it. A pure function of the day's state."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from leadfactory.d01_targeting.allotment import PAGE, Allotment, Room, Wish, allot
from leadfactory.d01_targeting.planning_config import PlanningConfig

SEARCH, AUDIT, SEND = "yelp", "pagespeed", "sendgrid"


@dataclasses.dataclass(frozen=True)
class Target:
    """A target that may be sourced: its quota a day, the cursor of the part that is searched, and what it gave so far.

    ``judged`` businesses were sourced on days that were scored; ``qualified`` of them became leads.
    """

    target_id: uuid.UUID
    kind: str
    place: str
    quota: int
    next_offset: int = 0
    judged: int = 0
    qualified: int = 0


@dataclasses.dataclass(frozen=True)
class DayState:
    """All that a plan rests on.

    Attributes:
        targets: those that are active and not exhausted, in any order.
        daily_quota: businesses of the campaign a day.
        calls_left: vendor → calls that its quota and its monthly budget still allow; absent or None is no limit.
        money_left: name of a budget → millionths of a dollar that it has left.
        prices: vendor → expected millionths of a dollar a call; absent is free.
        trade: factor of the trade and the season on the rate of sale.
        cooling: share of the area's known recipients that a cooldown keeps from a letter.
        price_cents: what one report costs.
        used_up: (judged, qualified) businesses of the campaign's targets that are exhausted or rest.
        imports: rows of the operator's own lists that wait; they are taken before anything is searched for.
        taken: such rows that the day has already taken.
    """

    targets: tuple[Target, ...]
    daily_quota: int
    calls_left: Mapping[str, int | None] = dataclasses.field(default_factory=dict)
    money_left: Mapping[str, int] = dataclasses.field(default_factory=dict)
    prices: Mapping[str, int] = dataclasses.field(default_factory=dict)
    trade: float = 1.0
    cooling: float = 0.0
    price_cents: int = 0
    used_up: tuple[int, int] = (0, 0)
    imports: int = 0
    taken: int = 0

    @property
    def own_rows(self) -> int:
        """Rows of own lists that the day still takes."""
        return max(0, min(self.imports, self.daily_quota - self.taken))

    def yields(self, rules: PlanningConfig) -> dict[uuid.UUID, float]:
        """Qualified leads per sourced business of each target."""
        return leads_per_business(self.targets, rules, self.used_up)

    def mean_yield(self, rules: PlanningConfig) -> float:
        """Qualified leads per sourced business of the campaign's targets together."""
        return _mean(self.targets, rules, self.used_up)


@dataclasses.dataclass(frozen=True)
class Expected:
    """What some businesses are expected to need and to bring; calls by vendor, money in millionths of a dollar."""

    businesses: int
    calls: Mapping[str, int]
    microusd: int
    leads: float
    mails: float
    sales: float

    @property
    def audits(self) -> int:
        """Website audits."""
        return self.calls.get(AUDIT, 0)

    @property
    def microusd_per_sale(self) -> float | None:
        """Cost of one sale; None when none is expected."""
        return self.microusd / self.sales if self.sales > 0 else None

    def figures(self) -> dict[str, Any]:
        """As plain JSON."""
        each = self.microusd_per_sale
        return {
            "businesses": self.businesses,
            "calls": dict(self.calls),
            "audits": self.audits,
            "cost_usd": round(self.microusd / 1_000_000, 2),
            "expected_leads": round(self.leads, 1),
            "expected_mails": round(self.mails, 1),
            "expected_sales": round(self.sales, 4),
            "cost_per_sale_usd": None if each is None else round(each / 1e6, 2),
        }


@dataclasses.dataclass(frozen=True)
class TargetPlan:
    """One target with its allotment, what is expected of it, and the yield that this rests on."""

    target: Target
    allotment: Allotment
    expected: Expected
    leads_per_business: float


@dataclasses.dataclass(frozen=True)
class DayPlan:
    """The plan of one campaign-day and what keeps it from being larger."""

    targets: tuple[TargetPlan, ...]
    stops: tuple[str, ...]


def make(state: DayState, rules: PlanningConfig) -> DayPlan:
    """Allots businesses, calls and audits so that the day gets the most expected leads within every quota and budget."""
    ordered = sorted(state.targets, key=lambda each: (each.place, str(each.target_id)))
    yields = state.yields(rules)
    wishes = [
        Wish(each.target_id, each.quota, each.next_offset, yields[each.target_id], untried=each.judged == 0)
        for each in ordered
    ]
    room = room_of(state, rules)
    if all(wish.untried for wish in wishes):
        room = dataclasses.replace(room, explore=0.0)  # nothing was tried: there is nothing to explore beside
    made = allot(wishes, room)
    plans = tuple(
        TargetPlan(
            target, given, expect(state, rules, given.businesses, yields[target.target_id]), yields[target.target_id]
        )
        for target, given in zip(ordered, made, strict=True)
    )
    return DayPlan(plans, tuple(_stops(state, rules, room, plans)))


def leads_per_business(
    targets: Sequence[Target], rules: PlanningConfig, used_up: tuple[int, int] = (0, 0)
) -> dict[uuid.UUID, float]:
    """Qualified leads per sourced business of each target.

    Twice drawn towards what is known beforehand, so that one lucky day does not decide: the mean of all targets towards the
    starting value, then each target towards that mean. A target that was never tried has the mean.
    """
    weight, mean = rules.prior_businesses, _mean(targets, rules, used_up)
    return {each.target_id: (weight * mean + each.qualified) / (weight + each.judged) for each in targets}


def _mean(targets: Sequence[Target], rules: PlanningConfig, used_up: tuple[int, int]) -> float:
    judged = used_up[0] + sum(each.judged for each in targets)
    qualified = used_up[1] + sum(each.qualified for each in targets)
    return (rules.prior_businesses * rules.yields.leads + qualified) / (rules.prior_businesses + judged)


def business_microusd(state: DayState, rules: PlanningConfig) -> int:
    """What one sourced business is expected to cost after it was found."""
    return round(sum(state.prices.get(vendor, 0) * share for vendor, share in rules.calls_per_business.items()))


def room_of(state: DayState, rules: PlanningConfig) -> Room:
    """What the targets may use of the day: a vendor that each business needs bounds the businesses, Yelp bounds the searches.

    Rows of own lists come first and are taken off, so that what is left is shared out over tried and untried targets alike.
    """
    own, each = state.own_rows, business_microusd(state, rules)
    businesses = min([state.daily_quota - state.taken, *(_within(state, rules)).values()]) - own
    money = max(0, min(state.money_left.values()) - own * each) if state.money_left else None
    return Room(
        businesses=max(0, businesses), calls=state.calls_left.get(SEARCH), microusd=money, call_microusd=state.prices.get(SEARCH, 0),
        business_microusd=each, explore=rules.exploration_share,
    )  # fmt: skip


def _within(state: DayState, rules: PlanningConfig) -> dict[str, int]:
    """Vendor → businesses for which its calls are left."""
    found = {}
    for vendor, share in rules.calls_per_business.items():
        left = state.calls_left.get(vendor)
        if left is not None and share > 0:
            found[vendor] = int(max(0, left) / share)
    return found


def expect(
    state: DayState, rules: PlanningConfig, businesses: int, leads_per_business: float, *, searched: bool = True
) -> Expected:
    """What ``businesses`` of one target, or of an own list, are expected to need and to bring. Sales are an estimate.

    Each letter is one call of the mailer; ``calls_per_business`` has the average that bounds a day and is paid for.
    """
    searches = -(-businesses // PAGE) if searched else 0
    calls = {SEARCH: searches} | {vendor: round(businesses * n) for vendor, n in rules.calls_per_business.items()}
    cost = searches * state.prices.get(SEARCH, 0) + businesses * business_microusd(state, rules)
    leads = businesses * leads_per_business
    mails = leads * rules.yields.drafted * rules.yields.mailable * (1 - state.cooling)
    calls[SEND] = round(mails)
    return Expected(businesses, calls, cost, leads, mails, mails * rules.sales.per_mail * state.trade)


def margin_microusd(expected: Expected, price_cents: int, rules: PlanningConfig) -> int:
    """What the expected sales leave after refunds, fees and vendors, in millionths of a dollar."""
    return round(expected.sales * rules.sales.net_microusd(price_cents)) - expected.microusd


def _stops(state: DayState, rules: PlanningConfig, room: Room, plans: Sequence[TargetPlan]) -> list[str]:
    """Every limit that the plan touches, in words; a plan that touches none uses up its targets."""
    count = sum(plan.allotment.businesses for plan in plans) + state.own_rows
    calls = sum(plan.allotment.calls for plan in plans)
    cost = sum(plan.allotment.microusd for plan in plans)
    open_ = [plan for plan in plans if plan.allotment.businesses < plan.target.quota]
    found = []
    if state.own_rows:
        found.append(f"{state.own_rows} rows of own lists, which come first")
    if count + state.taken >= state.daily_quota:
        found.append(f"the campaign's quota of {state.daily_quota} businesses a day")
    found += [
        f"{vendor} allows {state.calls_left[vendor]} more calls, enough for {most} businesses"
        for vendor, most in _within(state, rules).items()
        if most <= count < state.daily_quota
    ]
    if not open_ and count - state.own_rows < room.businesses:
        found.append("every target's own quota" if plans else "no target that is active and not exhausted")
    if open_ and room.calls is not None and calls >= room.calls:
        found.append(f"{SEARCH} allows {max(0, room.calls)} more calls today")
    if open_ and room.microusd is not None and cost + room.call_microusd + room.business_microusd > room.microusd:
        name = min(state.money_left, key=lambda each: (state.money_left[each], each))
        found.append(f"{name} has ${max(0, room.microusd) / 1e6:,.2f} left")
    return found
