"""Builds a Lighthouse result from a site: the same defects that its HTML shows decide metrics and audits."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sandbox.model import Site
from sandbox.vendors.lighthouse_audits import AUDITS, FAILED_BY, Audit
from sandbox.vendors.lighthouse_categories import CATEGORIES, GROUPS, REFERENCES, score
from sandbox.vendors.lighthouse_details import headings, latency_checklist, rows, wasted_bytes
from sandbox.vendors.lighthouse_metrics import Measured, measure

VERSION = "13.4.1"
HOST_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36"
)
PHONE_AGENT = "Mozilla/5.0 (Linux; Android 14; sandbox phone) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36"
_FAILING: dict[str, frozenset[str]] = {
    audit: frozenset(d for d, failed in FAILED_BY.items() if failed == audit) for audit in FAILED_BY.values()
}
_FIXED = {
    each.id: {
        "id": each.id,
        "title": each.id.replace("-", " ").capitalize(),
        "description": f"Audit {each.id}.",
        "scoreDisplayMode": each.mode,
    }
    for each in AUDITS.values()
}
_UNSCORED = {"manual", "notApplicable"}


def result(
    site: Site, url: str, final_url: str, categories: list[str], phone: bool, now: dt.datetime, error: str | None = None
) -> dict[str, Any]:
    """A ``lighthouseResult`` of the categories asked for; with ``error``, a Lighthouse code, one of a page that failed."""
    lab = measure(site, phone)
    wanted = {each for name in categories for each in CATEGORIES[name][1]}
    audits = {each: _audit(AUDITS[each], site, lab, final_url, error) for each in AUDITS if each in wanted}
    scores = {name: audit["score"] for name, audit in audits.items()}
    form, agent = ("mobile", PHONE_AGENT) if phone else ("desktop", HOST_AGENT)
    host = final_url.split("/", 3)[2]
    found: dict[str, Any] = {
        "requestedUrl": url, "finalUrl": final_url, "finalDisplayedUrl": final_url, "mainDocumentUrl": final_url,
        "lighthouseVersion": VERSION, "userAgent": HOST_AGENT, "fetchTime": now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "environment": {"networkUserAgent": agent, "hostUserAgent": HOST_AGENT, "benchmarkIndex": 1400.0, "credits": {"axe-core": "4.11.2"}},
        "runWarnings": [],
        "configSettings": {"emulatedFormFactor": form, "formFactor": form, "locale": "en-US", "onlyCategories": categories, "channel": "lr"},
        "audits": audits,
        "categories": {
            name: {"id": name, "title": CATEGORIES[name][0], "score": None if error else score(name, scores), "auditRefs": REFERENCES[name]}
            for name in categories
        },
        "categoryGroups": GROUPS,
        "entities": [{"name": host, "origins": [final_url.removesuffix("/").rsplit(host, 1)[0] + host], "isFirstParty": True, "isUnrecognized": True}],
        "timing": {"total": round(4000 + lab.numbers["interactive"], 1)},
        "i18n": {"rendererFormattedStrings": {}},
    }  # fmt: skip
    if error:
        found["runtimeError"] = {"code": error, "message": f"The page did not load as a page should ({error})."}
        found["runWarnings"] = [found["runtimeError"]["message"]]
    return found


def _audit(audit: Audit, site: Site, lab: Measured, url: str, error: str | None) -> dict[str, Any]:
    out: dict[str, Any] = dict(_FIXED[audit.id])
    if error and audit.mode not in _UNSCORED:
        return out | {
            "score": None,
            "scoreDisplayMode": "error",
            "errorMessage": f"Lighthouse could not gather what this needs: {error}",
        }
    out["score"] = value = _score(audit, site, lab, url)
    if audit.unit is not None:
        number = lab.numbers[audit.id]
        out |= {"numericValue": number, "numericUnit": audit.unit, "displayValue": _shown(number, audit.unit)}
    if audit.details is not None:
        out["details"] = _details(audit, value, site, lab, url)
    if audit.savings:
        lacking = 0 if value is None else round(600 * (1 - value), -1)
        out["metricSavings"] = {name: round(lacking / 4000, 3) if name == "CLS" else lacking for name in audit.savings}
    return out


def _score(audit: Audit, site: Site, lab: Measured, url: str) -> float | None:
    if audit.mode in _UNSCORED:
        return None
    if audit.mode == "informative":
        return 1
    if audit.id in lab.scores:
        return lab.scores[audit.id]
    if site.defects & _FAILING.get(audit.id, frozenset()):
        return 0
    return _measured_verdict(audit.id, site, lab, url)


def _measured_verdict(audit_id: str, site: Site, lab: Measured, url: str) -> float:
    bad, numbers = site.defects, lab.numbers
    passed = {
        "is-on-https": url.startswith("https://"),
        "is-crawlable": site.behaviour != "robots_disallow",
        "render-blocking-insight": not bad & {"render_blocking_css", "render_blocking_scripts", "jquery_old"},
        "legacy-javascript-insight": "jquery_old" not in bad,
        "lcp-breakdown-insight": numbers["largest-contentful-paint"] <= 2500,
        "agent-accessibility-tree": "form_without_label" not in bad,
        "server-response-time": numbers["server-response-time"] < 600,
        "redirects": numbers["redirects"] == 0,
        "mainthread-work-breakdown": numbers["mainthread-work-breakdown"] < 4000,
        "bootup-time": numbers["bootup-time"] < 2000,
        "dom-size-insight": numbers["dom-size-insight"] < 1400,
        "unused-css-rules": numbers["unused-css-rules"] == 0,
        "unused-javascript": numbers["unused-javascript"] == 0,
        "unminified-javascript": numbers["unminified-javascript"] == 0,
        "total-byte-weight": numbers["total-byte-weight"] < 2_667_000,
    }
    halved = {
        "unsized-images": bool(bad & {"unsized_images", "layout_shift"}),
        "document-latency-insight": bool(bad & {"no_compression", "slow_server"}),
        "total-byte-weight": numbers["total-byte-weight"] < 4_000_000,
    }
    if passed.get(audit_id, not halved.get(audit_id, False)):
        return 1
    return 0.5 if halved.get(audit_id) else 0


def _details(audit: Audit, value: float | None, site: Site, lab: Measured, url: str) -> dict[str, Any]:
    if audit.details == "checklist":
        return {"type": "checklist", "items": latency_checklist(site, lab)}
    if audit.details == "debugdata":
        return {"type": "debugdata", "items": [_debug_row(audit.id, lab)]}
    items = rows(audit.id, value, site, lab, url)
    found: dict[str, Any] = {"type": audit.details, "items": items}
    if audit.details in {"table", "opportunity"}:
        found["headings"] = headings(items)
    if audit.details == "opportunity":
        found |= {
            "overallSavingsMs": lab.numbers[audit.id] if value == 0 else 0,
            "overallSavingsBytes": wasted_bytes(items),
        }
    return found


def _debug_row(audit_id: str, lab: Measured) -> dict[str, Any]:
    numbers = lab.numbers
    if audit_id == "cumulative-layout-shift":
        return {"cumulativeLayoutShiftMainFrame": numbers[audit_id]}
    if audit_id == "diagnostics":
        return {"totalByteWeight": lab.total_bytes, "maxServerLatency": numbers["server-response-time"]}
    return {
        "firstContentfulPaint": round(numbers["first-contentful-paint"]), "largestContentfulPaint": round(numbers["largest-contentful-paint"]),
        "interactive": round(numbers["interactive"]), "speedIndex": round(numbers["speed-index"]),
        "totalBlockingTime": round(numbers["total-blocking-time"]), "cumulativeLayoutShift": numbers["cumulative-layout-shift"],
        "timeToFirstByte": round(numbers["server-response-time"]),
    }  # fmt: skip


def _shown(value: float, unit: str) -> str:
    if unit == "millisecond":
        return f"{value / 1000:.1f}\u00a0s" if value >= 1000 else f"{value:.0f}\u00a0ms"
    if unit == "byte":
        return f"Total size was {value / 1024:,.0f}\u00a0KiB"
    return f"{value:,.0f} elements" if unit == "element" else f"{value:.3f}"
