"""The rows that a Lighthouse audit shows: which element, which request, what it would save. They name what the HTML holds."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sandbox.model import Site
from sandbox.sites.inventory import resources
from sandbox.vendors.lighthouse_metrics import Measured

Row = dict[str, Any]
_SNIPPETS = {  # audit → the elements it complains about: selector, snippets
    "html-has-lang": ("html", ["<html>"]), "landmark-one-main": ("html", ["<html>"]), "document-title": ("html", ["<html>"]),
    "label": ("body > main > form", ['<input name="name">', '<input name="mail">', '<textarea name="text">']),
    "image-alt": ("body > main > img", []), "unsized-images": ("body > main > img", []),
    "color-contrast": ("body > main > p", ["<p>"] * 3), "link-text": ("body > nav > a", ['<a href="/contact">']),
}  # fmt: skip
_VALUE_TYPES = {
    "url": "url", "node": "node", "totalBytes": "bytes", "wastedBytes": "bytes", "transferSize": "bytes", "wastedMs": "timespanMs",
    "cacheLifetimeMs": "ms", "duration": "ms", "value": "numeric", "requestCount": "numeric",
}  # fmt: skip


def rows(audit_id: str, score: float | None, site: Site, lab: Measured, url: str) -> list[Row]:
    """The rows of an audit's table; none where there is nothing to show."""
    always = {
        "resource-summary": _summary, "total-byte-weight": _heaviest, "network-requests": _requests, "dom-size-insight": _nodes,
        "mainthread-work-breakdown": _work, "js-libraries": _libraries, "has-hsts": _headers, "csp-xss": _headers,
        "clickjacking-mitigation": _headers,
    }  # fmt: skip
    if audit_id in always:
        return always[audit_id](site, lab, url)
    if score is None or score >= 1:
        return []
    failing = {
        "is-on-https": _insecure, "errors-in-console": _errors, "unused-javascript": _unused, "unminified-javascript": _unused,
        "render-blocking-insight": _blocking, "cache-insight": _uncached, "image-delivery-insight": _images, "is-crawlable": _directive,
        "deprecations": _deprecated, "legacy-javascript-insight": _legacy, "unsized-images": _unsized,
    }  # fmt: skip
    if audit_id in failing:
        return failing[audit_id](site, lab, url)
    if audit_id == "link-text":
        return [
            {"href": _absolute(url, "/contact"), "text": "click here", "node": each}
            for each in _nodes_of(audit_id, site)
        ]
    return [{"node": each} for each in _nodes_of(audit_id, site)] if audit_id in _SNIPPETS else []


def headings(items: list[Row]) -> list[Row]:
    """The columns of a table with such rows."""
    first = items[0] if items else {}
    return [{"key": key, "valueType": _VALUE_TYPES.get(key, "text"), "label": key} for key in first]


def wasted_bytes(items: list[Row]) -> int:
    """What all rows together would save."""
    return sum(int(each.get("wastedBytes", 0)) for each in items)


def latency_checklist(site: Site, lab: Measured) -> Row:
    """The three questions about the document's request."""
    server = lab.numbers["server-response-time"]
    return {
        "noRedirects": {"label": "Avoids redirects", "value": lab.numbers["redirects"] == 0},
        "serverResponseIsFast": {"label": f"Server responds in {server:.0f} ms", "value": server < 600},
        "usesCompression": {"label": "Applies text compression", "value": "no_compression" not in site.defects},
    }


def _nodes_of(audit_id: str, site: Site) -> list[Row]:
    """The elements that fail an audit, as many as the home page has."""
    selector, snippets = _SNIPPETS[audit_id]
    pictures = [f'<img src="{each.path}">' for each in resources(site) if each.kind == "image"]
    return [
        {"type": "node", "selector": selector, "snippet": each, "nodeLabel": selector} for each in snippets or pictures
    ]


def _absolute(url: str, path: str) -> str:
    return "/".join(url.split("/", 3)[:3]) + path


def _summary(site: Site, _: Measured, __: str) -> list[Row]:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for each in resources(site):
        for kind in ("total", each.kind):
            counts[kind] += 1
            sizes[kind] += each.size
    return [
        {"resourceType": kind, "label": kind.capitalize(), "requestCount": counts[kind], "transferSize": sizes[kind]}
        for kind in ("total", "document", "stylesheet", "script", "image", "font", "media", "other", "third-party")
    ]


def _heaviest(site: Site, _: Measured, url: str) -> list[Row]:
    heavy = sorted(resources(site), key=lambda each: -each.size)[:10]
    return [{"url": _absolute(url, each.path), "totalBytes": each.size} for each in heavy]


def _requests(site: Site, _: Measured, url: str) -> list[Row]:
    return [
        {"url": _absolute(url, each.path), "transferSize": each.size, "statusCode": 200, "resourceType": each.kind.capitalize()}
        for each in resources(site)
    ]  # fmt: skip


def _nodes(_: Site, lab: Measured, __: str) -> list[Row]:
    count = int(lab.numbers["dom-size-insight"])
    return [{"statistic": "Total elements", "value": {"type": "numeric", "granularity": 1, "value": count}}]


def _work(_: Site, lab: Measured, __: str) -> list[Row]:
    total = lab.numbers["mainthread-work-breakdown"]
    parts = (
        ("scriptEvaluation", "Script Evaluation", 0.5),
        ("styleLayout", "Style & Layout", 0.3),
        ("other", "Other", 0.2),
    )
    return [{"group": group, "groupLabel": label, "duration": round(total * part, 1)} for group, label, part in parts]


def _libraries(site: Site, _: Measured, __: str) -> list[Row]:
    found: list[Row] = [{"name": "jQuery", "version": "1.8.3", "npm": "jquery"}] if "jquery_old" in site.defects else []
    return found + ([{"name": "WordPress"}] if site.platform == "wordpress" else [])


def _headers(site: Site, _: Measured, __: str) -> list[Row]:
    missing = "missing_security_headers" in site.defects
    return [{"severity": "High", "description": "The response lacks this header"}] if missing else []


def _insecure(site: Site, _: Measured, url: str) -> list[Row]:
    address = url if "no_https" in site.defects or url.startswith("http://") else "http://images.example/badge.gif"
    return [{"url": address, "resolution": "Allowed"}]


def _errors(_: Site, __: Measured, url: str) -> list[Row]:
    source = {"type": "source-location", "url": url, "urlProvider": "network", "line": 0, "column": 0}
    text = "ReferenceError: undefinedWidget is not defined"
    return [{"source": "exception", "description": text, "sourceLocation": source}]


def _unused(site: Site, _: Measured, url: str) -> list[Row]:
    scripts = [each for each in resources(site) if each.kind == "script"]
    return [
        {"url": _absolute(url, each.path), "totalBytes": each.size, "wastedBytes": each.size * 3 // 5, "wastedPercent": 60.0}
        for each in scripts[:8]
    ]  # fmt: skip


def _blocking(site: Site, _: Measured, url: str) -> list[Row]:
    found = [each for each in resources(site) if each.blocks]
    return [{"url": _absolute(url, each.path), "totalBytes": each.size, "wastedMs": 150} for each in found]


def _uncached(site: Site, _: Measured, url: str) -> list[Row]:
    found = [each for each in resources(site) if each.kind != "document"]
    return [
        {"url": _absolute(url, each.path), "cacheLifetimeMs": 0, "totalBytes": each.size, "wastedBytes": each.size}
        for each in found[:10]
    ]


def _images(site: Site, _: Measured, url: str) -> list[Row]:
    found = [each for each in resources(site) if each.kind == "image"]
    return [
        {"url": _absolute(url, each.path), "totalBytes": each.size, "wastedBytes": each.size * 4 // 5} for each in found
    ]


def _directive(site: Site, _: Measured, __: str) -> list[Row]:
    blocked = site.behaviour == "robots_disallow"
    return [{"source": "robots.txt: Disallow: /" if blocked else '<meta name="robots" content="noindex, nofollow">'}]


def _deprecated(_: Site, __: Measured, url: str) -> list[Row]:
    source = {"type": "source-location", "url": _absolute(url, "/js/jquery-1.8.3.min.js"), "line": 0, "column": 0}
    return [{"value": "Unload event listeners are deprecated.", "source": source}]


def _legacy(_: Site, __: Measured, url: str) -> list[Row]:
    return [{"url": _absolute(url, "/js/jquery-1.8.3.min.js"), "wastedBytes": 9_000}]


def _unsized(site: Site, _: Measured, url: str) -> list[Row]:
    found = [each for each in resources(site) if each.kind == "image"]
    nodes = _nodes_of("unsized-images", site)
    return [{"url": _absolute(url, each.path), "node": node} for each, node in zip(found, nodes, strict=True)]
