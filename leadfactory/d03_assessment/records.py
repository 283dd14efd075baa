"""Row rules of D3, and the measurements of one audit as a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leadfactory.quality.rows import RowRule

SCORES = {
    "performance": "performance",
    "accessibility": "accessibility",
    "best_practices": "best-practices",
    "seo": "seo",
}  # column → Lighthouse category
TIMES = {
    "fcp_ms": "first-contentful-paint",
    "lcp_ms": "largest-contentful-paint",
    "tbt_ms": "total-blocking-time",
    "speed_index_ms": "speed-index",
    "total_bytes": "total-byte-weight",
}  # column → Lighthouse audit
_MOST = 2**31 - 1


def measurements(lighthouse: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of ``site_audits`` that a Lighthouse result fills; what it does not say is None."""
    categories, audits = lighthouse.get("categories", {}), lighthouse.get("audits", {})
    row: dict[str, Any] = {}
    for column, name in SCORES.items():
        score = (categories.get(name) or {}).get("score")
        row[column] = round(score * 100) if isinstance(score, int | float) else None
    for column, name in TIMES.items():
        value = (audits.get(name) or {}).get("numericValue")
        row[column] = round(value) if isinstance(value, int | float) and 0 <= value <= _MOST else None
    shift = (audits.get("cumulative-layout-shift") or {}).get("numericValue")
    row["cls"] = round(shift, 4) if isinstance(shift, int | float) and 0 <= shift < 10_000 else None
    version = lighthouse.get("lighthouseVersion")
    row["lighthouse_version"] = version if isinstance(version, str) else None
    return row


def field_data(field: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a ``loadingExperience``: 75th percentiles by metric, and whether they are the whole origin's."""
    metrics = {
        name: told["percentile"]
        for name, told in sorted((field.get("metrics") or {}).items())
        if isinstance(told, Mapping) and isinstance(told.get("percentile"), int | float)
    }
    return {"percentiles": metrics, "origin_fallback": field.get("origin_fallback") is True}


def _in_range(row: Mapping[str, Any]) -> bool:
    return all(row[column] is None or 0 <= row[column] <= 100 for column in SCORES)


AUDIT_RULES = (
    RowRule("scores_0_to_100", _in_range, lambda row: str({column: row[column] for column in SCORES})),
    RowRule(
        "measured_or_explained",
        lambda row: (
            row["status"] != "ok" or row["lighthouse_version"] is not None or row["pagespeed_reason"] is not None
        ),
    ),
    RowRule("unmeasured_is_null", lambda row: row["status"] == "ok" or row["performance"] is None),
)
INSIGHT_RULES = (
    RowRule("has_a_headline", lambda row: bool(row["headline"])),
    RowRule("explains_its_findings", lambda row: len(row["explanations"] or {}) == len(row["finding_ids"])),
)
ROW_RULES = {"site_audits": AUDIT_RULES, "site_insights": INSIGHT_RULES}
