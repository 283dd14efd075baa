"""What our own parser measures on a business's home page, and what the page says.

Keys of ``page_facts``; a key is absent when its value is not known:

- head: ``has_title`` ``title_length`` (characters) ``has_meta_description`` ``has_viewport`` ``has_lang`` ``has_favicon`` ``noindex``
  ``has_open_graph`` ``has_canonical`` ``https`` (the page as it ended was fetched over TLS)
- content: ``h1_count`` ``images_total`` ``images_without_alt`` ``form_count`` ``inputs_without_label`` ``tel_link_count``
  ``generic_link_count`` (links called "click here" and the like) ``link_count`` ``text_length`` (visible characters)
  ``copyright_year`` ``lorem_ipsum`` ``table_layout`` ``has_flash`` ``parked``
  ``mixed_content_count`` (what an https page loads over http)
- contact: ``phone_visible`` ``address_visible`` ``hours_visible`` (seen by a visitor, not only by machines)
  ``has_json_ld_business`` ``no_solicitation`` (the page asks sellers not to write)
- technique: ``script_count`` ``blocking_script_count`` (in the head, neither async nor defer nor module) ``stylesheet_count``
  ``has_analytics`` ``jquery_version`` ("1.8.3")
- answer: ``compressed`` ``cache_control`` ``html_bytes`` ``elapsed_ms`` ``redirect_count`` ``has_hsts`` ``has_csp`` ``server`` ``powered_by``
- ``contact_page_reason``: why the contact page could not be read (added by the stage)
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser

from leadfactory.d00_gateway.website.client import SitePage
from leadfactory.d04_enrichment import addresses, contacts, languages, markup, own_words
from leadfactory.d04_enrichment.own_site import host_of, registrable_domain

_YEAR = re.compile(r"(?:©|\(c\)|copyright)\s{0,3}(?:\d{4}\s{0,2}[-–]\s{0,2})?((?:19|20)\d{2})", re.IGNORECASE)
_JQUERY = re.compile(r"jquery[-./@]?(\d{1,2}\.\d{1,3}(?:\.\d{1,3})?)", re.IGNORECASE)
_PARKED = re.compile(
    r"domain (?:name )?(?:is )?(?:parked|for sale)|buy this domain|this domain (?:may be|is) for sale|parked (?:free|domain)",
    re.IGNORECASE,
)
PARKED_TEXT = 1_500  # characters; a page that sells its domain says little else
_INSECURE = ", ".join(
    f'{tag}[{attribute}^="http://" i]'
    for tag, attribute in (("img", "src"), ("iframe", "src"), ("script", "src"), ('link[rel~="stylesheet" i]', "href"))
)
_GENERIC = {"click here", "here", "read more", "more", "learn more", "link", "this page"}
_ANALYTICS = (
    "googletagmanager.com",
    "google-analytics.com",
    "matomo",
    "plausible.io",
    "clarity.ms",
    "connect.facebook.net",
)
# Marks in the generator tag, and in the addresses of what the page loads. Words of the text never count.
_GENERATORS = (("wordpress", "wordpress"), ("wix", "wix.com"), ("squarespace", "squarespace"), ("shopify", "shopify"),
               ("godaddy", "go daddy"), ("weebly", "weebly"), ("webflow", "webflow"), ("joomla", "joomla"), ("drupal", "drupal"),
               ("duda", "duda"))  # fmt: skip
_LOADED = (("wordpress", "/wp-content/"), ("wordpress", "/wp-includes/"), ("wix", "parastorage"), ("wix", "wixstatic.com"),
           ("squarespace", "squarespace"), ("squarespace", "/static1/"), ("shopify", "cdn.shopify.com"), ("godaddy", "img1.wsimg.com"),
           ("weebly", "editmysite.com"), ("webflow", "website-files.com"), ("duda", "cdn-website.com"))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Reading:
    """What one page says and what was measured on it; ``contact_urls`` are the contact and imprint pages that it links on its
    own domain, the likeliest first; ``language`` is an ISO 639-1 code, None when nothing tells."""

    said: own_words.Said
    emails: tuple[contacts.Contact, ...]
    platform: str | None
    facts: dict[str, Any]
    contact_urls: tuple[str, ...]
    language: str | None

    @property
    def contact_url(self) -> str | None:
        """The likeliest contact page."""
        return self.contact_urls[0] if self.contact_urls else None


def read(page: SitePage, *, hint: str | None = None) -> Reading:
    """Reads a page; never raises for what a page may contain. ``hint`` only chooses among the page's own names."""
    tree = markup.parse(page.html)
    data = own_words.linked_data(tree)
    facts = _head(tree, page) | _technique(tree, page) | _answer(page)
    platform = _platform(tree)
    code = addresses.code_of(tree)
    tree.strip_tags(["script", "style", "noscript", "template"])  # what no visitor reads
    text = tree.body.text(separator=" ", strip=True) if tree.body is not None else ""
    said = own_words.read(tree, text, data, hint)
    facts |= _content(tree, text) | _contact_facts(tree, text, said)
    facts["has_json_ld_business"] = bool(data)
    language = languages.spoken(tree, text)
    urls = _contact_urls(tree, page.final_url)
    return Reading(said, tuple(addresses.published(tree, data, code)), platform, facts, urls, language)


def _head(tree: LexborHTMLParser, page: SitePage) -> dict[str, Any]:
    title = tree.css_first("head > title") or tree.css_first("title")
    shown = title.text(strip=True) if title is not None else ""
    html = tree.css_first("html")
    robots = _meta(tree, 'meta[name="robots" i]').lower()
    told = page.headers.get("x-robots-tag", "").lower()
    return {
        "has_title": bool(shown),
        "title_length": len(shown),
        "has_meta_description": bool(_meta(tree, 'meta[name="description" i]')),
        "has_viewport": bool(_meta(tree, 'meta[name="viewport" i]')),
        "has_lang": bool(html is not None and html.attributes.get("lang")),
        "has_favicon": tree.css_first('link[rel~="icon" i]') is not None,
        "has_canonical": tree.css_first('link[rel="canonical" i]') is not None,
        "noindex": any(word in each for each in (robots, told) for word in ("noindex", "none")),
        "has_open_graph": tree.css_first('meta[property^="og:"]') is not None,
        "https": page.https,
    }


def _content(tree: LexborHTMLParser, text: str) -> dict[str, Any]:
    images, links = tree.css("img"), tree.css("a")
    facts: dict[str, Any] = {
        "h1_count": len(tree.css("h1")),
        "images_total": len(images),
        "images_without_alt": sum(1 for node in images if "alt" not in node.attributes),
        "form_count": len(tree.css("form")),
        "inputs_without_label": _unlabelled(tree),
        "tel_link_count": len(tree.css('a[href^="tel:" i]')),
        "link_count": len(links),
        "generic_link_count": sum(1 for node in links if node.text(strip=True).lower().strip(" .›»→") in _GENERIC),
        "text_length": len(text),
        "lorem_ipsum": "lorem ipsum" in text.lower(),
        "table_layout": tree.css_first("table table") is not None,
        "has_flash": tree.css_first('object[type*="flash" i], embed[src$=".swf" i], object[data$=".swf" i]') is not None,
        "parked": bool(_PARKED.search(text[:4_000])) and len(text) < PARKED_TEXT,
    }  # fmt: skip
    years = [int(found[1]) for found in _YEAR.finditer(text)]
    if years:
        facts["copyright_year"] = max(years)
    return facts


def _contact_facts(tree: LexborHTMLParser, text: str, said: own_words.Said) -> dict[str, Any]:
    """What a visitor sees; a machine-readable address that nobody sees does not count."""
    street = (said.address or "").split(",")[0].strip().lower()
    return {
        "phone_visible": own_words.written_phone(text) is not None or tree.css_first('a[href^="tel:" i]') is not None,
        "address_visible": own_words.written_address(text) is not None or (bool(street) and street in text.lower()),
        "hours_visible": own_words.hours(text, {}) is not None,
        "no_solicitation": contacts.refuses_solicitation(text),
    }


def _technique(tree: LexborHTMLParser, page: SitePage) -> dict[str, Any]:
    scripts = [node.attributes.get("src") or "" for node in tree.css("script[src]")]
    blocking = [
        node
        for node in tree.css("head script[src]")
        if not {"async", "defer"} & set(node.attributes) and node.attributes.get("type") != "module"
    ]
    facts: dict[str, Any] = {
        "script_count": len(scripts),
        "blocking_script_count": len(blocking),
        "stylesheet_count": len(tree.css('link[rel~="stylesheet" i]')),
        "has_analytics": any(mark in page.html for mark in _ANALYTICS),
    }
    if page.https:
        facts["mixed_content_count"] = len(tree.css(_INSECURE))
    jquery = next((found[1] for source in scripts if (found := _JQUERY.search(source))), None)
    if jquery is not None:
        facts["jquery_version"] = jquery
    return facts


def _answer(page: SitePage) -> dict[str, Any]:
    told = {
        "cache_control": page.headers.get("cache-control"),
        "server": page.headers.get("server"),
        "powered_by": page.headers.get("x-powered-by"),
    }
    shown = {key: text for key, value in told.items() if (text := own_words.plain(value, 200))}
    return shown | {
        "compressed": page.compressed,
        "has_hsts": "strict-transport-security" in page.headers,
        "has_csp": "content-security-policy" in page.headers,
        "html_bytes": page.byte_count,
        "elapsed_ms": page.elapsed_ms,
        "redirect_count": len(page.redirects),
    }


def _unlabelled(tree: LexborHTMLParser) -> int:
    """Form fields that no label, no aria-label and no surrounding label names; a placeholder is no label."""
    named = {node.attributes.get("for") for node in tree.css("label[for]")} - {None}
    inside = {node.mem_id for node in tree.css("label input, label textarea, label select")}
    fields = [
        node
        for node in tree.css("input, textarea, select")
        if (node.attributes.get("type") or "text").lower() not in {"hidden", "submit", "button", "image", "reset"}
    ]
    return sum(
        1
        for node in fields
        if node.mem_id not in inside
        and node.attributes.get("id") not in named
        and not any(node.attributes.get(key) for key in ("aria-label", "aria-labelledby", "title"))
    )


def _meta(tree: LexborHTMLParser, selector: str) -> str:
    node = tree.css_first(selector)
    return (node.attributes.get("content") or "").strip() if node is not None else ""


def _platform(tree: LexborHTMLParser) -> str | None:
    """The builder that made the page, by its generator tag or by what the page loads; None when nothing tells."""
    generator = _meta(tree, 'meta[name="generator" i]').lower()
    for name, mark in _GENERATORS:
        if mark in generator:
            return name
    loaded = " ".join(
        (node.attributes.get("src") or node.attributes.get("href") or "").lower()
        for node in tree.css("script[src], link[href], img[src]")
    )
    return next((name for name, mark in _LOADED if mark in loaded), None)


# Where addresses are found, by what the link is called, in the languages of American shop fronts; the likeliest first.
_CONTACT = (
    ("contact", "contacto", "contáctenos", "contatti", "kontakt", "contato", "get in touch", "reach us", "联系", "聯絡", "お問い合わせ", "연락", "liên hệ"),
    ("imprint", "impressum", "legal notice", "about", "location", "find us", "visit us", "nosotros", "staff", "team"),
)  # fmt: skip


def _contact_urls(tree: LexborHTMLParser, base: str) -> tuple[str, ...]:
    """Pages where an address is looked for next: called contact or imprint, on the same registrable domain."""
    own, here = registrable_domain(host_of(base)), base.split("#")[0]
    found: dict[str, int] = {}
    for node in tree.css("a[href]")[:2_000]:
        href = (node.attributes.get("href") or "").strip()
        called = f"{href} {node.text(strip=True)[:200]}".lower()
        rank = next((n for n, names in enumerate(_CONTACT) if any(name in called for name in names)), None)
        if rank is None:
            continue
        try:
            url = urljoin(base, href).split("#")[0]
        except ValueError:
            continue
        if url.startswith(("http://", "https://")) and registrable_domain(host_of(url)) == own and url != here:
            found[url] = min(rank, found.get(url, rank))
    return tuple(sorted(found, key=lambda url: found[url]))  # the page's order among equals
