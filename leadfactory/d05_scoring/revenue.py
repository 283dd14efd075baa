"""What a website's faults may cost its owner in a year: a labelled estimate with range, basis and confidence. Pure.

The β/ω model of config/revenue.yaml: annual revenue x ω x the sum over groups of β(group, worst severity). Amounts are US cents.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from leadfactory import yaml_config
from leadfactory.d01_targeting.verticals import verticals
from leadfactory.d03_assessment.catalogue import catalogue
from leadfactory.d05_scoring.leads import Lead

Group = Literal["performance", "seo", "visual", "technical", "trust"]
Unit = Annotated[float, pydantic.Field(ge=0, le=1)]
Positive = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]
_OTHER_TICKET = "low"  # of a vertical that is no longer in the list: the least is assumed


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Omega(_Strict):
    """One condition on the business, and the factor that it gives."""

    because: str
    factor: Positive
    verticals: tuple[str, ...] = ()
    visits_below: float | None = None
    visits_above: float | None = None
    visits_per_million_below: float | None = None
    commercial_share_below: Unit | None = None
    commercial_share_above: Unit | None = None
    b2b_share_above: Unit | None = None
    online_ordering: bool | None = None

    @pydantic.field_validator("verticals")
    @classmethod
    def _exist(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(given) - set(verticals())):
            raise ValueError(f"{', '.join(unknown)}: no vertical of config/verticals.yaml")
        return given


class Assumed(_Strict):
    """What is taken for inputs that nobody has measured."""

    annual_revenue_usd: dict[str, Positive]
    visits_a_month: Positive
    commercial_share: Unit
    b2b_share: Unit
    online_ordering: bool

    @pydantic.field_validator("annual_revenue_usd")
    @classmethod
    def _every_ticket(cls, given: dict[str, float]) -> dict[str, float]:
        if set(given) != {"low", "medium", "high"}:
            raise ValueError("needs exactly low, medium and high, the tickets of config/verticals.yaml")
        return given


class Rounding(_Strict):
    """Steps in dollars: ``small`` below ``large_from``, ``large`` from there."""

    small: pydantic.PositiveInt
    large: pydantic.PositiveInt
    large_from: pydantic.PositiveInt


class RevenueConfig(_Strict):
    """config/revenue.yaml."""

    version: str
    as_of: dt.date
    spread: Unit
    beta: dict[Group, dict[int, Unit]]
    groups: dict[str, Group]
    source_confidence: dict[str, Unit]
    group_confidence: dict[Group, Unit]
    assumed: Assumed
    assumed_confidence: dict[str, Unit]
    omega: tuple[Omega, ...]
    omega_default: Positive
    rounding: Rounding
    purchase_probability: dict[str, Unit]

    @pydantic.field_validator("beta")
    @classmethod
    def _worse_costs_more(cls, given: dict[str, dict[int, float]]) -> dict[str, dict[int, float]]:
        for group, by_severity in given.items():
            if sorted(by_severity) != [1, 2, 3, 4] or [by_severity[s] for s in (1, 2, 3, 4)] != sorted(
                by_severity.values()
            ):
                raise ValueError(f"{group} needs the severities 1 to 4, a worse one never costing less")
        return given

    @pydantic.field_validator("groups")
    @classmethod
    def _cover(cls, given: dict[str, Group]) -> dict[str, Group]:
        if missing := sorted(set(catalogue().category_weights) - set(given)):
            raise ValueError(f"lacks the finding categories {', '.join(missing)}")
        return given

    @pydantic.field_validator("purchase_probability")
    @classmethod
    def _every_tier(cls, given: dict[str, float]) -> dict[str, float]:
        if set(given) != {"A", "B", "C", "D"}:
            raise ValueError("needs exactly the tiers A, B, C and D")
        return given

    @pydantic.field_validator("assumed_confidence")
    @classmethod
    def _complete(cls, given: dict[str, float]) -> dict[str, float]:
        if lacking := sorted(set(Known.__dataclass_fields__) - set(given)):
            raise ValueError(f"lacks {', '.join(lacking)}")
        return given


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of the business itself; None is taken from the assumptions and named in the basis."""

    annual_revenue_usd: float | None = None
    visits_a_month: float | None = None
    commercial_share: float | None = None
    b2b_share: float | None = None
    online_ordering: bool | None = None


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A year's impact in US cents with its range. ``basis`` says what it rests on, ``assumed`` which inputs nobody measured."""

    cents: int
    low_cents: int
    high_cents: int
    confidence: float
    basis: tuple[str, ...]
    assumed: tuple[str, ...]


@functools.lru_cache(maxsize=1)
def config() -> RevenueConfig:
    """The checked content of config/revenue.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("revenue", RevenueConfig)


def estimate(lead: Lead, known: Known = Known(), rules: RevenueConfig | None = None) -> Estimate | None:
    """The estimate for a lead; None when no findings are known, which is not an estimate of nothing."""
    rules = rules or config()
    if lead.findings is None:
        return None
    values, assumed = _filled(lead.vertical, known, rules)
    worst = _worst(lead, rules)
    share = sum(rules.beta[group][severity] for group, (severity, _) in worst.items())
    factor, because = _omega(lead.vertical, values, rules)
    dollars = values["annual_revenue_usd"] * factor * share
    confidence = _confidence(worst, rules)
    for name in assumed:
        confidence *= rules.assumed_confidence[name]
    half = rules.spread * (1 - confidence)
    basis = (
        f"estimate by the model of config/revenue.yaml version {rules.version} ({rules.as_of}), not measured",
        *(f"{name} {_shown(values[name])} ({'assumed' if name in assumed else 'known'})" for name in sorted(values)),
        f"omega {factor:g}: {because}",
        *(f"{group} severity {severity}: {rules.beta[group][severity]:.2%} of revenue" for group, (severity, _) in sorted(worst.items())),
    )  # fmt: skip
    return Estimate(
        round(dollars * 100), round(dollars * (1 - half) * 100), round(dollars * (1 + half) * 100), round(confidence, 3), basis, assumed
    )  # fmt: skip


def in_words(found: Estimate, rules: RevenueConfig | None = None) -> str | None:
    """The range as mail may say it: rounded, and called an estimate; None when it rounds to nothing."""
    rounding = (rules or config()).rounding
    low, high = (_rounded(cents / 100, rounding) for cents in (found.low_cents, found.high_cents))
    if low <= 0:
        return None
    amount = f"${low:,}" if low == high else f"${low:,} to ${high:,}"
    return f"an estimated {amount} a year"


def _rounded(dollars: float, rounding: Rounding) -> int:
    step = rounding.large if dollars >= rounding.large_from else rounding.small
    return int(dollars / step + 0.5) * step


def _filled(vertical: str, known: Known, rules: RevenueConfig) -> tuple[dict[str, Any], tuple[str, ...]]:
    trade = verticals().get(vertical)
    defaults = rules.assumed.model_dump() | {
        "annual_revenue_usd": rules.assumed.annual_revenue_usd[trade.ticket if trade else _OTHER_TICKET]
    }
    given = {name: value for name, value in dataclasses.asdict(known).items() if value is not None}
    return defaults | given, tuple(sorted(set(defaults) - set(given)))


def _worst(lead: Lead, rules: RevenueConfig) -> dict[Group, tuple[int, str]]:
    """Group → worst severity and the source that found it. A category that left the catalogue has no group and no price."""
    found: dict[Group, tuple[int, str]] = {}
    for each in lead.findings or ():
        group = rules.groups.get(each.category)
        if group is not None:
            found[group] = max(found.get(group, (0, "")), (each.severity, each.source))
    return dict(sorted(found.items()))  # sums of fractions depend on their order, findings must not


def _confidence(worst: Mapping[Group, tuple[int, str]], rules: RevenueConfig) -> float:
    """Of the measurements: each group's by its source, weighted by what the group adds."""
    weights = {group: rules.beta[group][severity] for group, (severity, _) in worst.items()}
    trust = {
        group: rules.source_confidence.get(source, min(rules.source_confidence.values()))
        * rules.group_confidence[group]
        for group, (_, source) in worst.items()
    }
    total = sum(weights.values())
    return sum(weights[group] * trust[group] for group in worst) / total if total else 1.0


def _omega(vertical: str, values: Mapping[str, Any], rules: RevenueConfig) -> tuple[float, str]:
    for rule in rules.omega:
        if _holds(rule, vertical, values):
            return rule.factor, rule.because
    return rules.omega_default, "no rule holds"


def _holds(rule: Omega, vertical: str, values: Mapping[str, Any]) -> bool:
    visits, share = values["visits_a_month"], values["commercial_share"]
    per_million = visits / (values["annual_revenue_usd"] / 1_000_000)
    return (
        (not rule.verticals or vertical in rule.verticals)
        and _below(visits, rule.visits_below)
        and _above(visits, rule.visits_above)
        and _below(per_million, rule.visits_per_million_below)
        and _below(share, rule.commercial_share_below)
        and _above(share, rule.commercial_share_above)
        and _above(values["b2b_share"], rule.b2b_share_above)
        and rule.online_ordering in (None, values["online_ordering"])
    )


def _below(value: float, limit: float | None) -> bool:
    return limit is None or value < limit


def _above(value: float, limit: float | None) -> bool:
    return limit is None or value > limit


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:,.10g}"
