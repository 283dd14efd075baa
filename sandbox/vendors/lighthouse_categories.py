"""The categories of a Lighthouse 13 result: which audits count in each, with what weight, in which group. Facts of the format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.lighthouse_audits import AUDITS

Weights = dict[str, tuple[float, str | None]]  # audit id → weight, group


def _group(group: str | None, **weights: float) -> Weights:
    return {name.replace("_", "-"): (weight, group) for name, weight in weights.items()}


def _rest(group: str | None, ids: str) -> Weights:
    return dict.fromkeys(ids.split(), (0.0, group))


_PERFORMANCE: Weights = {
    **_group("metrics", first_contentful_paint=10, largest_contentful_paint=25, total_blocking_time=30, cumulative_layout_shift=25, speed_index=10),
    **_rest("insights", " ".join(each for each in AUDITS if each.endswith("-insight"))),
    **_rest("diagnostics", "unminified-css unminified-javascript unused-css-rules unused-javascript total-byte-weight user-timings bootup-time mainthread-work-breakdown long-tasks non-composited-animations unsized-images bf-cache"),
    **_rest("hidden", "interactive max-potential-fid network-requests network-rtt network-server-latency main-thread-tasks diagnostics metrics script-treemap-data resource-summary redirects server-response-time layout-shifts"),
}  # fmt: skip
_ACCESSIBILITY: Weights = {
    **_group("a11y-aria", aria_allowed_attr=10, aria_conditional_attr=7, aria_deprecated_role=1, aria_hidden_body=10, aria_prohibited_attr=7, aria_required_attr=10, aria_roles=10, aria_valid_attr_value=10, aria_valid_attr=10),
    **_group("a11y-names-labels", document_title=7, image_alt=10, label=10, link_name=7),
    **_group("a11y-color-contrast", color_contrast=7, link_in_text_block=7),
    **_group("a11y-navigation", heading_order=3), **_group("a11y-language", html_has_lang=7),
    **_group("a11y-best-practices", meta_viewport=10, landmark_one_main=3, svg_img_alt=1),
    **_rest("a11y-navigation", "accesskeys bypass tabindex"),
    **_rest("a11y-aria", "aria-command-name aria-dialog-name aria-hidden-focus aria-input-field-name aria-meter-name aria-progressbar-name aria-required-children aria-required-parent aria-text aria-toggle-field-name aria-tooltip-name aria-treeitem-name duplicate-id-aria"),
    **_rest("a11y-names-labels", "button-name form-field-multiple-labels frame-title image-redundant-alt input-button-name input-image-alt object-alt select-name skip-link"),
    **_rest("a11y-tables-lists", "definition-list dlitem list listitem td-headers-attr th-has-data-cells"),
    **_rest("a11y-language", "html-lang-valid html-xml-lang-mismatch valid-lang"), **_rest("a11y-audio-video", "video-caption"),
    **_rest("a11y-best-practices", "aria-allowed-role autocomplete-valid empty-heading identical-links-same-purpose meta-refresh presentation-role-conflict table-duplicate-name target-size"),
    **_rest(None, "custom-controls-labels custom-controls-roles focus-traps focusable-controls interactive-element-affordance logical-tab-order managed-focus offscreen-content-hidden use-landmarks visual-order-follows-dom"),
    **_rest("hidden", "label-content-name-mismatch table-fake-caption td-has-header"),
}  # fmt: skip
_BEST_PRACTICES: Weights = {
    **_group("best-practices-trust-safety", is_on_https=5, geolocation_on_start=1, notification_on_start=1),
    **_rest("best-practices-trust-safety", "redirects-http csp-xss has-hsts origin-isolation clickjacking-mitigation trusted-types-xss"),
    **_group("best-practices-ux", paste_preventing_inputs=3, image_aspect_ratio=1, image_size_responsive=1),
    **_group("best-practices-browser-compat", doctype=1, charset=1), **_rest("best-practices-browser-compat", "baseline"),
    **_group("best-practices-general", deprecations=5, third_party_cookies=5, errors_in_console=1, inspector_issues=1),
    **_rest("best-practices-general", "js-libraries valid-source-maps"),
}  # fmt: skip
_CRAWLABLE = 93 / 23  # so much that a page which blocks search engines cannot pass the category
_SEO: Weights = {
    **_group("seo-crawl", is_crawlable=_CRAWLABLE, http_status_code=1, crawlable_anchors=1, robots_txt=1),
    **_group("seo-content", document_title=1, meta_description=1, link_text=1, image_alt=1, hreflang=1),
    **_rest("seo-content", "canonical"), **_rest(None, "structured-data"),
}  # fmt: skip
_AGENTIC: Weights = {
    **_group("agent-accessibility", agent_accessibility_tree=1), **_group("webmcp", webmcp_schema_validity=1),
    **_group(None, cumulative_layout_shift=1), **_rest("webmcp", "webmcp-form-coverage webmcp-registered-tools"),
    **_rest("agent-accessibility", "llms-txt"),
}  # fmt: skip
CATEGORIES: dict[str, tuple[str, Weights]] = {
    "performance": ("Performance", _PERFORMANCE),
    "accessibility": ("Accessibility", _ACCESSIBILITY),
    "best-practices": ("Best Practices", _BEST_PRACTICES),
    "seo": ("SEO", _SEO),
    "agentic-browsing": ("Agentic Browsing", _AGENTIC),
}
REFERENCES: dict[str, list[dict[str, Any]]] = {
    name: [
        {"id": each, "weight": weight, **({"group": group} if group else {})}
        for each, (weight, group) in weights.items()
    ]
    for name, (_, weights) in CATEGORIES.items()
}
GROUPS = {
    group: {"title": group.replace("-", " ").replace("a11y", "Accessibility:").capitalize()}
    for _, weights in CATEGORIES.values()
    for _, group in weights.values()
    if group
}


def score(name: str, scores: Mapping[str, float | None]) -> float | None:
    """A category's score: the weighted mean of the audits that have one, to two decimals; None when none has."""
    counted = [(scores[each], weight) for each, (weight, _) in CATEGORIES[name][1].items() if weight]
    known = [(value, weight) for value, weight in counted if value is not None]
    total = sum(weight for _, weight in known)
    return round(sum(value * weight for value, weight in known) / total, 2) if total else None
