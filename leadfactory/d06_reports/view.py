"""What the template shows, as plain values: the chapters of one report. Pure; every number goes through Numbers."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
from collections.abc import Mapping
from typing import Any

from leadfactory.d03_assessment import catalogue
from leadfactory.d06_reports import charts, fonts, grading, speed
from leadfactory.d06_reports.cards import PLATFORMS, card, day, moment
from leadfactory.d06_reports.numbers import Numbers
from leadfactory.d06_reports.records import ReportInput
from leadfactory.d06_reports.settings import config

BRAND = "LeadFactory"
_BY_RULE = "reckoned by config/reports.yaml from audit_findings.severity"


@dataclasses.dataclass(frozen=True)
class View:
    """The template's values and the numbers in them."""

    values: Mapping[str, Any]
    numbers: Numbers


def build(given: ReportInput, *, template: str) -> View:
    """All chapters of the report of ``given``; ``template`` is the version of the look."""
    numbers = Numbers()
    result = grading.judge(given)
    cards = {each.kind: card(each, given, numbers) for each in result.findings}
    title, note = _title(given)
    score = numbers.say(result.score, _BY_RULE)
    _, colour = charts.verdict(result.score, 80, 60)
    hundred = numbers.say(100, "the scale of the score")
    letter, means = result.grade.letter, result.grade.means
    ring_title = f"Score {score} of {hundred}, grade {letter}."
    values = {
        "brand": BRAND,
        "title": numbers.keep(title, "enriched_businesses.own_name or site_host"),
        "name_note": note,
        "domain": numbers.keep(given.site.domain, "enriched_businesses.site_host"),
        "date": day(given.report_on),
        "iso_date": given.report_on.isoformat(),
        "created": dt.datetime.combine(given.report_on, dt.time(0), dt.UTC).isoformat(),
        "measured_at": moment(given.audit.fetched_at),
        "score": score, "hundred": hundred, "letter": letter, "means": means,
        "ring": charts.ring(result.score, letter, f"{score} / {hundred}", ring_title, colour=colour),
        "cover_ring": charts.ring(result.score, letter, f"{score} / {hundred}", ring_title, colour=_bright(colour), dark=True),
        "legend": [(level, config().severity_names[level], config().severity_means[level]) for level in (4, 3, 2, 1)],
        "tiles": _tiles(result, given, numbers),
        "headline": None if given.headline is None else numbers.keep(given.headline, "site_insights.headline"),
        "area_chart": _area_chart(result, numbers),
        "priority": [cards[each.kind] for each in result.priority],
        "priority_count": numbers.say(len(result.priority), "count of the priority issues"),
        "quick": [cards[each.kind] for each in result.quick],
        "quick_count": numbers.say(len(result.quick), "count of the quick wins"),
        "count": numbers.say(len(result.findings), "count of audit_findings"),
        "has_findings": bool(result.findings),
        "areas": [_area(each, cards, given, numbers) for each in result.areas],
        "speed": speed.chapter(given, numbers),
        "comparison": speed.comparison(given, numbers),
        "plan": _plan(result, cards, numbers),
        "plan_days": numbers.say(max(phase.last for phase in config().plan), "config/reports.yaml: plan"),
        "platform": PLATFORMS.get(given.site.platform or "", given.site.platform),
        "method": _method(given, template, numbers),
    }  # fmt: skip
    return View(values, numbers)


def _title(given: ReportInput) -> tuple[str, str | None]:
    """The business by the name that it publishes, else by its domain; with a note where the name cannot be printed."""
    name = (given.site.own_name or "").strip()
    if not name or not fonts.printable(name):
        return given.site.domain, None
    if fonts.can_print(name):
        return (name if len(name) <= 120 else name[:119] + "…"), None
    return given.site.domain, (
        "The website gives the business's name in a script that this document's typefaces do not have; "
        "it is addressed by its domain instead."
    )


def _bright(colour: str) -> str:
    return {charts.GOOD: "#4cc79a", charts.FAIR: "#f0b04a", charts.POOR: "#f0736b"}[colour]


def _tiles(result: grading.Result, given: ReportInput, numbers: Numbers) -> list[tuple[str, str]]:
    bad = sum(each.severity >= 3 for each in result.findings)
    quick = sum(grading.is_quick(each) for each in result.findings)
    tiles = [
        (numbers.say(len(result.findings), "count of audit_findings"), "findings in all"),
        (numbers.say(bad, "count of audit_findings by severity"), "serious or critical"),
        (numbers.say(quick, "count of audit_findings by catalogue"), "that you can mend yourself"),
    ]
    lcp = given.audit.lab.get("lcp_ms")
    if lcp is not None:
        seconds = numbers.say(decimal.Decimal(lcp) / 1000, "site_audits.lcp_ms", 1)
        tiles.append((f"{seconds} s", "until a phone shows the main content (lab)"))
    return tiles


def _area_chart(result: grading.Result, numbers: Numbers) -> Any:
    rows = []
    for each in result.areas:
        said = "not measured" if each.score is None else numbers.say(each.score, _BY_RULE)
        rows.append((each.area.title, each.score, said))
    return charts.area_bars(rows, "Score by area: " + "; ".join(f"{name} {said}" for name, _, said in rows) + ".")


def _area(each: grading.AreaResult, cards: Mapping[str, Any], given: ReportInput, numbers: Numbers) -> dict[str, Any]:
    return {
        "id": each.area.id,
        "title": each.area.title,
        "intro": each.area.intro,
        "score": None if each.score is None else numbers.say(each.score, _BY_RULE),
        "verdict": None if each.score is None else charts.verdict(each.score, 80, 60)[0],
        "lighthouse": _lighthouse(each.area.id, given, numbers),
        "checks": _checks(each.area.id, given),
        "published": _published(given, numbers) if each.area.id == "contact" else [],
        "cards": [cards[finding.kind] for finding in each.findings],
    }


def _lighthouse(area: str, given: ReportInput, numbers: Numbers) -> str | None:
    column = {"search": "seo", "accessibility": "accessibility", "security": "best_practices"}.get(area)
    score = given.audit.scores.get(column) if column else None
    return None if score is None else numbers.say(score, f"site_audits.{column}")


def _checks(area: str, given: ReportInput) -> list[tuple[str, str, str]]:
    """(what was looked at, the answer, good | bad | unknown) for the facts of an area."""
    facts, rows = given.site.facts or {}, []
    for check in config().checks.get(area, ()):
        value = facts.get(check.fact)
        if isinstance(value, bool):
            rows.append((check.label, "Yes" if value else "No", "good" if value is check.wanted else "bad"))
        else:
            rows.append((check.label, "Not measured", "unknown"))
    return rows


def _published(given: ReportInput, numbers: Numbers) -> list[tuple[str, str]]:
    site = given.site
    found = (("Name", site.own_name if site.own_name and fonts.can_print(site.own_name) else None, "own_name"),
             ("Phone", site.own_phone, "own_phone"), ("Address", site.own_address, "own_address"))  # fmt: skip
    return [(label, numbers.keep(value, f"enriched_businesses.{column}")) for label, value, column in found if value]


def _plan(result: grading.Result, cards: Mapping[str, Any], numbers: Numbers) -> list[dict[str, Any]]:
    said = "config/reports.yaml: plan"
    return [
        {
            "days": f"Days {numbers.say(phase.first, said)} to {numbers.say(phase.last, said)}",
            "title": phase.title,
            "who": phase.who,
            "cards": [cards[each.kind] for each in named],
            "more": numbers.say(more, "count of audit_findings by effort") if more else None,
        }
        for phase, named, more in result.plan
    ]


def _method(given: ReportInput, template: str, numbers: Numbers) -> dict[str, Any]:
    audit, rules = given.audit, config()
    rows = [
        ("Website measured", audit.final_url or audit.requested_url or given.site.domain, "site_audits.final_url"),
        ("Lighthouse run", moment(audit.fetched_at), "site_audits.fetched_at"),
        ("Device", f"emulated {audit.strategy} device, one laboratory run", "site_audits.strategy"),
        ("Lighthouse version", audit.lighthouse_version or "not told", "site_audits.lighthouse_version"),
        (
            "Home page read",
            moment(given.site.read_at) if given.site.read_at else "not read",
            "enriched_businesses.fetched_at",
        ),
        (
            "Catalogue of findings",
            f"version {given.rules_version or catalogue.catalogue().version}",
            "audit_findings.rules_version",
        ),
        ("Grading rules", f"version {rules.version} of {day(rules.as_of)}", "config/reports.yaml: version"),
        ("Report layout", f"version {template}", "leadfactory.d06_reports.rendering"),
        ("Audit", audit.audit_id, "site_audits.audit_id"),
        ("Lighthouse answer (SHA-256)", audit.raw_sha256 or "not kept", "site_audits.raw_sha256"),
        ("Evidence (SHA-256)", given.evidence_sha256, "of all rows that this report rests on"),
    ]
    source = "config/reports.yaml"
    points = [
        (rules.severity_names[level], numbers.say(points, f"{source}: penalty"))
        for level, points in sorted(rules.penalty.items())
    ]
    weights = [(area.title, numbers.say(area.weight, f"{source}: areas.weight")) for area in rules.areas]
    grades = [(each.letter, numbers.say(each.begins, f"{source}: grades"), each.means) for each in rules.grades]
    return {
        "rows": [(name, numbers.keep(text, origin)) for name, text, origin in rows],
        "points": points,
        "weights": weights,
        "grades": grades,
        "insight": {"openai": "a language model that saw our own measurements only, checked number by number",
                    "rules": "fixed texts of our catalogue"}.get(given.insight_source or ""),
    }  # fmt: skip
