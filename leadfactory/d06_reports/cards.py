"""One finding as the report tells it: what was measured, against which limit, on which evidence, how to mend it. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import math
import re
from collections.abc import Mapping
from typing import Any

from leadfactory.d03_assessment import catalogue
from leadfactory.d06_reports import grading
from leadfactory.d06_reports.numbers import Numbers
from leadfactory.d06_reports.records import Finding, ReportInput
from leadfactory.d06_reports.settings import config

PLATFORMS = {
    "wordpress": "WordPress", "wix": "Wix", "squarespace": "Squarespace", "shopify": "Shopify", "godaddy": "GoDaddy",
    "weebly": "Weebly", "webflow": "Webflow", "joomla": "Joomla", "drupal": "Drupal", "duda": "Duda",
}  # fmt: skip
WHO = {"owner": "you", "editor": "whoever edits the text", "developer": "a web developer", "host": "the web host"}
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_EVIDENCE_MOST = 8  # entries of one finding that are printed; the rest are counted
_VALUE_MOST = 160  # characters of one evidence value


@dataclasses.dataclass(frozen=True)
class Card:
    """A finding ready to be set: every number in it went through Numbers."""

    anchor: str
    kind: str
    says: str
    why: str
    meaning: str | None
    fix: str
    fix_title: str
    severity: int
    severity_name: str
    measured: str | None
    limit: str | None
    below: bool
    effort: str
    who: str
    impact: str
    quick: bool
    where: str
    url: str
    at: str
    evidence: tuple[tuple[str, str], ...]


def card(finding: Finding, given: ReportInput, numbers: Numbers) -> Card:
    """Sets one finding."""
    known = catalogue.catalogue().kinds.get(finding.kind)
    said, why, _ = catalogue.words(finding.kind, finding.measured) if known else (_plain(finding.kind), "", "")
    if known and finding.measured is not None and known.says is not None:
        numbers.keep(catalogue.shown(finding.kind, finding.measured), f"audit_findings.measured of {finding.kind}")
    platform = given.site.platform
    on_platform = known is not None and platform in known.fix_on
    effort = catalogue.effort(finding.kind) if known else None
    from_page = finding.source.startswith("page:")
    at = given.site.read_at if from_page and given.site.read_at else given.audit.fetched_at
    meaning = _not_said(given.explanations.get(finding.kind), said, why)
    if meaning is not None:
        numbers.keep(meaning, f"site_insights.explanations of {finding.kind}")
    return Card(
        anchor=f"finding-{finding.kind}",
        kind=finding.kind,
        says=said,
        why=why,
        meaning=meaning,
        fix=catalogue.fix(finding.kind, platform) if known else "",
        fix_title=f"How to mend it in {PLATFORMS.get(platform or '', platform or '')}"
        if on_platform
        else "How to mend it",
        severity=finding.severity,
        severity_name=config().severity_names[finding.severity],
        measured=_amount(finding, finding.measured, "measured", numbers),
        limit=_amount(finding, finding.threshold, "threshold", numbers),
        below=known is not None and known.worse == "below",
        effort=effort.level if effort else "unknown",
        who=WHO.get(effort.who, effort.who) if effort else "a web developer",
        impact=grading.impact(finding),
        quick=grading.is_quick(finding),
        where=_origin(finding.source),
        url=_url(finding, given, numbers),
        at=moment(at),
        evidence=_evidence(finding, numbers),
    )


def _not_said(meaning: str | None, *told: str) -> str | None:
    """The sentences of an explanation that the card does not say already; without a model's words it is made of the same ones."""
    if meaning is None:
        return None
    before = {sentence for text in told for sentence in _SENTENCE_END.split(text)}
    return " ".join(each for each in _SENTENCE_END.split(meaning) if each not in before) or None


def moment(at: dt.datetime) -> str:
    """A time as the report writes it, in UTC."""
    return f"{day(at.astimezone(dt.UTC).date())}, {at.astimezone(dt.UTC):%H:%M} UTC"


def day(on: dt.date) -> str:
    """A date as an American reader writes it."""
    return f"{on:%B} {on.day}, {on.year}"


def _amount(finding: Finding, number: decimal.Decimal | None, column: str, numbers: Numbers) -> str | None:
    if number is None:
        return None
    known = catalogue.catalogue().kinds.get(finding.kind)
    places = known.decimals if known else 2
    exact = decimal.Decimal(str(number))
    if exact != exact.quantize(decimal.Decimal(1).scaleb(-places)) and column == "threshold":
        places = max(places, -int(exact.normalize().as_tuple().exponent))
    said = numbers.say(number, f"audit_findings.{column} of {finding.kind}", places)
    unit = finding.unit or ""
    if unit == "score":
        return f"{said} of {numbers.say(100, 'the scale of Lighthouse scores')}"
    if unit == "shift" or not unit:
        return said
    return f"{said} {_unit(unit, said)}"


def _unit(unit: str, said: str) -> str:
    """The unit in the number that goes with ``said``; symbols (s, ms, MB) never change."""
    if unit == "day":
        return "day" if said == "1" else "days"
    return unit[:-1] if said == "1" and unit.endswith("s") and len(unit) > 2 else unit


def _plain(kind: str) -> str:
    return kind.replace("_", " ").capitalize() + "."


def _origin(source: str) -> str:
    name = source.partition(":")[2]
    if source.startswith("page:"):
        return f"our own reading of the home page, fact {name}"
    if source.startswith("category:"):
        return f"Lighthouse category {name}"
    if source.startswith("field:"):
        return f"Chrome UX Report, metric {name}"
    return f"Lighthouse audit {source}"


def _url(finding: Finding, given: ReportInput, numbers: Numbers) -> str:
    told = finding.evidence.get("url")
    url = told if isinstance(told, str) else given.audit.final_url or given.audit.requested_url or given.site.domain
    return numbers.keep(url, "site_audits.final_url, requested_url or audit_findings.evidence")


def _evidence(finding: Finding, numbers: Numbers) -> tuple[tuple[str, str], ...]:
    """The stored evidence as name and value, cut where it is long and counted where it is much."""
    hidden = {"url", "where", "at"}
    pairs = [(name, value) for name, value in finding.evidence.items() if name not in hidden and value is not None]
    source = f"audit_findings.evidence of {finding.kind}"
    told = [(_label(name), numbers.keep(_value(value), source)) for name, value in pairs[:_EVIDENCE_MOST]]
    if len(pairs) > _EVIDENCE_MOST:
        told.append(("and", f"{numbers.say(len(pairs) - _EVIDENCE_MOST, 'count of evidence')} more entries"))
    return tuple(told)


def _label(name: str) -> str:
    return {"numericValue": "value", "items": "listed"}.get(name, name.replace("_", " "))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | decimal.Decimal):
        return _as_stored(value)
    if isinstance(value, list | tuple):
        return _cut(", ".join(_value(each) for each in value[:5]))
    if isinstance(value, Mapping):
        return _cut(", ".join(f"{name} {_value(each)}" for name, each in list(value.items())[:5]))
    return _cut(str(value))


def _as_stored(value: Any) -> str:
    """A number of the evidence as it is stored, without thousands: it may be a year or a version; at most four decimals."""
    if isinstance(value, float) and not math.isfinite(value):
        return "not a number"
    exact = decimal.Decimal(str(value)).normalize()
    places = min(4, max(0, -int(exact.as_tuple().exponent)))
    return f"{exact.quantize(decimal.Decimal(1).scaleb(-places)):f}"


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE_MOST else text[: _VALUE_MOST - 1] + "…"
