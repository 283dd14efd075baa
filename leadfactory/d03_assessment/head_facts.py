"""The facts of a home page's answer and head: headers, title, description, viewport, sharing, machine-readable data. Pure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from leadfactory.d03_assessment import site_words as words
from leadfactory.d03_assessment.document import Document, bare, host_of

Facts = dict[str, Any]
Examples = dict[str, list[str]]
_PHP = re.compile(r"php/(\d{1,3}\.\d{1,3}(?:\.\d{1,3})?)", re.IGNORECASE)
_WORDPRESS = re.compile(r"^\s*wordpress\s+(\d{1,3}\.\d{1,3}(?:\.\d{1,3})?)", re.IGNORECASE)
_MAX_AGE = re.compile(r"max-age\s*=\s*\"?0*[1-9]", re.IGNORECASE)
_INDEX_FILE = re.compile(r"/(?:index\.html|index\.htm|index\.php|default\.htm|default\.aspx)$", re.IGNORECASE)


def answer(doc: Document, examples: Examples) -> Facts:
    """What the headers of the answer tell."""
    page = doc.page
    told = page.headers
    policy = told.get("content-security-policy", "")
    software = " ".join((told.get("server", ""), told.get("x-powered-by", "")))
    generators = doc.metas('meta[name="generator" i]')
    facts: Facts = {
        "https": page.https,
        "compressed": page.compressed,
        "has_hsts": _MAX_AGE.search(told.get("strict-transport-security", "")) is not None,
        "has_csp": bool(policy) or doc.tree.css_first('meta[http-equiv="Content-Security-Policy" i]') is not None,
        "frame_protected": told.get("x-frame-options", "").strip().lower() in {"deny", "sameorigin"}
        or "frame-ancestors" in policy.lower(),
        "has_nosniff": told.get("x-content-type-options", "").strip().lower() == "nosniff",
        "has_referrer_policy": bool(told.get("referrer-policy", "").strip())
        or doc.tree.css_first('meta[name="referrer" i]') is not None,
        "version_told": any(character.isdigit() for text in (software, *generators) for character in text),
    }
    if page.https:
        facts["insecure_cookie_count"] = page.insecure_cookies
    php = _PHP.search(software)
    wordpress = next((found for each in generators if (found := _WORDPRESS.search(each))), None)
    if php is not None:
        facts["php_version"] = php[1]
    if wordpress is not None:
        facts["wordpress_version"] = wordpress[1]
    return facts


def head(doc: Document, examples: Examples) -> Facts:
    """Title, description, viewport, language, and whether search engines may show the page."""
    title, description, viewport = doc.title, doc.description, doc.meta('meta[name="viewport" i]')
    html = doc.tree.css_first("html")
    told = doc.page.headers.get("x-robots-tag", "").lower()
    robots = [each.lower() for each in doc.metas('meta[name="robots" i]')]
    facts: Facts = {
        "has_title": bool(title),
        "default_title": words.is_default_title(title),
        "title_length": len(title),
        "has_meta_description": bool(description),
        "description_length": len(description),
        "has_viewport": bool(viewport),
        "has_lang": bool(html is not None and (html.attributes.get("lang") or "").strip()),
        "noindex": any(word in each for each in (*robots, told) for word in ("noindex", "none")),
    }
    if title:
        examples["title_length"] = [title]
    if viewport:
        facts |= _viewport(viewport)
        examples["fixed_viewport"] = examples["zoom_blocked"] = [viewport]
    return facts


def _viewport(content: str) -> Facts:
    pairs = (part.partition("=") for part in re.split(r"[,;\s]+", re.sub(r"\s*=\s*", "=", content.lower())))
    parts = {name: value for name, _, value in pairs}
    scale = _number(parts.get("maximum-scale", ""))
    return {
        "fixed_viewport": _number(parts.get("width", "").removesuffix("px")) is not None,
        "zoom_blocked": parts.get("user-scalable") in {"no", "0"} or (scale is not None and scale < 5),
    }


def sharing(doc: Document, examples: Examples) -> Facts:
    """Open Graph, canonical address and business data."""
    image = doc.meta('meta[property="og:image" i]')
    canonical = next(
        (href for node in doc.tree.css('link[rel~="canonical" i]') if (href := (node.attributes.get("href") or "").strip())), ""
    )  # fmt: skip
    facts: Facts = {
        "has_open_graph": doc.tree.css_first('meta[property^="og:" i]') is not None,
        "has_og_image": bool(image),
        "has_canonical": bool(canonical),
    }
    target = doc.resolve(canonical) if canonical else None
    if target is not None:
        facts["canonical_elsewhere"] = _place(target) != _place(doc.url)
        examples["canonical_elsewhere"] = [target]
    data = doc.business_data()
    facts["has_json_ld_business"] = data is not None
    if data is not None:
        missing = [
            name for name in ("name", "address", "telephone", "geo", "url") if data.get(name) in (None, "", [], {})
        ]
        if all(data.get(name) in (None, "", [], {}) for name in ("openingHours", "openingHoursSpecification")):
            missing.append("openingHours")
        facts["json_ld_missing_count"] = len(missing)
        examples["json_ld_missing_count"] = missing
    return facts


def _place(url: str) -> tuple[str, str]:
    path = _INDEX_FILE.sub("/", urlsplit(url).path or "/")
    return bare(host_of(url)), unquote(path.rstrip("/"))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
