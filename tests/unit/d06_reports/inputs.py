"""Inputs of reports, made by the rules that make the stored rows: the catalogue judges a Lighthouse result and page facts."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any

from leadfactory.d03_assessment import findings
from leadfactory.d03_assessment.catalogue import catalogue
from leadfactory.d06_reports.records import Audit, Finding, ReportInput, Site, Spread

MEASURED = dt.datetime(2026, 10, 6, 15, 0, tzinfo=dt.UTC)
FACTS = {"has_title": False, "tel_link_count": 0, "phone_visible": True, "hours_visible": False, "address_visible": True,
         "copyright_year": 2019, "images_without_alt": 9, "has_meta_description": False, "https": True, "has_viewport": True,
         "has_hsts": False, "h1_count": 0, "has_favicon": False, "has_lang": True, "generic_link_count": 7,
         "has_json_ld_business": False, "noindex": False}  # fmt: skip
LIGHTHOUSE: dict[str, Any] = {
    "lighthouseVersion": "13.4.1",
    "categories": {"performance": {"score": 0.32}, "seo": {"score": 0.61}, "accessibility": {"score": 0.77}},
    "audits": {
        name: {"score": 0.1, "scoreDisplayMode": "numeric", "numericValue": value}
        for name, value in {"largest-contentful-paint": 6143.0, "total-byte-weight": 5_230_000.0, "cumulative-layout-shift": 0.31,
                            "total-blocking-time": 431.0, "server-response-time": 1270.0}.items()
    },
}  # fmt: skip


def an_input(**changes: Any) -> ReportInput:
    """A restaurant with a slow WordPress site; ``changes`` replace fields."""
    site = Site(
        "pastabella.example",
        "Pasta Bella",
        "+12125550143",
        "12 Mott Street, New York, NY 10013",
        "wordpress",
        FACTS,
        MEASURED,
    )
    values: dict[str, Any] = {
        "report_on": dt.date(2026, 10, 8),
        "business_id": str(uuid.uuid5(uuid.NAMESPACE_OID, "pasta")),
        "campaign": "restaurant-nyc",
        "cohort_on": dt.date(2026, 10, 6),
        "site": site,
        "audit": an_audit(),
        "findings": found(),
        "headline": "Visitors with a phone wait, and then cannot tap a number to call.",
        "explanations": {"phone_not_tappable": "Somebody who is hungry now has to copy the number by hand."},
        "insight_source": "openai",
        "rules_version": catalogue().version,
    }
    return ReportInput(**values | changes)


def an_audit(**changes: Any) -> Audit:
    """The audit row of that site."""
    values: dict[str, Any] = {
        "audit_id": str(uuid.uuid5(uuid.NAMESPACE_OID, "audit")),
        "strategy": "mobile",
        "requested_url": "https://pastabella.example/",
        "final_url": "https://www.pastabella.example/",
        "scores": {"performance": 32, "accessibility": 77, "best_practices": None, "seo": 61},
        "lab": {"lcp_ms": 6143, "fcp_ms": 2210, "tbt_ms": 431, "speed_index_ms": 5230, "cls": decimal.Decimal("0.3100"),
                "total_bytes": 5_230_000},
        "field": None,
        "lighthouse_version": "13.4.1",
        "raw_sha256": "ab" * 32,
        "fetched_at": MEASURED,
    }  # fmt: skip
    return Audit(**values | changes)


def found(facts: dict[str, Any] | None = None) -> tuple[Finding, ...]:
    """What the catalogue finds in a Lighthouse result and facts."""
    return tuple(
        Finding(str(uuid.uuid5(uuid.NAMESPACE_OID, each.kind)), each.kind, each.category, each.severity, each.measured, each.unit,
                each.threshold, each.source, each.evidence)
        for each in findings.find(LIGHTHOUSE, FACTS if facts is None else facts, on=MEASURED.date(), vertical="restaurant")
    )  # fmt: skip


def every_finding() -> tuple[Finding, ...]:
    """One finding of every kind of the catalogue, at its worst level."""
    made = []
    for name, kind in catalogue().kinds.items():
        level = max(kind.severity) if kind.severity else kind.plain or 1
        edge = decimal.Decimal(str(kind.severity[level])) if kind.severity else None
        source = "page:fact" if kind.sources[0].fact else "lighthouse-audit"
        made.append(
            Finding(
                str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
                name,
                kind.category,
                level,
                edge,
                kind.unit,
                edge,
                source,
                {"score": 0},
            )
        )
    return tuple(made)


def spreads(sites: int = 40) -> tuple[Spread, ...]:
    """Two comparisons with the campaign's other sites."""
    d = decimal.Decimal
    return (
        Spread("performance", sites, d(41), d(58), d(74), d(32), 6),
        Spread("lcp_ms", sites, d(2950), d(4120), d(7310), d(6143), 11),
        Spread("total_bytes", sites, d(1_900_000), d(3_400_000), d(6_050_000), d(5_230_000), 12),
    )
