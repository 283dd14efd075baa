"""The audits of a Lighthouse 13 result: id, how it is scored, unit, kind of details. Facts of the format, no values."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Audit:
    """One audit's shape. ``details`` is the type of its details object, or None; ``fixed`` is the score when nothing is wrong."""

    id: str
    mode: str
    unit: str | None = None
    details: str | None = None
    fixed: float | None = None


def _many(mode: str, details: str | None, fixed: float | None, ids: str) -> list[Audit]:
    return [Audit(each, mode, None, details, fixed) for each in ids.split()]


METRICS = {
    "first-contentful-paint": ("millisecond", 1800, 3000, 10),
    "largest-contentful-paint": ("millisecond", 2500, 4000, 25),
    "total-blocking-time": ("millisecond", 200, 600, 30),
    "cumulative-layout-shift": ("unitless", 0.1, 0.25, 25),
    "speed-index": ("millisecond", 3387, 5800, 10),
}  # unit, p10, median, weight: Lighthouse's scoring curves for phones
AUDITS: dict[str, Audit] = {
    each.id: each
    for each in (
        *(Audit(name, "numeric", unit, "debugdata" if name == "cumulative-layout-shift" else None) for name, (unit, *_) in METRICS.items()),
        Audit("interactive", "numeric", "millisecond"),
        Audit("max-potential-fid", "numeric", "millisecond"),
        Audit("server-response-time", "metricSavings", "millisecond", "opportunity"),
        Audit("redirects", "metricSavings", "millisecond", "opportunity"),
        Audit("total-byte-weight", "metricSavings", "byte", "table"),
        Audit("mainthread-work-breakdown", "metricSavings", "millisecond", "table"),
        Audit("bootup-time", "metricSavings", "millisecond", "table"),
        Audit("unused-css-rules", "metricSavings", "millisecond", "opportunity"),
        Audit("unused-javascript", "metricSavings", "millisecond", "opportunity"),
        Audit("unminified-css", "metricSavings", "millisecond", "opportunity"),
        Audit("unminified-javascript", "metricSavings", "millisecond", "opportunity"),
        Audit("unsized-images", "metricSavings", None, "table"),
        Audit("dom-size-insight", "numeric", "element", "table"),
        *_many("metricSavings", "table", 1, "cache-insight duplicated-javascript-insight font-display-insight image-delivery-insight legacy-javascript-insight modern-http-insight render-blocking-insight"),
        Audit("document-latency-insight", "metricSavings", None, "checklist", 1),
        *_many("numeric", "table", 1, "third-parties-insight viewport-insight"),
        *_many("numeric", "list", 1, "forced-reflow-insight lcp-breakdown-insight lcp-discovery-insight network-dependency-tree-insight"),
        *_many("informative", "table", 1, "has-hsts csp-xss clickjacking-mitigation origin-isolation js-libraries layout-shifts long-tasks resource-summary"),
        *_many("binary", "table", 1, "is-on-https errors-in-console image-aspect-ratio image-size-responsive deprecations third-party-cookies inspector-issues geolocation-on-start notification-on-start paste-preventing-inputs valid-source-maps bf-cache"),
        *_many("binary", None, 1, "doctype charset meta-description http-status-code"),
        *_many("binary", "table", 1, "document-title html-has-lang image-alt label link-name link-text crawlable-anchors is-crawlable robots-txt hreflang color-contrast heading-order landmark-one-main meta-viewport aria-allowed-attr aria-hidden-body aria-prohibited-attr aria-required-attr aria-roles aria-valid-attr aria-valid-attr-value link-in-text-block"),
        *_many("notApplicable", None, None, "canonical button-name frame-title list listitem target-size video-caption redirects-http select-name tabindex"),
        *_many("manual", None, None, "structured-data logical-tab-order focus-traps use-landmarks"),
    )
}  # fmt: skip
CATEGORIES: dict[str, tuple[str, dict[str, float]]] = {
    "performance": ("Performance", {name: weight for name, (_, _, _, weight) in METRICS.items()} | dict.fromkeys(
        ["interactive", "max-potential-fid", "server-response-time", "redirects", "total-byte-weight", "mainthread-work-breakdown", "bootup-time", "unused-css-rules", "unused-javascript", "unminified-css", "unminified-javascript", "unsized-images", "dom-size-insight", "cache-insight", "image-delivery-insight", "render-blocking-insight", "document-latency-insight", "viewport-insight", "legacy-javascript-insight", "layout-shifts", "long-tasks"], 0)),
    "accessibility": ("Accessibility", {
        "image-alt": 10, "label": 10, "meta-viewport": 10, "aria-allowed-attr": 10, "aria-hidden-body": 10, "aria-required-attr": 10,
        "aria-roles": 10, "aria-valid-attr": 10, "aria-valid-attr-value": 10, "color-contrast": 7, "document-title": 7, "html-has-lang": 7,
        "link-name": 7, "link-in-text-block": 7, "aria-prohibited-attr": 7, "heading-order": 3, "landmark-one-main": 3, "button-name": 0}),
    "best-practices": ("Best Practices", {
        "is-on-https": 5, "deprecations": 5, "third-party-cookies": 5, "paste-preventing-inputs": 3, "geolocation-on-start": 1,
        "notification-on-start": 1, "image-aspect-ratio": 1, "image-size-responsive": 1, "doctype": 1, "charset": 1, "errors-in-console": 1,
        "inspector-issues": 1, "js-libraries": 0, "valid-source-maps": 0, "has-hsts": 0, "csp-xss": 0}),
    "seo": ("SEO", {
        "is-crawlable": 4, "document-title": 1, "meta-description": 1, "http-status-code": 1, "link-text": 1, "crawlable-anchors": 1,
        "robots-txt": 1, "image-alt": 1, "hreflang": 1, "canonical": 0, "structured-data": 0}),
}  # fmt: skip
# Which audit a defect of the site's HTML fails.
FAILED_BY = {
    "missing_title": "document-title", "no_meta_description": "meta-description", "no_lang": "html-has-lang", "no_viewport": "meta-viewport",
    "images_without_alt": "image-alt", "form_without_label": "label", "low_contrast": "color-contrast", "noindex": "is-crawlable",
    "no_https": "is-on-https", "mixed_content": "is-on-https", "console_error": "errors-in-console", "generic_link_text": "link-text",
    "multiple_h1": "heading-order", "jquery_old": "deprecations",
}  # fmt: skip
