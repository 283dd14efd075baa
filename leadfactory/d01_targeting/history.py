"""What a plan rests on: past yields of targets, and what vendors and budgets still allow today. Reads only."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory import yaml_config
from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.tables import budgets, vendor_breakers, vendor_quotas
from leadfactory.d01_targeting import day_plan, verticals
from leadfactory.d01_targeting.allotment import PAGE
from leadfactory.d01_targeting.day_plan import DayState, Target
from leadfactory.d01_targeting.planning_config import config
from leadfactory.d01_targeting.tables import targets

__all__ = ["committed", "config", "day_state", "old_prices", "open_breakers", "price_cents", "prices"]
MICROUSD_PER_CENT = 10_000
PRODUCT = "full_report"

# Scores are looked up one by one: joined as a whole they are gone through for each pair of the other two tables where statistics are old.
_YIELDS = sa.text("""
    SELECT s.target_id, count(*) AS sourced, count(*) FILTER (WHERE j.qualified) AS qualified
    FROM sourced_businesses s
    LEFT JOIN unique_businesses u ON u.campaign = s.campaign AND u.cohort_on = s.cohort_on AND u.sourced_id = s.sourced_id
    LEFT JOIN LATERAL (
        SELECT l.qualified FROM lead_scores l
        WHERE l.campaign = u.campaign AND l.cohort_on = u.cohort_on AND l.business_id = u.business_id
        ORDER BY l.version DESC LIMIT 1) j ON true
    WHERE s.campaign = :campaign AND s.cohort_on < :day
      AND s.cohort_on IN (SELECT cohort_on FROM lead_scores WHERE campaign = :campaign)
    GROUP BY s.target_id""")
# Rows of own lists: those that no campaign-day of the campaign has taken, and those that this one has.
_IMPORTS = sa.text("""
    SELECT (SELECT count(*) FROM (
                SELECT DISTINCT ON (record_key) record_key FROM imported_businesses
                WHERE campaign = :campaign AND fields IS NOT NULL) AS known
            WHERE NOT EXISTS (
                SELECT FROM sourced_businesses s JOIN imported_businesses v ON v.import_id = s.import_id
                WHERE s.campaign = :campaign AND v.campaign = :campaign AND v.record_key = known.record_key)) AS waiting,
           (SELECT count(*) FROM sourced_businesses
            WHERE campaign = :campaign AND cohort_on = :day AND source = 'import') AS taken""")
# What other campaigns planned for today and have not sourced yet will draw on the same quotas.
_COMMITTED = sa.text("""
    SELECT t.businesses_planned - count(s.sourced_id) AS missing
    FROM campaign_targets t
    JOIN campaigns c ON c.campaign = t.campaign AND c.state IN ('draft_only', 'launched')
    JOIN targets g ON g.target_id = t.target_id AND g.exhausted_at IS NULL
    LEFT JOIN sourced_businesses s
      ON s.campaign = t.campaign AND s.cohort_on = t.cohort_on AND s.target_id = t.target_id
    WHERE t.cohort_on = :day AND t.campaign <> :campaign
    GROUP BY t.campaign, t.target_id, t.businesses_planned
    HAVING t.businesses_planned > count(s.sourced_id)""")
# Recipients of the campaign's targets that are known from earlier days, and those whom a slot of somebody else's send holds.
_COOLING = sa.text("""
    SELECT count(*) AS known, count(*) FILTER (WHERE EXISTS (
        SELECT FROM contact_slots x LEFT JOIN email_sends s ON s.send_id = x.send_id
        WHERE x.slot_hmac IN (e.contact_email_hmac, e.site_domain_hmac) AND x.held_until > :now
          AND s.business_id IS DISTINCT FROM e.business_id)) AS held
    FROM enriched_businesses e
    WHERE e.campaign = :campaign AND e.contact_email_hmac IS NOT NULL""")


def day_state(
    tx: sa.Connection,
    unit: CampaignDay,
    campaign: Mapping[str, Any],
    policies: Policies,
    now: dt.datetime,
    drawn: Mapping[str, int] | None = None,
) -> DayState:
    """The state of the day on which a plan of ``unit`` rests.

    ``drawn``: vendor → calls of campaign-days that are planned before this one and stored nowhere.
    """
    open_, used_up = _targets(tx, unit)
    own = tx.execute(_IMPORTS, {"campaign": unit.campaign, "day": unit.day}).one()
    costs = prices(policies)
    taken = committed(tx, unit, drawn or {})
    promised = sum(count * costs.get(vendor, 0) for vendor, count in taken.items())
    calls = {vendor: _calls_left(tx, policies, vendor, now, costs.get(vendor, 0)) for vendor in _vendors()}
    left = {vendor: None if count is None else max(0, count - taken.get(vendor, 0)) for vendor, count in calls.items()}
    return DayState(
        targets=open_,
        used_up=used_up,
        daily_quota=campaign["daily_quota"],
        calls_left=left,
        money_left={
            f"the budget of {unit.campaign}": _budget_left(tx, "campaign", unit.campaign, _campaign_cents(campaign, policies)),
            "the day's budget": max(
                0, _budget_left(tx, "day", now.date().isoformat(), policies.budgets.day_cents) - promised
            ),
        },
        prices=costs,
        trade=config().trade.factor(verticals.verticals()[campaign["vertical"]], unit.day.month),
        cooling=_cooling(tx, unit, now),
        price_cents=price_cents(),
        imports=own.waiting,
        taken=own.taken,
    )  # fmt: skip


def _vendors() -> tuple[str, ...]:
    return (day_plan.SEARCH, *config().calls_per_business)


def _targets(tx: sa.Connection, unit: CampaignDay) -> tuple[tuple[Target, ...], tuple[int, int]]:
    """The targets that may be sourced, with what they gave, and (judged, qualified) of those that may not.

    Days that were never scored do not count as days without leads.
    """
    gave = {row.target_id: row for row in tx.execute(_YIELDS, {"campaign": unit.campaign, "day": unit.day})}
    found, judged, qualified = [], 0, 0
    for row in tx.execute(sa.select(targets).where(targets.c.campaign == unit.campaign).order_by(targets.c.place)):
        past = gave.get(row.target_id)
        seen = (past.sourced, past.qualified) if past else (0, 0)
        if row.active and row.exhausted_at is None:
            found.append(Target(row.target_id, row.kind, row.place, row.quota, row.next_offset, *seen))
        else:
            judged, qualified = judged + seen[0], qualified + seen[1]
    return tuple(found), (judged, qualified)


def committed(tx: sa.Connection, unit: CampaignDay, drawn: Mapping[str, int]) -> dict[str, int]:
    """Vendor → calls that other campaign-days of the day are going to make: those stored and those in ``drawn``."""
    missing = [int(n) for n in tx.scalars(_COMMITTED, {"day": unit.day, "campaign": unit.campaign})]
    taken = {day_plan.SEARCH: sum(math.ceil(n / PAGE) for n in missing)}
    taken |= {vendor: round(sum(missing) * share) for vendor, share in config().calls_per_business.items()}
    return {vendor: taken.get(vendor, 0) + drawn.get(vendor, 0) for vendor in {*taken, *drawn}}


def _calls_left(tx: sa.Connection, policies: Policies, vendor: str, now: dt.datetime, price: int) -> int | None:
    """Calls that today's window and the month's budget of a vendor still allow; None without a limit."""
    quotas = vendor_quotas.c
    left = quotas.limit_units - quotas.used_units - quotas.leased_units
    row = tx.execute(
        sa.select(left, quotas.resets_at > sa.func.now()).where(quotas.vendor == vendor, quotas.rate == "day")
    ).first()
    limits = [max(0, int(row[0])) if row is not None and row[1] else policies.of(vendor).rates.day]
    if price > 0:
        cents = policies.budgets.vendor_month_cents.get(vendor, 0)
        limits.append(_budget_left(tx, "vendor", f"{vendor}|{now:%Y-%m}", cents) // price)
    return min((limit for limit in limits if limit is not None), default=None)


def _campaign_cents(campaign: Mapping[str, Any], policies: Policies) -> int:
    return policies.budgets.campaign_cents if campaign["budget_cents"] is None else int(campaign["budget_cents"])


def _budget_left(tx: sa.Connection, scope: str, key: str, cents: int) -> int:
    """Millionths of a dollar that a budget of ``cents`` has neither spent nor reserved."""
    drawn = tx.scalar(
        sa.select(budgets.c.spent_microusd + budgets.c.reserved_microusd).where(
            budgets.c.scope == scope, budgets.c.key == key
        )
    )
    return max(0, cents * MICROUSD_PER_CENT - int(drawn or 0))


def _cooling(tx: sa.Connection, unit: CampaignDay, now: dt.datetime) -> float:
    """Share of the campaign's known recipients that a cooldown holds, drawn towards none."""
    row = tx.execute(_COOLING, {"campaign": unit.campaign, "now": now}).one()
    return row.held / (row.known + config().cooldown_prior_businesses)


def open_breakers(tx: sa.Connection) -> list[tuple[str, str | None]]:
    """Vendors that are not asked at the moment, each with the reason."""
    breakers = vendor_breakers.c
    shut = sa.or_(breakers.forced == "open", sa.and_(breakers.forced.is_(None), breakers.state == "open"))
    rows = tx.execute(sa.select(breakers.vendor, breakers.reason).where(shut).order_by(breakers.vendor))
    return [(row.vendor, row.reason) for row in rows]


def prices(policies: Policies) -> dict[str, int]:
    """Millionths of a dollar per call of each vendor that charges."""
    return {
        "yelp": policies.price("yelp", "call").microusd,
        "places": policies.price("places", "text_search_enterprise").microusd,
        "openai": config().openai_call_microusd,
        "sendgrid": policies.price("sendgrid", "mail").microusd,
    }


def price_cents() -> int:
    """What one report costs, from config/prices.yaml.

    Raises:
        ConfigError: the price book has no such product.
    """
    from leadfactory.d07_storefront.price_book import price_list as price_book

    known = price_book().prices
    if PRODUCT not in known:
        raise yaml_config.ConfigError(
            f"config/prices.yaml: prices has no {PRODUCT!r} (known: {', '.join(known)}): add it"
        )
    return known[PRODUCT]


def lead_caps(policies: Policies, used: Sequence[str] = ("places", "openai")) -> list[str]:
    """What one lead is expected to cost where that passes its cap, in words."""
    rules, costs = config(), prices(policies)
    expected = sum(costs[vendor] * rules.calls_per_business.get(vendor, 0.0) for vendor in used)
    cap = policies.budgets.lead_cents
    if expected <= cap * MICROUSD_PER_CENT:
        return []
    return [
        f"one business is expected to cost {expected / MICROUSD_PER_CENT:.1f} cents before it qualifies and may cost {cap}: "
        "raise budgets.lead_cents in config/vendors.yaml or ask for less"
    ]


def old_prices(policies: Policies, today: dt.date) -> list[str]:
    """Price rows that were read longer ago than the configured age."""
    rules = config()
    return sorted(
        f"the price of {vendor} {item} was read on {price.as_of}, more than {rules.price_age_warning_days} days ago: read it "
        "again and move as_of in config/vendors.yaml"
        for vendor, policy in policies.vendors.items()
        for item, price in policy.prices.items()
        if (today - price.as_of).days > rules.price_age_warning_days
    )
