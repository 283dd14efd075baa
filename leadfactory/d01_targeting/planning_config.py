"""The typed form of config/planning.yaml: what a plan expects of a business, a letter and a trade."""

from __future__ import annotations

import datetime as dt
import functools

import pydantic

from leadfactory import yaml_config
from leadfactory.d01_targeting.verticals import Level, Vertical

_Share = pydantic.Field(ge=0, le=1)
_Factor = pydantic.Field(gt=0, le=3)  # a trade moves the rate of sale; it does not make it


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Yields(_Strict):
    """Shares of the step before: starting values."""

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


class Sales(_Strict):
    """What a letter that leaves brings, and what the card processor keeps."""

    per_mail: float = _Share
    refunded: float = _Share
    fee_share: float = _Share
    fee_cents: int = pydantic.Field(ge=0)

    def net_microusd(self, price_cents: int) -> int:
        """What one sale at ``price_cents`` leaves, refunds and fees taken off, in millionths of a dollar."""
        kept = price_cents * (1 - self.refunded - self.fee_share) - self.fee_cents
        return round(kept * 10_000)


class Season(_Strict):
    """Factors of the months in which a trade's customers look most, and of the others."""

    inside: float = _Factor
    outside: float = _Factor


class Trade(_Strict):
    """How a trade moves the rate of sale."""

    ticket: dict[Level, float]
    urgency: dict[Level, float]
    maturity: dict[Level, float]
    season: Season

    @pydantic.field_validator("ticket", "urgency", "maturity")
    @classmethod
    def _each_level(cls, factors: dict[Level, float]) -> dict[Level, float]:
        missing = {"low", "medium", "high"} - set(factors)
        if missing:
            raise ValueError(f"lacks {', '.join(sorted(missing))}: every level needs a factor")
        if not all(0 < factor <= 3 for factor in factors.values()):
            raise ValueError("a factor is above 0 and at most 3")
        return factors

    def factor(self, vertical: Vertical, month: int) -> float:
        """The factor of a trade in a month (1 to 12)."""
        season = 1.0
        if vertical.season:
            season = self.season.inside if month in vertical.season else self.season.outside
        levels = self.ticket[vertical.ticket] * self.urgency[vertical.urgency] * self.maturity[vertical.maturity]
        return levels * season


class PlanningConfig(_Strict):
    """config/planning.yaml."""

    as_of: dt.date
    yields: Yields
    prior_businesses: int = pydantic.Field(ge=1)
    exploration_share: float = _Share
    calls_per_business: dict[str, pydantic.NonNegativeFloat]
    openai_call_microusd: int = pydantic.Field(ge=0)
    price_age_warning_days: int = pydantic.Field(ge=1)
    sales: Sales
    trade: Trade
    cooldown_prior_businesses: int = pydantic.Field(ge=1)


@functools.lru_cache(maxsize=1)
def config() -> PlanningConfig:
    """The checked content of config/planning.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("planning", PlanningConfig)
