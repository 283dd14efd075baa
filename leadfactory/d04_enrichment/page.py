"""What our own parser measures on a business's home page.

``page_facts`` holds, each key only when it is known:
has_title, title_length, has_meta_description, h1_count, has_viewport, images_total, images_without_alt, has_lang, https,
mixed_content_count, has_favicon, form_count, inputs_without_label, tel_link_count, phone_visible, address_visible, hours_visible,
has_json_ld_business, copyright_year, noindex, has_open_graph, script_count, blocking_script_count, stylesheet_count,
has_analytics, jquery_version, has_flash, table_layout, lorem_ipsum, compressed, cache_control, html_bytes, elapsed_ms,
has_hsts, has_csp, generic_link_count, parked.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser

from leadfactory.d00_gateway.website.client import SitePage
from leadfactory.d04_enrichment import contacts

_YEAR = re.compile(r"(?:©|&copy;|copyright)\s*(?:\d{4}\s*[-–]\s*)?((?:19|20)\d{2})", re.IGNORECASE)
_JQUERY = re.compile(r"jquery[-./]?(\d+\.\d+(?:\.\d+)?)", re.IGNORECASE)
_PARKED = re.compile(r"domain (?:is )?(?:parked|for sale)|buy this domain", re.IGNORECASE)
_GENERIC = {"click here", "here", "read more", "more", "link"}
_PLATFORMS = (
    ("wordpress", "wp-content"), ("wix", "wix.com"), ("squarespace", "squarespace"), ("shopify", "shopify"),
    ("godaddy", "go daddy website builder"), ("weebly", "weebly"), ("webflow", "webflow"), ("duda", "dudaone"),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Reading:
    """What one page says: the business's own words about itself, measurements, and the contact page it links."""

    own_name: str | None
    own_phone: str | None
    own_address: str | None
    own_hours: Any
    emails: tuple[contacts.Contact, ...]
    platform: str | None
    facts: dict[str, Any]
    contact_url: str | None


def read(page: SitePage) -> Reading:
    """Reads a page; never raises for what a page may contain."""
    tree = LexborHTMLParser(page.html)
    data = contacts.linked_data(tree)
    body = tree.body
    text = body.text(separator=" ", strip=True) if body is not None else ""
    own_phone, own_address, own_hours = (
        contacts.phone(tree, text, data),
        contacts.address(text, data),
        contacts.hours(text, data),
    )
    facts = _head(tree, page) | _content(tree, text, page) | _technique(tree, page)
    facts |= {
        "phone_visible": own_phone is not None,
        "address_visible": own_address is not None,
        "hours_visible": own_hours is not None,
        "has_json_ld_business": bool(data),
    }
    return Reading(
        contacts.name(tree, data), own_phone, own_address, own_hours, tuple(contacts.contacts(tree, text, data)),
        _platform(page.html), facts, _contact_url(tree, page.final_url),
    )  # fmt: skip


def _head(tree: LexborHTMLParser, page: SitePage) -> dict[str, Any]:
    title = tree.css_first("title")
    title_text = title.text(strip=True) if title is not None else ""
    html = tree.css_first("html")
    robots = tree.css_first('meta[name="robots" i]')
    return {
        "has_title": bool(title_text),
        "title_length": len(title_text),
        "has_meta_description": bool(_meta(tree, 'meta[name="description" i]')),
        "has_viewport": bool(_meta(tree, 'meta[name="viewport" i]')),
        "has_lang": bool(html is not None and html.attributes.get("lang")),
        "has_favicon": tree.css_first('link[rel~="icon" i]') is not None,
        "noindex": robots is not None and "noindex" in (robots.attributes.get("content") or "").lower(),
        "has_open_graph": tree.css_first('meta[property^="og:"]') is not None,
        "https": page.https,
    }


def _content(tree: LexborHTMLParser, text: str, page: SitePage) -> dict[str, Any]:
    images = tree.css("img")
    inputs = [
        n
        for n in tree.css("input, textarea, select")
        if (n.attributes.get("type") or "text") not in {"hidden", "submit", "button", "image"}
    ]
    labelled = {n.attributes.get("for") for n in tree.css("label[for]")}
    unlabelled = [
        n for n in inputs if not n.attributes.get("aria-label") and n.attributes.get("id") not in labelled - {None}
    ]
    year = _YEAR.search(text)
    insecure = list(tree.css('img[src^="http://"], script[src^="http://"], link[rel="stylesheet"][href^="http://"]'))
    facts: dict[str, Any] = {
        "h1_count": len(tree.css("h1")),
        "images_total": len(images),
        "images_without_alt": sum(1 for n in images if n.attributes.get("alt") is None),
        "form_count": len(tree.css("form")),
        "inputs_without_label": len(unlabelled),
        "tel_link_count": len(tree.css('a[href^="tel:" i]')),
        "generic_link_count": sum(1 for n in tree.css("a") if n.text(strip=True).lower() in _GENERIC),
        "lorem_ipsum": "lorem ipsum" in text.lower(),
        "table_layout": tree.css_first("table table") is not None,
        "has_flash": tree.css_first('object[type*="flash"], embed[src$=".swf"]') is not None,
        "mixed_content_count": len(insecure) if page.https else 0,
        "parked": bool(_PARKED.search(text[:4000])) and len(text) < 1500,
    }
    if year:
        facts["copyright_year"] = int(year[1])
    return facts


def _technique(tree: LexborHTMLParser, page: SitePage) -> dict[str, Any]:
    scripts = list(tree.css("script[src]"))
    head = tree.css("head script[src]")
    jquery = next((m[1] for n in scripts if (m := _JQUERY.search(n.attributes.get("src") or ""))), None)
    facts: dict[str, Any] = {
        "script_count": len(scripts),
        "blocking_script_count": sum(
            1
            for n in head
            if "async" not in n.attributes and "defer" not in n.attributes and n.attributes.get("type") != "module"
        ),
        "stylesheet_count": len(tree.css('link[rel~="stylesheet" i]')),
        "has_analytics": any(
            mark in page.html for mark in ("googletagmanager.com", "google-analytics.com", "matomo", "plausible.io")
        ),
        "compressed": page.compressed,
        "cache_control": page.headers.get("cache-control"),
        "has_hsts": "strict-transport-security" in page.headers,
        "has_csp": "content-security-policy" in page.headers,
        "html_bytes": page.byte_count,
        "elapsed_ms": page.elapsed_ms,
    }
    if jquery is not None:
        facts["jquery_version"] = jquery
    return facts


def _meta(tree: LexborHTMLParser, selector: str) -> str:
    node = tree.css_first(selector)
    return (node.attributes.get("content") or "").strip() if node is not None else ""


def _platform(html: str) -> str | None:
    lower = html.lower()
    return next((name for name, mark in _PLATFORMS if mark in lower), None)


def _contact_url(tree: LexborHTMLParser, base: str) -> str | None:
    """The page where an address is looked for next, on the same host."""
    for node in tree.css("a[href]"):
        href = node.attributes.get("href") or ""
        if "contact" in href.lower() or "contact" in node.text(strip=True).lower():
            url = urljoin(base, href)
            if url.startswith(("http://", "https://")) and url.split("/")[2] == base.split("/")[2] and url != base:
                return url
    return None
