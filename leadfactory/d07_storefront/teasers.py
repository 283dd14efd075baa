"""What the landing page tells of an audit before it is bought: score, a few findings in full, of the rest only the count. Pure.

What is withheld is not in here at all, so no template can show it.
"""

from __future__ import annotations

import dataclasses
import unicodedata

from markupsafe import Markup

from leadfactory.d03_assessment.findings import diverse
from leadfactory.d06_reports import charts, grading
from leadfactory.d06_reports.cards import Card, card, day
from leadfactory.d06_reports.numbers import Numbers
from leadfactory.d06_reports.records import Finding, ReportInput, Site
from leadfactory.d07_storefront.pages_config import config
from leadfactory.vendor_terms import VendorTerms

_NAME_MOST = 80
_BRIGHT = {
    charts.GOOD: "#4cc79a",
    charts.FAIR: "#f0b04a",
    charts.POOR: "#f0736b",
}  # on the dark ground, as on the report's cover
_BY_RULE = "reckoned by config/reports.yaml from audit_findings.severity"


@dataclasses.dataclass(frozen=True)
class AreaTold:
    """An area of the report: its score, and how many findings of it are withheld."""

    title: str
    score: str | None
    verdict: str | None
    bar: Markup | None
    withheld: int


@dataclasses.dataclass(frozen=True)
class Teaser:
    """The landing page's content. ``shown`` are the findings told in full, ``withheld`` counts the others."""

    name: str
    domain: str
    measured_on: str
    score: int
    letter: str
    means: str
    ring: Markup
    total: int
    serious: int
    quick: int
    shown: tuple[Card, ...]
    withheld: int
    areas: tuple[AreaTold, ...]
    numbers: Numbers

    @property
    def withheld_areas(self) -> tuple[AreaTold, ...]:
        """The areas in which something is withheld, the fullest first."""
        return tuple(sorted((each for each in self.areas if each.withheld), key=lambda each: -each.withheld))


def teaser(given: ReportInput, terms: VendorTerms | None = None) -> Teaser:
    """The part of an audit that its subject may read for nothing; ``terms`` decide what may be shown at all."""
    rules, numbers = terms or VendorTerms.load(), Numbers()
    result = grading.judge(given)
    showable = [each for each in result.findings if _may_be_shown(each, rules)]
    shown = tuple(diverse(showable, config().landing.findings_in_full))
    kinds = {each.kind for each in shown}
    _, colour = charts.verdict(result.score, 80, 60)
    score, hundred = numbers.say(result.score, _BY_RULE), numbers.say(100, "the scale of the score")
    said = f"Score {score} of {hundred}, grade {result.grade.letter}."
    return Teaser(
        name=name_of(given.site, rules),
        domain=given.site.domain,
        measured_on=day(given.audit.fetched_at.date()),
        score=result.score,
        letter=result.grade.letter,
        means=result.grade.means,
        ring=charts.ring(
            result.score, result.grade.letter, f"{score} / {hundred}", said, colour=_BRIGHT[colour], dark=True
        ),
        total=len(result.findings),
        serious=sum(each.severity >= 3 for each in result.findings),
        quick=sum(grading.is_quick(each) for each in result.findings),
        shown=tuple(card(each, given, numbers) for each in shown),
        withheld=len(result.findings) - len(shown),
        areas=tuple(_area(each, kinds, numbers) for each in result.areas),
        numbers=numbers,
    )


def name_of(site: Site, terms: VendorTerms) -> str:
    """The business by the name that its own website publishes, else by its domain; without what could disturb a line."""
    if not terms.field("website", "published_fields").mail:
        return site.domain
    plain = "".join(
        " " if c.isspace() else c for c in site.own_name or "" if unicodedata.category(c)[0] != "C" or c.isspace()
    )
    name = " ".join(plain.split())
    return (name if len(name) <= _NAME_MOST else name[: _NAME_MOST - 1] + "…") or site.domain


def _may_be_shown(finding: Finding, terms: VendorTerms) -> bool:
    vendor, field = "pagespeed", "lighthouse"
    if finding.source.startswith("page:"):
        vendor, field = "website", "measurements"
    elif finding.source.startswith("field:"):
        field = "field"
    return terms.field(vendor, field).mail


def _area(each: grading.AreaResult, shown: set[str], numbers: Numbers) -> AreaTold:
    withheld = sum(finding.kind not in shown for finding in each.findings)
    if each.score is None:
        return AreaTold(each.area.title, None, None, None, withheld)
    word, colour = charts.verdict(each.score, 80, 60)
    return AreaTold(each.area.title, numbers.say(each.score, _BY_RULE), word, _bar(each.score, colour), withheld)


def _bar(score: int, colour: str) -> Markup:
    """A score as a line; the number stands beside it in words, so it is hidden from those who listen."""
    width = max(score, 2)
    return Markup(
        '<svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect width="100" height="6" rx="3" fill="{}"/><rect width="{}" height="6" rx="3" fill="{}"/></svg>'
    ).format(charts.RAIL, width, colour)
