"""Builds a Lighthouse result from a site: the same defects that its HTML shows decide metrics and audits."""

from __future__ import annotations

import datetime as dt
import math
import random
from typing import Any

from sandbox.model import Site
from sandbox.vendors.lighthouse_audits import AUDITS, CATEGORIES, FAILED_BY, METRICS, Audit

VERSION = "13.4.1"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36"
_ERFC_INVERSE_OF_A_FIFTH = 0.9061938024368232  # fixes a curve's p10 and median (Lighthouse scoring documentation)


def curve_score(value: float, p10: float, median: float) -> float:
    """Lighthouse's log-normal score of a metric, 0 to 1."""
    if value <= 0:
        return 1.0
    standard = math.log(value / median) * _ERFC_INVERSE_OF_A_FIFTH / -math.log(p10 / median)
    return round((1 - math.erf(standard)) / 2, 2)


def measured(site: Site, phone: bool) -> dict[str, float]:
    """The lab metrics that such a page has: milliseconds, bytes, elements, a unitless shift."""
    bad, rng = site.defects, random.Random(f"lab:{site.host}")
    slow = 1.0 if phone else 0.35
    blocking = (
        420 * ("render_blocking_scripts" in bad) + 260 * ("render_blocking_css" in bad) + 300 * ("jquery_old" in bad)
    )
    server = 180 + 1400 * ("slow_server" in bad) + rng.randrange(0, 160)
    weight = site.weight_kb * (1.6 if "no_compression" in bad else 1.0)
    fcp = (900 + server * 0.6 + blocking * 2.2 + rng.randrange(0, 500)) * slow
    lcp = fcp + (500 + weight * 0.9 + 700 * ("unsized_images" in bad)) * slow
    tbt = (
        60
        + 180 * ("unused_scripts" in bad)
        + 220 * ("large_dom" in bad)
        + 160 * ("jquery_old" in bad)
        + 240 * ("render_blocking_scripts" in bad)
        + rng.randrange(0, 120)
    ) * slow
    cls = 0.02 + 0.19 * ("layout_shift" in bad) + 0.12 * ("unsized_images" in bad) + rng.random() * 0.04
    return {
        "first-contentful-paint": round(fcp, 1), "largest-contentful-paint": round(lcp, 1), "total-blocking-time": round(tbt, 1),
        "cumulative-layout-shift": round(cls, 4), "speed-index": round((fcp + lcp) / 2 + 300 * slow, 1), "interactive": round(lcp + tbt, 1),
        "max-potential-fid": round(50 + tbt / 3, 1), "server-response-time": float(server), "redirects": 630.0 * ("redirect" in site.behaviour),
        "total-byte-weight": round(weight * 1024), "mainthread-work-breakdown": round(900 + tbt * 4, 1), "bootup-time": round(300 + tbt * 2, 1),
        "dom-size-insight": float(260 + 1800 * ("large_dom" in bad) + rng.randrange(0, 200)), "unused-css-rules": 300.0 * ("render_blocking_css" in bad),
        "unused-javascript": 900.0 * ("unused_scripts" in bad), "unminified-css": 0.0, "unminified-javascript": 150.0 * ("jquery_old" in bad),
    }  # fmt: skip


def result(
    site: Site, url: str, final_url: str, categories: list[str], phone: bool, now: dt.datetime
) -> dict[str, Any]:
    """A ``lighthouseResult`` of the categories asked for."""
    numbers = measured(site, phone)
    wanted = {each for name in categories for each in CATEGORIES[name][1]}
    audits = {each: _audit(AUDITS[each], site, numbers, final_url) for each in AUDITS if each in wanted}
    form = "mobile" if phone else "desktop"
    return {
        "requestedUrl": url, "finalUrl": final_url, "finalDisplayedUrl": final_url, "mainDocumentUrl": final_url,
        "lighthouseVersion": VERSION, "userAgent": AGENT, "fetchTime": now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "environment": {"networkUserAgent": AGENT, "hostUserAgent": AGENT, "benchmarkIndex": 1400.0},
        "runWarnings": [],
        "configSettings": {"emulatedFormFactor": form, "formFactor": form, "locale": "en-US", "onlyCategories": categories, "channel": "lr"},
        "audits": audits,
        "categories": {name: _category(name, audits) for name in categories},
        "categoryGroups": {"metrics": {"title": "Metrics"}},
        "timing": {"total": round(4000 + numbers["largest-contentful-paint"], 1)},
        "i18n": {"rendererFormattedStrings": {}},
    }  # fmt: skip


def _category(name: str, audits: dict[str, Any]) -> dict[str, Any]:
    title, weights = CATEGORIES[name]
    counted = [
        (audits[each]["score"], weight)
        for each, weight in weights.items()
        if weight and audits[each]["score"] is not None
    ]
    total = sum(weight for _, weight in counted)
    score = round(sum(score * weight for score, weight in counted) / total, 2) if total else None
    return {
        "id": name,
        "title": title,
        "score": score,
        "auditRefs": [{"id": each, "weight": weight} for each, weight in weights.items()],
    }


def _audit(audit: Audit, site: Site, numbers: dict[str, float], url: str) -> dict[str, Any]:
    out: dict[str, Any] = {
        "id": audit.id,
        "title": audit.id.replace("-", " ").capitalize(),
        "description": "",
        "score": _score(audit, site, numbers),
    }
    out["scoreDisplayMode"] = audit.mode
    if audit.unit is not None:
        value = numbers[audit.id]
        out |= {"numericValue": value, "numericUnit": audit.unit, "displayValue": _shown(value, audit.unit)}
    if audit.details is not None:
        out["details"] = _details(audit, out["score"], url)
    if audit.mode == "metricSavings":
        out["metricSavings"] = {"FCP": 0, "LCP": 0 if out["score"] == 1 else 300}
    return out


def _score(audit: Audit, site: Site, numbers: dict[str, float]) -> float | None:
    if audit.mode in {"manual", "notApplicable"}:
        return None
    if audit.id in METRICS:
        _, p10, median, _ = METRICS[audit.id]
        return curve_score(numbers[audit.id], p10, median)
    bad = site.defects
    if any(audit.id == failed and defect in bad for defect, failed in FAILED_BY.items()):
        return 0
    verdicts = {
        "interactive": lambda: curve_score(numbers["interactive"], 3785, 7300),
        "max-potential-fid": lambda: curve_score(numbers["max-potential-fid"], 130, 250),
        "server-response-time": lambda: int(numbers["server-response-time"] < 600),
        "redirects": lambda: int(numbers["redirects"] == 0),
        "total-byte-weight": lambda: (
            1 if numbers["total-byte-weight"] < 2_667_000 else 0.5 if numbers["total-byte-weight"] < 4_000_000 else 0
        ),
        "mainthread-work-breakdown": lambda: int(numbers["mainthread-work-breakdown"] < 4000),
        "bootup-time": lambda: int(numbers["bootup-time"] < 2000),
        "dom-size-insight": lambda: int(numbers["dom-size-insight"] < 1400),
        "unused-css-rules": lambda: int(numbers["unused-css-rules"] == 0),
        "unused-javascript": lambda: int(numbers["unused-javascript"] == 0),
        "unminified-javascript": lambda: int(numbers["unminified-javascript"] == 0),
        "unsized-images": lambda: 0.5 if bad & {"unsized_images", "layout_shift"} else 1,
        "cache-insight": lambda: 0 if "no_cache_headers" in bad else 1,
        "image-delivery-insight": lambda: 0 if "huge_images" in bad else 1,
        "render-blocking-insight": lambda: 0 if bad & {"render_blocking_css", "render_blocking_scripts"} else 1,
        "document-latency-insight": lambda: 0.5 if bad & {"no_compression", "slow_server"} else 1,
        "viewport-insight": lambda: 0 if "no_viewport" in bad else 1,
        "legacy-javascript-insight": lambda: 0 if "jquery_old" in bad else 1,
    }
    return verdicts[audit.id]() if audit.id in verdicts else 1


def _details(audit: Audit, score: float | None, url: str) -> dict[str, Any]:
    if audit.details in {"debugdata", "checklist"}:
        return {"type": audit.details, "items": {} if audit.details == "checklist" else []}
    item = {"url": url} if score is not None and score < 1 else None
    base: dict[str, Any] = {"type": audit.details, "items": [item] if item and audit.details != "list" else []}
    if audit.details in {"table", "opportunity"}:
        base["headings"] = [{"key": "url", "label": "URL", "valueType": "url"}] if item else []
    if audit.details == "opportunity":
        base |= {"overallSavingsMs": 0 if score == 1 else 600, "overallSavingsBytes": 0}
    return base


def _shown(value: float, unit: str) -> str:
    if unit == "millisecond":
        return f"{value / 1000:.1f}\u00a0s" if value >= 1000 else f"{value:.0f}\u00a0ms"
    if unit == "byte":
        return f"Total size was {value / 1024:,.0f}\u00a0KiB"
    return f"{value:,.0f} elements" if unit == "element" else f"{value:.3f}"
