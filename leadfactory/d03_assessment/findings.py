"""What is wrong with a website, from one Lighthouse result, field data and our own facts. Pure: the same input, the same findings.

Both generations of Lighthouse are read by ``.get``: an audit that is missing, not applicable or failed to run is unknown, and
an unknown measurement is never a finding; ``unmeasured`` tells which kinds could not be judged, and why.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeGuard, TypeVar

from leadfactory.d03_assessment.catalogue import Kind, Need, Source, applies, catalogue, conversion_weight, needs

_UNSCORED = frozenset({"notApplicable", "manual", "error"})
_FAILED_BELOW = 0.9  # Lighthouse shows an audit green from 0.9 (its own scoring documentation)
_STEP = decimal.Decimal("0.0001")  # what the column keeps


class _Weighable(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def severity(self) -> int: ...


Ranked = TypeVar("Ranked", bound=_Weighable)


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a source says: whether it shows the fault at all, and the number behind it where there is one."""

    fault: bool
    measured: decimal.Decimal | None
    source: str
    evidence: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong. ``measured`` is in ``unit``; None for yes/no findings. ``severity`` 1 minor to 4 critical."""

    kind: str
    category: str
    severity: int
    measured: decimal.Decimal | None
    unit: str | None
    threshold: decimal.Decimal | None
    source: str
    evidence: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured of one website. ``lighthouse``: a ``lighthouseResult``, lab data of one run; ``facts``: our own crawl's,
    a missing key is unknown; ``field``: a ``loadingExperience``, None without field data; ``on``: the day, for ages."""

    lighthouse: Mapping[str, Any]
    facts: Mapping[str, Any]
    field: Mapping[str, Any]
    on: dt.date


def find(
    lighthouse: Mapping[str, Any],
    facts: Mapping[str, Any] | None,
    *,
    on: dt.date,
    field: Mapping[str, Any] | None = None,
    vertical: str | None = None,
) -> list[Finding]:
    """All findings of one website, the weightiest first.

    Args:
        lighthouse: a ``lighthouseResult``; lab data of one run.
        facts: our own measurements; a missing key is unknown.
        on: the day on which the page was read, where the business is, for ages.
        field: a ``loadingExperience``; None when there is no field data.
        vertical: of the business; kinds of other verticals do not apply.
    """
    measured = Measured(lighthouse, facts or {}, field or {}, on)
    found = []
    for name, kind in catalogue().kinds.items():
        reading = _first_known(kind, measured) if applies(name, vertical) else None
        finding = None if reading is None or not reading.fault else _judged(name, kind, reading)
        if finding is not None:
            found.append(finding)
    return ranked(found)


def unmeasured(
    lighthouse: Mapping[str, Any],
    facts: Mapping[str, Any] | None,
    *,
    on: dt.date,
    field: Mapping[str, Any] | None = None,
    vertical: str | None = None,
    reasons: Mapping[Need, str] | None = None,
    absent: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The kinds that apply and could not be judged, each with its reason: the fact's own (``absent``), else why the
    kind's first measurement failed (``reasons``), else ``not_told``: it ran and does not say, because the audit is not
    applicable or the fact does not exist here."""
    measured, told = Measured(lighthouse, facts or {}, field or {}, on), reasons or {}
    return {
        name: _why(name, kind, told, absent or {})
        for name, kind in catalogue().kinds.items()
        if applies(name, vertical) and _first_known(kind, measured) is None
    }


def _why(name: str, kind: Kind, told: Mapping[Need, str], absent: Mapping[str, str]) -> str:
    own = (absent[source.fact] for source in kind.sources if source.fact is not None and source.fact in absent)
    return next(own, None) or told.get(needs(name)[0], "not_told")


def weight(category: str, severity: int) -> float:
    """How much a finding matters: its severity by what its category means for winning customers."""
    return severity * catalogue().category_weights.get(category, 0.1)


def ranked(findings: Sequence[Ranked]) -> list[Ranked]:
    """By weight, then severity, then name: a total order, so that nothing depends on chance."""
    return sorted(findings, key=lambda each: (-_weight(each), -each.severity, each.kind))


def _weight(finding: _Weighable) -> float:
    """By the kind's own conversion weight; a stored kind that the catalogue no longer has counts by its category."""
    if finding.kind in catalogue().kinds:
        return finding.severity * conversion_weight(finding.kind)
    return weight(finding.category, finding.severity)


def diverse(findings: Sequence[Ranked], most: int) -> list[Ranked]:
    """The first ``most`` of a ranked list, one a category as long as there are enough categories."""
    chosen: list[Ranked] = []
    for each in findings:
        if len(chosen) < most and each.category not in {other.category for other in chosen}:
            chosen.append(each)
    chosen += [each for each in findings if each not in chosen][: most - len(chosen)]
    return sorted(chosen, key=list(findings).index)


def _judged(name: str, kind: Kind, reading: Reading) -> Finding | None:
    measured = reading.measured
    if measured is None or not kind.severity:
        if kind.plain is None:
            return None
        return Finding(name, kind.category, kind.plain, None, None, None, reading.source, reading.evidence)
    below = kind.worse == "below"
    reached = [
        level for level, edge in kind.severity.items() if (measured < edge if below else measured >= _exact(edge))
    ]
    if not reached:
        return None
    level = max(reached)
    edge = _exact(kind.severity[level])
    return Finding(name, kind.category, level, measured, kind.unit, edge, reading.source, reading.evidence)


def _first_known(kind: Kind, measured: Measured) -> Reading | None:
    for source in kind.sources:
        if any(measured.facts.get(fact) is not wanted for fact, wanted in source.when.items()):
            continue
        reading = _read(source, measured)
        if reading is not None:
            return reading
    return None


def _read(source: Source, measured: Measured) -> Reading | None:
    if source.category is not None:
        return _of_category(source.category, measured.lighthouse)
    if source.field is not None:
        return _of_field(source.field, source.scale, measured.field)
    if source.fact is not None:
        return _of_fact(source, measured.facts, measured.on)
    return _of_audits(source, measured.lighthouse)


def _of_field(metric: str, scale: float, field: Mapping[str, Any]) -> Reading | None:
    told = (field.get("metrics") or {}).get(metric) or {}
    value = told.get("percentile")
    if not _is_number(value) or value < 0:
        return None
    evidence = {"percentile": value, "origin_fallback": field.get("origin_fallback") is True}
    return Reading(True, _exact(value * scale), f"field:{metric}", evidence)


def _of_category(name: str, lighthouse: Mapping[str, Any]) -> Reading | None:
    score = (lighthouse.get("categories", {}).get(name) or {}).get("score")
    if not _is_number(score):
        return None
    points = _exact(round(score * 100))
    return Reading(True, points, f"category:{name}", {"score": int(points)})


def _of_audits(source: Source, lighthouse: Mapping[str, Any]) -> Reading | None:
    audits = lighthouse.get("audits", {})
    for name in source.audits:
        audit = audits.get(name)
        if not audit or audit.get("scoreDisplayMode") in _UNSCORED:
            continue
        score, value = audit.get("score"), audit.get("numericValue")
        if source.read == "numeric":
            if _is_number(value):
                return Reading(True, _exact(value * source.scale), name, {"numericValue": value, "score": score})
            continue
        if not _is_number(score):
            continue
        listed = (audit.get("details") or {}).get("items")
        count = len(listed) if isinstance(listed, list) else 0
        measured = _exact(count) if source.read == "items" and count else None
        return Reading(score < _FAILED_BELOW, measured, name, {"score": score, "items": count})
    return None


def _of_fact(source: Source, facts: Mapping[str, Any], on: dt.date) -> Reading | None:
    value = facts.get(source.fact or "")
    origin, evidence = f"page:{source.fact}", {str(source.fact): value}
    match source.read:
        case "true" | "false" if isinstance(value, bool):
            return Reading(value is (source.read == "true"), None, origin, evidence)
        case "zero" if _is_number(value):
            return Reading(value == 0, None, origin, evidence)
        case "number" if _is_number(value):
            return Reading(True, _exact(value), origin, evidence)
        case "years_behind" if _is_number(value) and 1990 <= value <= on.year:
            return Reading(True, _exact(on.year - value), origin, evidence | {"measured in": on.year})
        case "release_below" if isinstance(value, str):
            mine, wanted = _release(value), _release(source.release or "")
            return Reading(mine < wanted, None, origin, evidence) if mine and wanted else None
    return None


def _release(text: str) -> tuple[int, ...]:
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value and abs(value) < 1e9


def _exact(value: float) -> decimal.Decimal:
    return decimal.Decimal(str(value)).quantize(_STEP, rounding=decimal.ROUND_HALF_UP)
