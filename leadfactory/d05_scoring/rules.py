"""How a lead is scored, from stored measurements only. Pure: the same inputs give the same score, tier and reasons."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import json
import math
import uuid
from collections.abc import Mapping, Sequence

import pydantic

from leadfactory import yaml_config
from leadfactory.d03_assessment.catalogue import catalogue

VERSION = "1"  # of the code; config/scoring.yaml has its own


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Signal(_Strict):
    """Points for one signal of need; ``limit`` is the value it is compared with, where there is one."""

    limit: float | None = None
    points: float
    by_vertical: dict[str, float] = {}

    def worth(self, vertical: str) -> float:
        """The points in a vertical."""
        return self.by_vertical.get(vertical, self.points)


class Need(_Strict):
    """Signals that the website needs work."""

    cap: float
    performance_below: Signal
    seo_below: Signal
    accessibility_below: Signal
    findings_above: Signal
    mobile_findings_above: Signal
    hours_missing: Signal
    critical_finding: Signal


class Conversion(_Strict):
    """What the findings cost in customers."""

    cap: float
    factor: float
    severity_weights: dict[int, float]


class Reachability(_Strict):
    """How sure a letter reaches somebody."""

    cap: float
    email_on_own_domain: float
    email_free_mail: float
    own_phone: float
    own_name: float


class Qualify(_Strict):
    """What a lead needs besides its rank."""

    score_at_least: int
    findings_at_least: int


class ScoringConfig(_Strict):
    """config/scoring.yaml."""

    version: str
    as_of: dt.date
    need: Need
    conversion: Conversion
    reachability: Reachability
    tiers: dict[str, int]
    qualify: Qualify


@functools.lru_cache(maxsize=1)
def config() -> ScoringConfig:
    """The checked content of config/scoring.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("scoring", ScoringConfig)


def version() -> str:
    """Code and configuration together: what a stored score names as its rules."""
    return f"{VERSION}.{config().version}"


@dataclasses.dataclass(frozen=True)
class Lead:
    """What is known of one unique business. ``findings`` are (category, severity) pairs; None scores are unknown."""

    business_id: uuid.UUID
    vertical: str
    excluded: str | None = None
    site_reason: str | None = None
    audit_reason: str | None = None
    performance: int | None = None
    seo: int | None = None
    accessibility: int | None = None
    findings: tuple[tuple[str, int], ...] = ()
    hours_visible: bool | None = None
    email: str | None = None
    email_how: str | None = None
    own_phone: bool = False
    own_name: bool = False

    @property
    def input_hash(self) -> bytes:
        """Of everything that the score rests on, and of the rules."""
        plain = dataclasses.asdict(self) | {"rules": version(), "catalogue": catalogue().version}
        return hashlib.sha256(json.dumps(plain, default=str, sort_keys=True).encode()).digest()


@dataclasses.dataclass(frozen=True)
class Score:
    """``score`` 0 to 100, or None with a ``reason``; ``reason`` is also why a scored lead does not qualify."""

    lead: Lead
    score: int | None
    tier: str
    components: Mapping[str, float]
    reason: str | None
    qualified: bool = False
    rank: int | None = None


def score(lead: Lead) -> Score:
    """Scores one lead; one without an audit has no score, which is not a score of zero."""
    unscored = lead.excluded or lead.site_reason or lead.audit_reason
    if unscored is not None:
        return Score(lead, None, "none", {}, unscored)
    need, conversion, reach = _need(lead), _conversion(lead), _reachability(lead)
    rules = config()
    parts = {
        "need": min(rules.need.cap, sum(need.values())),
        "conversion": min(rules.conversion.cap, conversion),
        "reachability": min(rules.reachability.cap, sum(reach.values())),
    }
    total = max(0, min(100, math.floor(sum(parts.values()) + 0.5)))
    tier = next((name for name, low in sorted(rules.tiers.items(), key=lambda t: -t[1]) if total >= low), "D")
    components = {**need, **reach, **{f"total_{name}": round(points, 1) for name, points in parts.items()}}
    return Score(lead, total, tier, components, None)


def judge(leads: Sequence[Lead], *, top_share: float) -> list[Score]:
    """Scores, ranks and qualifies the leads of one campaign-day.

    The top share is of all businesses that may be written to at all (neither excluded nor held by an earlier cohort): those
    whose rank by score lies within it may qualify. Ties are ranked by id, so that nothing depends on chance.
    """
    scored = [score(lead) for lead in leads]
    order = sorted((s for s in scored if s.score is not None), key=lambda s: (-(s.score or 0), str(s.lead.business_id)))
    rank = {s.lead.business_id: position for position, s in enumerate(order, 1)}
    within = math.ceil(round(top_share * sum(s.lead.excluded is None for s in scored), 6))
    return [_qualified(s, rank.get(s.lead.business_id), within) for s in scored]


def _qualified(scored: Score, rank: int | None, within: int) -> Score:
    if scored.score is None or rank is None:
        return scored
    wanted, lead = config().qualify, scored.lead
    reason = None
    if lead.email is None:
        reason = "no_contact_email"
    elif len(lead.findings) < wanted.findings_at_least:
        reason = f"fewer than {wanted.findings_at_least} findings"
    elif scored.score < wanted.score_at_least:
        reason = f"score below {wanted.score_at_least}"
    elif rank > within:
        reason = "outside the campaign's top share"
    return dataclasses.replace(scored, qualified=reason is None, reason=reason, rank=rank)


def _need(lead: Lead) -> dict[str, float]:
    need, vertical = config().need, lead.vertical
    mobile = sum(category == "mobile" for category, _ in lead.findings)
    signals = {
        "performance_below": (need.performance_below, _below(lead.performance, need.performance_below)),
        "seo_below": (need.seo_below, _below(lead.seo, need.seo_below)),
        "accessibility_below": (need.accessibility_below, _below(lead.accessibility, need.accessibility_below)),
        "findings_above": (need.findings_above, len(lead.findings) > (need.findings_above.limit or 0)),
        "mobile_findings_above": (need.mobile_findings_above, mobile > (need.mobile_findings_above.limit or 0)),
        "hours_missing": (need.hours_missing, lead.hours_visible is False),
        "critical_finding": (need.critical_finding, any(severity == 4 for _, severity in lead.findings)),
    }
    return {name: signal.worth(vertical) for name, (signal, holds) in signals.items() if holds}


def _below(value: int | None, signal: Signal) -> bool:
    return value is not None and signal.limit is not None and value < signal.limit


def _conversion(lead: Lead) -> float:
    rules, weights = config().conversion, catalogue().category_weights
    return rules.factor * sum(
        rules.severity_weights.get(severity, 0) * weights.get(category, 0) / 10 for category, severity in lead.findings
    )


def _reachability(lead: Lead) -> dict[str, float]:
    rules = config().reachability
    found = {}
    if lead.email is not None:
        found[f"email_{lead.email}"] = (
            rules.email_on_own_domain if lead.email == "own_domain" else rules.email_free_mail
        )
    if lead.own_phone:
        found["own_phone"] = rules.own_phone
    if lead.own_name:
        found["own_name"] = rules.own_name
    return found
