"""A report about an invented business, for people who want to see one before they pay. The catalogue judges invented measurements."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any

from leadfactory.d03_assessment import findings
from leadfactory.d03_assessment.catalogue import catalogue
from leadfactory.d06_reports.records import Audit, Finding, ReportInput, Site, Spread

MEASURED = dt.datetime(2026, 11, 2, 14, 30, tzinfo=dt.UTC)
_FACTS = {
    "has_title": True, "tel_link_count": 0, "phone_visible": True, "hours_visible": False, "address_visible": True,
    "copyright_year": 2021, "images_without_alt": 14, "has_meta_description": False, "https": True, "has_viewport": True,
    "has_hsts": False, "h1_count": 2, "has_favicon": True, "has_lang": True, "generic_link_count": 5, "has_json_ld_business": False,
    "noindex": False, "has_open_graph": False, "has_privacy_link": False, "has_call_to_action": False,
}  # fmt: skip
_MILLISECONDS = {
    "largest-contentful-paint": 5480.0, "total-byte-weight": 4_610_000.0, "cumulative-layout-shift": 0.27,
    "total-blocking-time": 520.0, "server-response-time": 1130.0,
}  # fmt: skip
_LIGHTHOUSE: dict[str, Any] = {
    "lighthouseVersion": "13.4.1",
    "categories": {"performance": {"score": 0.41}, "seo": {"score": 0.66}, "accessibility": {"score": 0.72}},
    "audits": {
        name: {"score": 0.1, "scoreDisplayMode": "numeric", "numericValue": value}
        for name, value in _MILLISECONDS.items()
    },
}


def sample() -> ReportInput:
    """The input of the sample report: a dental practice that does not exist."""
    d = decimal.Decimal
    domain = "harborstreetdental.example"
    return ReportInput(
        report_on=dt.date(2026, 11, 3),
        business_id=str(uuid.uuid5(uuid.NAMESPACE_DNS, domain)),
        campaign="sample",
        cohort_on=MEASURED.date(),
        site=Site(domain, "Harbor Street Dental", "+13025550142", "18 Harbor Street, Wilmington, DE 19801", "wordpress", _FACTS, MEASURED),
        audit=Audit(
            audit_id=str(uuid.uuid5(uuid.NAMESPACE_DNS, f"audit.{domain}")), strategy="mobile",
            requested_url=f"https://{domain}/", final_url=f"https://www.{domain}/",
            scores={"performance": 41, "accessibility": 72, "best_practices": 78, "seo": 66},
            lab={"lcp_ms": 5480, "fcp_ms": 2350, "tbt_ms": 520, "speed_index_ms": 4900, "cls": d("0.27"), "total_bytes": 4_610_000},
            field=None, lighthouse_version="13.4.1", raw_sha256=None, fetched_at=MEASURED,
        ),
        findings=_found(),
        rules_version=catalogue().version,
        compared=(
            Spread("performance", 64, d(44), d(57), d(73), d(41), 14),
            Spread("lcp_ms", 64, d(3120), d(4210), d(6480), d(5480), 23),
            Spread("total_bytes", 64, d(1_800_000), d(3_100_000), d(5_400_000), d(4_610_000), 21),
        ),
        sites=64,
    )  # fmt: skip


def _found() -> tuple[Finding, ...]:
    judged = findings.find(_LIGHTHOUSE, _FACTS, on=MEASURED.date(), vertical="dental")
    return tuple(
        Finding(str(uuid.uuid5(uuid.NAMESPACE_DNS, each.kind)), each.kind, each.category, each.severity, each.measured, each.unit,
                each.threshold, each.source, each.evidence)
        for each in judged
    )  # fmt: skip
