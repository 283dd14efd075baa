"""How a lead is scored, from stored measurements only. Pure: the same inputs and rules give the same score, tier and reasons."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import uuid
from collections.abc import Sequence
from typing import Any

from leadfactory.d03_assessment.catalogue import catalogue
from leadfactory.d05_scoring import revenue, rule_file, signals
from leadfactory.d05_scoring.leads import Finding, Lead
from leadfactory.d05_scoring.revenue import Estimate
from leadfactory.d05_scoring.rule_file import TIERS, MustHave, RuleFile, Tier
from leadfactory.d05_scoring.signals import FACTORS, Factor, Value
from leadfactory.d05_scoring.versions import CODE

__all__ = ["Contribution", "Finding", "Lead", "Score", "config", "judge", "score", "version"]
SHARED_SITE = "shares its website with a better lead"
_SAID = 3  # signals that the sentence names per factor
_MUST = {
    "contact_email": lambda lead: lead.email not in (None, "none"),
    "own_phone": lambda lead: bool(lead.own_phone),
    "own_name": lambda lead: bool(lead.own_name),
}  # fmt: skip


def config() -> RuleFile:
    """The checked content of config/scoring.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    return rule_file.load()


def version(rules: RuleFile | None = None) -> str:
    """Code and rule file together: what a stored score names as its rules."""
    return f"{CODE}.{(rules or config()).version}"


@dataclasses.dataclass(frozen=True)
class Contribution:
    """One signal's part in one factor. ``points`` 0 to 1, None when unknown; ``share`` is what it adds to the factor."""

    factor: Factor
    signal: str
    value: Value
    points: float | None
    weight: float
    share: float

    @property
    def known(self) -> bool:
        """Whether it counts in the score, or only against the confidence."""
        return self.points is not None

    def figures(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self) | {"known": self.known}


@dataclasses.dataclass(frozen=True)
class Score:
    """``score`` 0 to 100, or None with a ``reason``; ``reason`` is also why a scored lead does not qualify.

    ``need``, ``ability``, ``reachability`` and ``confidence`` are 0 to 1; ``sentence`` says the same in words.
    """

    lead: Lead
    score: int | None
    tier: str
    sentence: str
    need: float | None = None
    ability: float | None = None
    reachability: float | None = None
    confidence: float | None = None
    contributions: tuple[Contribution, ...] = ()
    estimate: Estimate | None = None
    reason: str | None = None
    qualified: bool = False
    rank: int | None = None


def score(lead: Lead, rules: RuleFile | None = None) -> Score:
    """Scores one lead; one without an audit has no score, which is not a score of zero."""
    rules = rules or config()
    if lead.unscored is not None:
        return Score(lead, None, "none", f"Not scored: {lead.unscored}.", reason=lead.unscored)
    parts = {name: _contributions(lead, name, rules) for name in FACTORS}
    values = {name: _value(parts[name], rules.factor(name).when_unknown) for name in FACTORS}
    exponents = {name: rules.factor(name).exponent for name in FACTORS}
    confidence = sum(exponents[name] * _known_share(parts[name]) for name in FACTORS)
    exact = 100 * math.prod(values[name] ** exponents[name] for name in FACTORS)
    total = max(0, min(100, math.floor(round(exact, 6) + 0.5)))
    tier = rules.tier(total)
    return Score(
        lead,
        total,
        tier,
        _sentence(total, tier, values, parts, confidence),
        need=round(values["need"], 4),
        ability=round(values["ability"], 4),
        reachability=round(values["reachability"], 4),
        confidence=round(confidence, 3),
        contributions=tuple(each for name in FACTORS for each in parts[name]),
        estimate=revenue.estimate(lead),
    )


def judge(
    leads: Sequence[Lead], *, top_share: float, min_tier: Tier | None = None, rules: RuleFile | None = None
) -> list[Score]:
    """Scores, ranks and qualifies the leads of one campaign-day.

    The top share is of all businesses that may be written to at all (neither excluded nor held by an earlier cohort): those
    whose rank by score lies within it may qualify. Ties are ranked by id, so that nothing depends on chance. ``min_tier`` is
    the campaign's own; without one the rule file's holds. Of businesses with one website the best-ranked that qualifies is the
    lead: its letter holds the domain's contact slot, so that the others could not be written to.
    """
    rules = rules or config()
    scored = [score(lead, rules) for lead in leads]
    order = sorted((s for s in scored if s.score is not None), key=lambda s: (-(s.score or 0), str(s.lead.business_id)))
    rank = {s.lead.business_id: position for position, s in enumerate(order, 1)}
    within = math.ceil(round(top_share * sum(s.lead.excluded is None for s in scored), 6))
    lowest: Tier = min_tier or rules.gate.min_tier
    reasons: dict[uuid.UUID, str | None] = {}
    written_to: set[str] = set()
    for each in order:
        reason = _gate(each, rules, lowest)
        if reason is None and rank[each.lead.business_id] > within:
            reason = "outside the campaign's top share"
        elif reason is None and each.lead.site_of is not None:
            reason = SHARED_SITE if each.lead.site_of in written_to else None
            written_to.add(each.lead.site_of)
        reasons[each.lead.business_id] = reason
    return [
        dataclasses.replace(each, qualified=reasons[key] is None, reason=reasons[key], rank=rank[key])
        if (key := each.lead.business_id) in rank
        else each
        for each in scored
    ]


def input_hash(scored: Score, rules: RuleFile | None = None) -> bytes:
    """Of everything that the score rests on: the inputs but not when they were read, and every version of the rules."""
    plain = scored.lead.inputs() | {"business_id": str(scored.lead.business_id), "rules": version(rules)}
    del plain["read_at"]
    plain |= {"catalogue": catalogue().version, "revenue": revenue.config().version}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).digest()


def _gate(scored: Score, rules: RuleFile, lowest: Tier) -> str | None:
    gate, lead = rules.gate, scored.lead
    missing: MustHave | None = next((need for need in gate.must_have if not _MUST[need](lead)), None)
    if missing is not None:
        return f"no_{missing}"
    if len(lead.findings or ()) < gate.findings_at_least:
        return f"fewer than {gate.findings_at_least} findings"
    if TIERS.index(scored.tier) > TIERS.index(lowest):  # a scored lead has one of the four
        return f"tier below {lowest}"
    if (scored.confidence or 0) < gate.confidence_at_least:
        return f"confidence below {gate.confidence_at_least:g}"
    return None


def _contributions(lead: Lead, factor: Factor, rules: RuleFile) -> tuple[Contribution, ...]:
    found = []
    for name, rule in rules.factor(factor).signals.items():
        signal = signals.find(name)
        shape, weight = rule.of(lead.vertical)
        value = signal.read(lead, rules.reading)
        found.append((name, value, shape.points(signal, value), weight))
    known = sum(weight for _, _, points, weight in found if points is not None)
    return tuple(
        Contribution(factor, name, value, points, weight, round(weight * (points or 0) / known, 4) if known else 0.0)
        for name, value, points, weight in found
    )


def _value(parts: Sequence[Contribution], when_unknown: float) -> float:
    known = sum(each.weight for each in parts if each.known)
    return sum(each.weight * (each.points or 0) for each in parts) / known if known else when_unknown


def _known_share(parts: Sequence[Contribution]) -> float:
    return sum(each.weight for each in parts if each.known) / sum(each.weight for each in parts)


def _sentence(
    total: int, tier: str, values: dict[Factor, float], parts: dict[Factor, tuple[Contribution, ...]], confidence: float
) -> str:
    told = "; ".join(
        f"{'ability to pay' if name == 'ability' else name} {values[name]:.2f} ({_because(parts[name])})"
        for name in FACTORS
    )
    unknown = [each.signal for name in FACTORS for each in parts[name] if not each.known]
    doubt = f"; unknown: {', '.join(unknown)}" if unknown else ""
    return f"Tier {tier}, {total} of 100: {told}. Confidence {confidence:.2f}{doubt}."


def _because(parts: Sequence[Contribution]) -> str:
    """The signals that add most, in words; those that add nothing when none adds."""
    known = sorted((each for each in parts if each.known), key=lambda each: (-each.share, each.signal))
    telling = [each for each in known if each.share > 0] or known
    return ", ".join(signals.find(each.signal).words(each.value) for each in telling[:_SAID]) or "nothing known"
