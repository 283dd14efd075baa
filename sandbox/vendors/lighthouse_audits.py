"""The audits of a Lighthouse 13 result: id, how it is scored, unit, kind of details. Facts of the format, no values."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Audit:
    """One audit's shape: ``details`` is the type of its details object, ``savings`` the metrics it could improve."""

    id: str
    mode: str
    unit: str | None = None
    details: str | None = None
    savings: tuple[str, ...] = ()


def _many(mode: str, details: str | None, ids: str, savings: str = "") -> list[Audit]:
    return [Audit(each, mode, None, details, tuple(savings.split())) for each in ids.split()]


_PAINT = ("FCP", "LCP")
# Order of a real result does not matter; what each line shares does.
_ALL = (
    *(Audit(each, "numeric", "millisecond") for each in (
        "first-contentful-paint", "largest-contentful-paint", "speed-index", "total-blocking-time", "max-potential-fid", "interactive")),
    Audit("cumulative-layout-shift", "numeric", "unitless", "debugdata"),
    *(Audit(each, "metricSavings", "millisecond", "opportunity", _PAINT) for each in (
        "server-response-time", "redirects", "unminified-css", "unminified-javascript", "unused-css-rules", "unused-javascript")),
    *(Audit(each, "metricSavings", "millisecond", "table", ("TBT",)) for each in ("mainthread-work-breakdown", "bootup-time")),
    Audit("total-byte-weight", "metricSavings", "byte", "table"),
    Audit("dom-size-insight", "numeric", "element", "table", ("INP",)),
    Audit("metrics", "informative", "millisecond", "debugdata"),
    Audit("network-rtt", "informative", "millisecond", "table"),
    Audit("network-server-latency", "informative", "millisecond", "table"),
    *_many("metricSavings", "table", "cache-insight duplicated-javascript-insight image-delivery-insight legacy-javascript-insight modern-http-insight render-blocking-insight", "FCP LCP"),
    *_many("metricSavings", "table", "unsized-images", "CLS"),
    *_many("metricSavings", "table", "font-display-insight", "INP"),
    *_many("metricSavings", "checklist", "document-latency-insight", "FCP LCP"),
    *_many("numeric", "table", "viewport-insight", "INP"),
    *_many("numeric", "table", "third-parties-insight"),
    *_many("numeric", "list", "forced-reflow-insight"),
    *_many("numeric", "list", "lcp-breakdown-insight lcp-discovery-insight network-dependency-tree-insight", "LCP"),
    *_many("informative", "list", "cls-culprits-insight", "CLS"),
    *_many("informative", "table", "layout-shifts non-composited-animations", "CLS"),
    *_many("informative", "table", "long-tasks", "TBT"),
    *_many("informative", "table", "user-timings network-requests main-thread-tasks resource-summary csp-xss has-hsts origin-isolation clickjacking-mitigation trusted-types-xss js-libraries baseline"),
    *_many("informative", "debugdata", "diagnostics"),
    *_many("informative", None, "script-treemap-data"),
    *_many("informative", "list", "webmcp-registered-tools"),
    *_many("binary", "list", "agent-accessibility-tree"),
    *_many("binary", None, "doctype charset meta-description http-status-code"),
    *_many("binary", "table", "is-on-https errors-in-console image-aspect-ratio image-size-responsive deprecations third-party-cookies valid-source-maps geolocation-on-start inspector-issues notification-on-start paste-preventing-inputs bf-cache webmcp-schema-validity"),
    *_many("binary", "table", "link-text crawlable-anchors is-crawlable robots-txt hreflang"),
    *_many("binary", "table", "aria-allowed-attr aria-conditional-attr aria-deprecated-role aria-hidden-body aria-prohibited-attr aria-required-attr aria-roles aria-valid-attr-value aria-valid-attr color-contrast document-title heading-order html-has-lang image-alt label landmark-one-main link-name link-in-text-block meta-viewport svg-img-alt"),
    *_many("notApplicable", None, "redirects-http canonical webmcp-form-coverage llms-txt inp-breakdown-insight"),
    *_many("notApplicable", None, "accesskeys aria-allowed-role aria-command-name aria-dialog-name aria-hidden-focus aria-input-field-name aria-meter-name aria-progressbar-name aria-required-children aria-required-parent aria-text aria-toggle-field-name aria-tooltip-name aria-treeitem-name button-name bypass definition-list dlitem duplicate-id-aria empty-heading form-field-multiple-labels frame-title html-lang-valid html-xml-lang-mismatch identical-links-same-purpose image-redundant-alt input-button-name input-image-alt label-content-name-mismatch list listitem meta-refresh object-alt select-name skip-link tabindex table-duplicate-name table-fake-caption target-size td-has-header td-headers-attr th-has-data-cells valid-lang video-caption autocomplete-valid presentation-role-conflict"),
    *_many("manual", None, "custom-controls-labels custom-controls-roles focus-traps focusable-controls interactive-element-affordance logical-tab-order managed-focus offscreen-content-hidden use-landmarks visual-order-follows-dom structured-data"),
)  # fmt: skip
AUDITS: dict[str, Audit] = {each.id: each for each in _ALL}
# Which audit a defect of the site's HTML fails; the rest is decided by what was measured.
FAILED_BY = {
    "missing_title": "document-title", "no_meta_description": "meta-description", "no_lang": "html-has-lang", "no_viewport": "viewport-insight",
    "images_without_alt": "image-alt", "form_without_label": "label", "low_contrast": "color-contrast", "noindex": "is-crawlable",
    "no_https": "is-on-https", "mixed_content": "is-on-https", "console_error": "errors-in-console", "generic_link_text": "link-text",
    "jquery_old": "deprecations", "table_layout": "landmark-one-main", "huge_images": "image-delivery-insight",
    "no_cache_headers": "cache-insight",
}  # fmt: skip
