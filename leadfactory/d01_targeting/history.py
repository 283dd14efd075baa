"""What a plan rests on: past yields of targets, and what vendors and budgets still allow today. Reads only."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from collections.abc import Mapping
from typing import Any

import pydantic
import sqlalchemy as sa

from leadfactory import yaml_config
from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.tables import budgets, vendor_breakers, vendor_quotas

MICROUSD_PER_CENT = 10_000
_Share = pydantic.Field(ge=0, le=1)


class Yields(pydantic.BaseModel):
    """Shares of the step before: starting values."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    unique: float = _Share
    contactable: float = _Share
    with_site: float = _Share
    audited: float = _Share
    qualified: float = _Share
    drafted: float = _Share
    mailable: float = _Share

    @property
    def leads(self) -> float:
        """Qualified leads per sourced business."""
        return self.unique * self.contactable * self.with_site * self.audited * self.qualified


class PlanningConfig(pydantic.BaseModel):
    """config/planning.yaml."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    as_of: dt.date
    yields: Yields
    prior_businesses: int = pydantic.Field(ge=1)
    calls_per_business: dict[str, float]
    openai_call_microusd: int = pydantic.Field(ge=0)
    price_age_warning_days: int = pydantic.Field(ge=1)


@functools.lru_cache(maxsize=1)
def config() -> PlanningConfig:
    """The checked content of config/planning.yaml."""
    return yaml_config.load("planning", PlanningConfig)


_YIELDS = sa.text("""
    WITH judged AS (
        SELECT DISTINCT ON (campaign, cohort_on, business_id) campaign, cohort_on, business_id, qualified
        FROM lead_scores WHERE campaign = :campaign ORDER BY campaign, cohort_on, business_id, version DESC)
    SELECT s.target_id, count(*) AS sourced, count(*) FILTER (WHERE j.qualified) AS qualified
    FROM sourced_businesses s
    LEFT JOIN unique_businesses u ON u.campaign = s.campaign AND u.cohort_on = s.cohort_on AND u.sourced_id = s.sourced_id
    LEFT JOIN judged j ON j.campaign = u.campaign AND j.cohort_on = u.cohort_on AND j.business_id = u.business_id
    WHERE s.campaign = :campaign AND s.cohort_on < :day
      AND s.cohort_on IN (SELECT cohort_on FROM judged)
    GROUP BY s.target_id""")


def leads_per_business(tx: sa.Connection, unit: CampaignDay) -> Mapping[uuid.UUID, float]:
    """Qualified leads per sourced business of each target that has scored days, drawn towards the starting value.

    ``prior_businesses`` imagined businesses at the starting yield are added to what was seen, so that one lucky day does not
    decide; days that were never scored do not count as days without leads.
    """
    rules = config()
    prior = rules.prior_businesses * rules.yields.leads
    rows = tx.execute(_YIELDS, {"campaign": unit.campaign, "day": unit.day})
    return {row.target_id: (prior + row.qualified) / (rules.prior_businesses + row.sourced) for row in rows}


def search_calls_left(tx: sa.Connection, policies: Policies) -> int | None:
    """Yelp calls that today's window still allows; the policy's own limit before the first call, None without one."""
    limit = policies.of("yelp").rates.day
    quotas = vendor_quotas.c
    left = quotas.limit_units - quotas.used_units - quotas.leased_units
    row = tx.execute(
        sa.select(left, quotas.resets_at > sa.func.now()).where(quotas.vendor == "yelp", quotas.rate == "day")
    ).first()
    return max(0, int(row[0])) if row is not None and row[1] else limit


def money_left(tx: sa.Connection, campaign: Mapping[str, Any], policies: Policies) -> int:
    """Millionths of a dollar that the campaign's budget has neither spent nor reserved."""
    cents = policies.budgets.campaign_cents if campaign["budget_cents"] is None else campaign["budget_cents"]
    row = tx.execute(
        sa.select(budgets.c.spent_microusd + budgets.c.reserved_microusd).where(
            budgets.c.scope == "campaign", budgets.c.key == campaign["campaign"]
        )
    ).first()
    return max(0, int(cents) * MICROUSD_PER_CENT - (int(row[0]) if row is not None else 0))


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


def business_microusd(policies: Policies) -> int:
    """What one sourced business is expected to cost after it was found."""
    known = prices(policies)
    return round(sum(known.get(vendor, 0) * share for vendor, share in config().calls_per_business.items()))


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
