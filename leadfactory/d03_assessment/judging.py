"""From measurements to findings: each with its evidence, and the kinds that could not be judged with their reason. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

from leadfactory.d03_assessment import findings
from leadfactory.d03_assessment.catalogue import Need
from leadfactory.d03_assessment.findings import Finding
from leadfactory.d03_assessment.measurement import SiteMeasurement

NO_LIGHTHOUSE, NO_FIELD_DATA = "no_lighthouse", "no_field_data"


@dataclasses.dataclass(frozen=True)
class Lab:
    """One PageSpeed answer: ``lighthouse`` is the lab's result, ``field`` what Chrome's users met, None without field data.

    ``reason`` says why there is no result; then ``lighthouse`` is empty.
    """

    lighthouse: Mapping[str, Any]
    field: Mapping[str, Any] | None
    url: str | None
    at: dt.datetime | None
    reason: str | None = None


NO_LAB = Lab({}, None, None, None, NO_LIGHTHOUSE)


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What is wrong with a website, the weightiest first, and the kinds nobody could judge: kind → reason."""

    findings: list[Finding]
    unmeasured: dict[str, str]


def judge(
    crawl: SiteMeasurement,
    lab: Lab,
    *,
    on: dt.date,
    vertical: str | None,
) -> Judgement:
    """Judges one website by the catalogue.

    Args:
        crawl: our own measurement.
        lab: the PageSpeed answer, or why there is none.
        on: the day of the measurement, for ages.
        vertical: of the business; kinds of other verticals do not apply.
    """
    reasons: dict[Need, str] = {}
    if lab.reason is not None:
        reasons["lighthouse"] = NO_LIGHTHOUSE
    if lab.field is None:
        reasons["field"] = NO_FIELD_DATA
    if crawl.reason is not None:
        reasons |= {"home": crawl.reason, "pages": crawl.reason}
    found = findings.find(lab.lighthouse, crawl.facts, on=on, field=lab.field, vertical=vertical)
    missing = findings.unmeasured(
        lab.lighthouse, crawl.facts, on=on, field=lab.field, vertical=vertical, reasons=reasons, absent=crawl.absent
    )
    return Judgement([_with_evidence(each, crawl, lab) for each in found], missing)


def _with_evidence(finding: Finding, crawl: SiteMeasurement, lab: Lab) -> Finding:
    """The finding with URL, place and time of what was measured."""
    origin, _, name = finding.source.partition(":")
    if origin == "page":
        more = crawl.evidence(name)
    else:
        at = lab.at.isoformat() if lab.at is not None else None
        more = {"url": lab.url, "where": f"audit {finding.source}" if not name else f"{origin} {name}", "at": at}
    return dataclasses.replace(
        finding, evidence={**finding.evidence, **{key: value for key, value in more.items() if value}}
    )
