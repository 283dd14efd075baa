"""How good a website is: points by area, one score, one letter; and which findings come first. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from leadfactory.d03_assessment.catalogue import catalogue, conversion_weight, effort
from leadfactory.d03_assessment.findings import diverse, ranked
from leadfactory.d06_reports.records import Finding, ReportInput
from leadfactory.d06_reports.settings import Area, Grade, Phase, config


@dataclasses.dataclass(frozen=True)
class AreaResult:
    """One chapter: ``score`` 0 to 100, None when the area was not measured; its findings, the weightiest first."""

    area: Area
    score: int | None
    findings: tuple[Finding, ...]


@dataclasses.dataclass(frozen=True)
class Result:
    """The judgement of one website."""

    score: int
    grade: Grade
    areas: tuple[AreaResult, ...]
    findings: tuple[Finding, ...]
    priority: tuple[Finding, ...]
    quick: tuple[Finding, ...]
    plan: tuple[tuple[Phase, tuple[Finding, ...], int], ...]  # with how many more there are


def judge(given: ReportInput) -> Result:
    """Grades a website by config/reports.yaml and orders its findings; the order of ``given.findings`` does not matter."""
    rules = config()
    found = tuple(ranked(given.findings))
    areas = tuple(_area(area, found, given) for area in rules.areas)
    score = _overall(areas)
    grade = next(each for each in rules.grades if score >= each.begins)
    quick = tuple(each for each in found if is_quick(each))[: rules.quick_wins]
    priority = tuple(diverse(list(found), rules.in_depth))
    return Result(score, grade, areas, found, priority, quick, _plan(found))


def is_quick(finding: Finding) -> bool:
    """Whether the owner or an editor can mend it in minutes."""
    known = catalogue().kinds.get(finding.kind)
    return known is not None and known.quick


def effort_level(finding: Finding) -> str:
    """low, medium or high; medium for a kind that the catalogue no longer has."""
    return effort(finding.kind).level if finding.kind in catalogue().kinds else "medium"


def impact(finding: Finding) -> str:
    """How much mending it helps to win customers: high, medium or low."""
    if finding.kind in catalogue().kinds:
        share = conversion_weight(finding.kind)
    else:
        share = catalogue().category_weights.get(finding.category, 0.1)
    worth, bands = finding.severity * share, config().impact
    return "high" if worth >= bands.high else "medium" if worth >= bands.medium else "low"


def _area(area: Area, found: Sequence[Finding], given: ReportInput) -> AreaResult:
    mine = tuple(each for each in found if each.category in area.categories)
    blind = (area.page and not given.site.facts) or (area.lab and given.audit.lighthouse_version is None)
    if blind and not mine:
        return AreaResult(area, None, ())
    return AreaResult(area, max(0, 100 - sum(config().penalty[each.severity] for each in mine)), mine)


def _overall(areas: Sequence[AreaResult]) -> int:
    known = [(each.area.weight, each.score) for each in areas if each.score is not None]
    total = sum(weight for weight, _ in known)
    if not total:
        raise ValueError("audit: nothing of this website was measured, so there is nothing to report; audit it again")
    return math.floor(sum(weight * score for weight, score in known) / total + 0.5)


def _plan(found: Sequence[Finding]) -> tuple[tuple[Phase, tuple[Finding, ...], int], ...]:
    left, phases = list(found), []
    for phase in config().plan:
        fits = [each for each in left if (is_quick(each) if phase.quick else effort_level(each) in phase.effort)]
        named = fits[: phase.most]
        if phase.quick:  # what does not fit into the first days is a small repair of the next ones
            left = [each for each in left if each not in named]
            phases.append((phase, tuple(named), 0))
            continue
        left = [each for each in left if each not in fits]
        phases.append((phase, tuple(named), len(fits) - len(named)))
    return tuple(phases)
