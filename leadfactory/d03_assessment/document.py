"""One page as our measurements see it: the parser's tree, what is visible of it, and its links. No script runs, no style counts."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from leadfactory.d00_gateway.website.answers import SitePage
from leadfactory.d03_assessment.site_words import folded
from leadfactory.d03_assessment.technologies import Marks
from leadfactory.d04_enrichment import markup

MOST_LINKS = 2_000
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_NOT_TEXT = ["script", "style", "noscript", "template"]
_BUILT_BY_SCRIPT = "#root, #app, #__next, #__nuxt, #___gatsby"
_BUSINESS = re.compile(
    r"(?:Business|Restaurant|Dentist|Store|Organization|Physician|Attorney|Salon|Clinic|Hotel|Agent|Service|Plumber|Electrician"
    r"|Contractor|Repair|Shop|Gym|Club|Spa|Care|School|Bakery|Cafe|Bar|Pharmacy|Lodging)$"
)
MOST_LINKED_DATA = 1_000_000  # characters of one JSON-LD script; a business's is a few thousand
LITTLE_TEXT = 200


@dataclasses.dataclass(frozen=True)
class Link:
    """A link: its resolved address without fragment, the fragment, its text (lower case, with alt and aria-label)."""

    url: str
    href: str
    fragment: str
    text: str

    @property
    def host(self) -> str:
        """Its host in lower case; empty for mailto: and the like."""
        return host_of(self.url)

    @property
    def path(self) -> str:
        """Its path as written."""
        return urlsplit(self.url).path


class Document:
    """A page, parsed once.

    Attributes: ``tree`` whole; ``head`` and ``marks`` read before anything was taken away; ``seen`` the tree without what
    no visitor sees; ``text`` its visible text, folded; ``links`` all ``a[href]`` in document order.
    """

    def __init__(self, page: SitePage) -> None:
        self.page, self.url = page, page.final_url
        self.tree, self.seen = markup.parse(page.html), markup.parse(page.html)
        base = self.tree.css_first("base[href]")
        self.base = _joined(self.url, (base.attributes.get("href") or "") if base is not None else "") or self.url
        self.marks = Marks.of(self.tree, page)
        _strip_unseen(self.seen)
        body = self.seen.body
        self.text = folded(body.text(deep=True, separator=" ", strip=True)) if body is not None else ""
        self.links = list(self._links(self.tree))
        self.seen_links = list(self._links(self.seen))

    def resolve(self, address: str) -> str | None:
        """An address of the page, absolute; None for what is none."""
        return _joined(self.base, address)

    def meta(self, selector: str) -> str:
        """The first non-empty ``content`` of the elements, folded; empty when there is none."""
        contents = (folded(node.attributes.get("content") or "") for node in self.tree.css(selector))
        return next((each for each in contents if each), "")

    def metas(self, selector: str) -> list[str]:
        """The ``content`` of all the elements."""
        return [node.attributes.get("content") or "" for node in self.tree.css(selector)]

    @property
    def title(self) -> str:
        """The title, folded; empty without one."""
        node = self.tree.css_first("head > title") or self.tree.css_first("title")
        return folded(node.text(deep=True)) if node is not None else ""

    @property
    def description(self) -> str:
        """The meta description, folded; empty without one."""
        return self.meta('meta[name="description" i]')

    @property
    def needs_browser(self) -> bool:
        """Whether the page builds itself by script, so that its body as sent says nothing."""
        if len(self.text) >= LITTLE_TEXT or self.tree.css_first("script[src]") is None:
            return False
        return any(not node.text(deep=True).strip() for node in self.tree.css(_BUILT_BY_SCRIPT))

    def is_own(self, host: str) -> bool:
        """Whether a host is the page's own, a leading www. ignored."""
        return bare(host) == bare(host_of(self.url))

    def is_internal(self, link: Link) -> bool:
        """Whether a link leads to another page of the own host."""
        if not link.url.startswith(("http://", "https://")) or not self.is_own(link.host):
            return False
        return same_page_key(link.url) != same_page_key(self.url)

    def business_data(self) -> dict[str, Any] | None:
        """The first JSON-LD object that describes a business; None when there is none that can be read."""
        for node in self.tree.css('script[type="application/ld+json" i]'):
            text = node.text(deep=True)
            if len(text) > MOST_LINKED_DATA:
                continue
            try:
                content = json.loads(text)
            except (ValueError, RecursionError):  # a stranger's page may nest as deep as it likes
                continue
            for each in markup.objects(content):
                kinds = each.get("@type")
                named = kinds if isinstance(kinds, list) else [kinds]
                if any(isinstance(kind, str) and _BUSINESS.search(kind) for kind in named):
                    return each
        return None

    def buttons(self) -> Iterator[str]:
        """The texts, in lower case, of visible links and buttons: own text, else value or aria-label."""
        for node in self.seen.css('a[href], button, input[type="submit" i], input[type="button" i]'):
            own = (node.attributes.get("value") or "") if node.tag == "input" else _text(node)
            yield folded(own or node.attributes.get("aria-label") or "").lower()

    def _links(self, tree: LexborHTMLParser) -> Iterator[Link]:
        for node in tree.css("a[href]")[:MOST_LINKS]:
            href = (node.attributes.get("href") or "").strip()
            address = self.resolve(href)
            if address is None:
                continue
            url, _, fragment = address.partition("#")
            words = [_text(node), *(img.attributes.get("alt") or "" for img in node.css("img"))]
            words.append(node.attributes.get("aria-label") or "")
            yield Link(url, href, fragment, folded(" ".join(words)).lower())


def host_of(url: str) -> str:
    """The host of a URL in lower case; empty when there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def bare(host: str) -> str:
    """A host without a leading www."""
    return host.lower().removeprefix("www.")


def same_page_key(url: str) -> tuple[str, str]:
    """What two addresses of one page on one host share: path and query."""
    parts = urlsplit(url)
    return parts.path or "/", parts.query


def text_of(node: LexborNode) -> str:
    """The folded text of an element."""
    return _text(node)


def _text(node: LexborNode) -> str:
    return folded(node.text(deep=True, separator=" ", strip=True))


def _joined(base: str, address: str) -> str | None:
    try:
        found = urljoin(base, address.strip())
        urlsplit(found)
        return found
    except ValueError:
        return None


def _strip_unseen(tree: LexborHTMLParser) -> None:
    tree.strip_tags(_NOT_TEXT)
    unseen = {
        node.mem_id: node
        for node in tree.css("[hidden], [style]")
        if "hidden" in node.attributes or _HIDDEN_STYLE.search(node.attributes.get("style") or "")
    }
    for node in [each for each in unseen.values() if not _inside(each, unseen)]:
        node.decompose()


def _inside(node: LexborNode, unseen: dict[int, LexborNode]) -> bool:
    """Whether an ancestor goes anyway: what was freed with it must not be freed again."""
    above = node.parent
    while above is not None:
        if above.mem_id in unseen:
            return True
        above = above.parent
    return False
