"""What a business's page says: its own words, its addresses, its builder, and where to look next. Measuring is D3's.

Keys of ``page_facts``: ``no_solicitation`` (the website asks sellers not to write) and, where the contact page could not be
read, ``contact_page_reason`` (why not; added by the visit).
"""

from __future__ import annotations

import dataclasses
import re
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser

from leadfactory.d00_gateway.website.client import SitePage
from leadfactory.d04_enrichment import addresses, contacts, languages, markup, own_words
from leadfactory.d04_enrichment.own_site import host_of, registrable_domain

_PARKED = re.compile(
    r"domain (?:name )?(?:is )?(?:parked|for sale)|buy this domain|this domain (?:may be|is) for sale|parked (?:free|domain)",
    re.IGNORECASE,
)
PARKED_TEXT = 1_500  # characters; a page that sells its domain says little else
# Marks in the generator tag, and in the addresses of what the page loads. Words of the text never count.
_GENERATORS = (("wordpress", "wordpress"), ("wix", "wix.com"), ("squarespace", "squarespace"), ("shopify", "shopify"),
               ("godaddy", "go daddy"), ("weebly", "weebly"), ("webflow", "webflow"), ("joomla", "joomla"), ("drupal", "drupal"),
               ("duda", "duda"))  # fmt: skip
_LOADED = (("wordpress", "/wp-content/"), ("wordpress", "/wp-includes/"), ("wix", "parastorage"), ("wix", "wixstatic.com"),
           ("squarespace", "squarespace"), ("squarespace", "/static1/"), ("shopify", "cdn.shopify.com"), ("godaddy", "img1.wsimg.com"),
           ("weebly", "editmysite.com"), ("webflow", "website-files.com"), ("duda", "cdn-website.com"))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Reading:
    """What one page says; ``contact_urls`` are the contact and imprint pages that it links on its own domain, the likeliest
    first; ``language`` is an ISO 639-1 code, None when nothing tells; ``parked``: the page offers its domain for sale;
    ``no_solicitation``: it asks sellers not to write."""

    said: own_words.Said
    emails: tuple[contacts.Contact, ...]
    platform: str | None
    parked: bool
    no_solicitation: bool
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
    platform = _platform(tree)
    code = addresses.code_of(tree)
    tree.strip_tags(["script", "style", "noscript", "template"])  # what no visitor reads
    text = tree.body.text(separator=" ", strip=True) if tree.body is not None else ""
    said = own_words.read(tree, text, data, hint)
    return Reading(
        said,
        tuple(addresses.published(tree, data, code)),
        platform,
        parked=bool(_PARKED.search(text[:4_000])) and len(text) < PARKED_TEXT,
        no_solicitation=contacts.refuses_solicitation(text),
        contact_urls=_contact_urls(tree, page.final_url),
        language=languages.spoken(tree, text),
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
