"""Our own crawl of a website: home page, up to four key pages, robots.txt, sitemap, certificate, links and images.

Requests follow each other in an order that depends on the site alone, so that two crawls of one site ask the same. Whatever
goes wrong ends in a reason: of the whole home page, or of the facts that could not be measured.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from leadfactory.d00_gateway.errors import VendorError, VendorUnavailable
from leadfactory.d00_gateway.website import certificates
from leadfactory.d00_gateway.website.answers import SiteAnswer, SitePage
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d00_gateway.website.robots import RobotsFile
from leadfactory.d00_gateway.website.visit import SiteVisit
from leadfactory.d03_assessment import home_facts, pages_facts, technologies
from leadfactory.d03_assessment.catalogue import catalogue
from leadfactory.d03_assessment.crawl_limits import CrawlLimits, limits
from leadfactory.d03_assessment.document import Document, bare, host_of
from leadfactory.d03_assessment.measurement import ReadPage, SiteMeasurement
from leadfactory.d03_assessment.site_words import whole

GOOGLEBOT = "Googlebot"
SITEMAPS = ("/sitemap.xml", "/sitemap_index.xml", "/wp-sitemap.xml")
_SITEMAP_BEGINS = ("<?xml", "<urlset", "<sitemapindex")
_LET_IN = {401, 403, 429}  # we are not let in, which says nothing about the page
_ICON = whole("icon")
_NOT_THERE = {"unreachable", "timeout", "blocked_address", "invalid_url", "visit_limit"}  # nobody to ask for more
# The catalogue's names for the gateway's reasons; a reason that is not here keeps its name.
_REASONS = {
    "tls_error": "invalid_tls", "robots_unreachable": "robots", "dns_failure": "unreachable", "refused": "unreachable",
    "connect_failed": "unreachable", "connection_lost": "unreachable", "dns_unavailable": "unreachable", "server_error": "http_error",
    "malformed_answer": "unreachable",
}  # fmt: skip


async def crawl(
    website: WebsiteClient, url: str, *, now: dt.datetime, bounds: CrawlLimits | None = None
) -> SiteMeasurement:
    """Measures the website that begins at ``url``. Never raises for what a site may do.

    Args:
        website: the fetcher.
        url: where the site begins, http or https.
        now: the moment of the measurement, for the days of the certificate.
        bounds: other limits than config/crawl.yaml's.
    """
    bounds = bounds or limits()
    return await _Crawl(website.visit(bounds.of_visit()), url, now, bounds).measured()


def reason_of(error: VendorError) -> str:
    """The catalogue's name for why a page could not be had."""
    if (
        error.endpoint == "robots"
        and isinstance(error, VendorUnavailable)
        and error.reason in {"timeout", "connection_lost"}
    ):
        return "robots"  # RFC 9309: what nobody told is forbidden
    if error.status is not None and error.status >= 400 and error.endpoint == "page":
        return "http_error"
    return _REASONS.get(error.reason, error.reason)


def is_broken(status: int) -> bool:
    """Whether an answer says that a page does not exist or does not work."""
    return status in {404, 410} or 500 <= status < 600


class _Crawl:
    """One crawl while it runs."""

    def __init__(self, visit: SiteVisit, url: str, now: dt.datetime, bounds: CrawlLimits) -> None:
        self.visit, self.start, self.now, self.bounds = visit, url, now, bounds
        self.facts: dict[str, Any] = {}
        self.absent: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.examples: dict[str, list[str]] = {}
        self.read_pages: list[ReadPage] = []

    async def measured(self) -> SiteMeasurement:
        """The whole crawl."""
        page, reason = await self._home()
        if page is None:
            await self._certificate(self.start, ask=reason not in _NOT_THERE)
            self._robots(self.start, [], reason)
            return self._result(None, reason, [])
        doc = Document(page)
        found = technologies.find(doc.marks)
        facts, self.examples = home_facts.read(doc)
        self._take(facts, doc)
        chosen = pages_facts.key_pages(doc, catalogue().crawl.key_pages)
        await self._certificate(page.final_url)
        await self._forwarding(page)
        robots = self._robots(page.final_url, [each.link.url for each in chosen], None)
        await self._sitemap(page, robots)
        await self._favicon(doc)
        pages = await self._key_pages(doc, chosen)
        self._take(pages_facts.read(pages), doc)
        contact_form = pages_facts.has_contact_form(doc)
        if contact_form and "has_contact_link" in self.facts:
            self.facts["has_contact_link"] = True
        await self._links(doc, pages_facts.links_to_check(doc, chosen, catalogue().crawl.link_checks))
        await self._images(doc)
        return self._result(page.final_url, None, found)

    async def _home(self) -> tuple[SitePage | None, str | None]:
        hops: list[str] = []
        try:
            page = await self.visit.page(self.start, hops=hops)
        except VendorError as error:
            reason = reason_of(error)
            if certificates.is_bad(error):
                self._bad_certificate(error)
            if reason == "http_error" and error.status not in _LET_IN:
                self.facts["home_is_error"] = True
            if reason in {"http_error", "too_many_redirects"}:
                self.facts["redirect_count"] = min(len(hops), catalogue().crawl.redirects)
                self.examples["redirect_count"] = hops[:5]
            return None, reason
        self.facts |= {"home_is_error": False, "redirect_count": len(hops)}
        self.examples["redirect_count"] = hops[:5]
        return page, None

    def _take(self, facts: dict[str, Any], doc: Document) -> None:
        """Keeps facts, but for those that a page which builds itself by script cannot tell."""
        hidden = home_facts.BODY | pages_facts.PAGES if doc.needs_browser else frozenset[str]()
        self.absent |= dict.fromkeys(sorted(hidden & catalogue().facts.keys()), "needs_browser")
        self.facts |= {name: value for name, value in facts.items() if name not in hidden}

    async def _certificate(self, url: str, *, ask: bool = True) -> None:
        """Whether the https port's certificate verifies, and for how long; nothing is told when nothing answers there."""
        host = host_of(url)
        if ask and host not in self.visit.certificates and "tls_valid" not in self.facts:
            try:
                await self.visit.question(f"https://{host}/robots.txt", allowed=True)
            except VendorError as error:
                if certificates.is_bad(error):
                    self._bad_certificate(error)
                return
        seen = self.visit.certificates.get(host)
        if seen is None:
            return
        self.facts["tls_valid"] = True
        if seen.not_after is not None:
            self.facts["tls_days_left"] = (seen.not_after - self.now) // dt.timedelta(days=1)
            self.examples["tls_days_left"] = [seen.not_after.isoformat()]

    def _bad_certificate(self, error: VendorError) -> None:
        self.facts["tls_valid"] = False
        self.examples["tls_valid"] = [error.detail]

    async def _forwarding(self, page: SitePage) -> None:
        """Whether the http address of a page under https leads there; the page's own robots.txt allowed it."""
        if not page.https or not self.facts.get("tls_valid"):
            return
        plain = urlunsplit(("http", *urlsplit(page.final_url)[1:]))
        if plain in page.redirects:
            self.facts["http_forwarded"] = True
            return
        try:
            answer = await self.visit.question(plain, allowed=True)
        except VendorError as error:
            if error.reason == "visit_limit":
                self.absent["http_forwarded"] = error.reason
            else:
                self.facts["http_forwarded"] = True  # nobody is served in the open
            return
        self.facts["http_forwarded"] = not 200 <= answer.status < 300
        self.sources["http_forwarded"] = plain

    def _robots(self, url: str, key_pages: list[str], reason: str | None) -> RobotsFile | None:
        """What robots.txt says, which was read before the first page; it stays unknown when it could not be had."""
        found = self.visit.robots(url)
        if found is None:
            for fact in ("robots_block_home", "robots_broken", "robots_blocked_key_page_count"):
                self.absent[fact] = reason or "robots"
            return None
        home_allowed = found.allows(url, GOOGLEBOT)
        self.facts |= {"robots_block_home": not home_allowed, "robots_broken": found.broken}
        blocked = [each for each in key_pages if not found.allows(each, GOOGLEBOT)]
        if "home_is_error" in self.facts and not self.facts["home_is_error"]:
            self.facts["robots_blocked_key_page_count"] = len(blocked) if home_allowed else 0
            self.examples["robots_blocked_key_page_count"] = blocked
        for fact in ("robots_block_home", "robots_broken", "robots_blocked_key_page_count"):
            self.sources[fact] = found.url
        return found

    async def _sitemap(self, page: SitePage, robots: RobotsFile | None) -> None:
        if robots is not None and robots.sitemaps:
            self.facts["has_sitemap"] = True
            self.sources["has_sitemap"] = robots.url
            return
        parts = urlsplit(page.final_url)
        for path in SITEMAPS:
            url = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
            try:
                answer = await self.visit.question(url, method="GET", cut_at=2_000, stays=_on(page.final_url))
            except VendorError as error:
                self.absent["has_sitemap"] = reason_of(error)
                continue
            begins = answer.body[:500].decode("utf-8-sig", errors="replace").lstrip().lower()
            if answer.status == 200 and begins.startswith(_SITEMAP_BEGINS):
                self.absent.pop("has_sitemap", None)
                self.facts["has_sitemap"] = True
                self.sources["has_sitemap"] = url
                return
        if "has_sitemap" not in self.absent:
            self.facts["has_sitemap"] = False

    async def _favicon(self, doc: Document) -> None:
        rels = (node.attributes.get("rel") or "" for node in doc.tree.css("link[rel]"))
        if any(_ICON.search(rel.lower()) for rel in rels):
            self.facts["has_favicon"] = True
            return
        url = doc.resolve("/favicon.ico") or doc.url
        try:
            answer = await self._head(url, doc.url, cut_at=200)
        except VendorError as error:
            self.absent["has_favicon"] = reason_of(error)
            return
        kind = answer.headers.get("content-type", "").strip().lower()
        self.facts["has_favicon"] = answer.status == 200 and kind.startswith("image/")

    async def _key_pages(self, home: Document, chosen: list[pages_facts.KeyPage]) -> list[Document]:
        """The home page and the key pages that could be read."""
        pages, errors = [home], list[str]()
        for each in chosen:
            try:
                page = await self.visit.page(each.link.url, stays=home.is_own)
            except VendorError as error:
                self.read_pages.append(ReadPage(each.role, each.link.url, error.status, reason_of(error)))
                if error.endpoint == "page" and error.status is not None and is_broken(error.status):
                    errors.append(each.link.url)
                continue
            self.read_pages.append(ReadPage(each.role, each.link.url, page.status))
            pages.append(Document(page))
        self.facts["key_page_error_count"] = len(errors)
        self.examples["key_page_error_count"] = errors
        return pages

    async def _links(self, home: Document, urls: list[str]) -> None:
        broken: list[str] = []
        for url in urls:
            try:
                answer = await self._head(url, home.url, cut_at=200)
            except VendorError as error:
                if error.reason == "visit_limit":
                    self.absent["broken_link_count"] = error.reason
                    break
                continue  # a dropped connection, a time-out or a forbidden page says nothing
            if is_broken(answer.status):
                broken.append(url)
        if broken or "broken_link_count" not in self.absent:
            self.absent.pop("broken_link_count", None)
            self.facts["broken_link_count"] = len(broken)
            self.examples["broken_link_count"] = broken[:5]

    async def _images(self, home: Document) -> None:
        some, urls = pages_facts.images_to_check(home, catalogue().crawl.image_checks)
        heavy, told, heaviest = list[str](), not some, self.bounds.heavy_image_bytes
        for url in urls:
            try:
                size = await self._size(url, home.url)
            except VendorError as error:
                if error.reason == "visit_limit":
                    self.absent["heavy_image_count"] = error.reason
                    break
                continue
            told = told or size is not None
            if size is not None and size >= heaviest:
                heavy.append(url)
        if told:
            self.absent.pop("heavy_image_count", None)
            self.facts["heavy_image_count"] = len(heavy)
            self.examples["heavy_image_count"] = heavy[:5]

    async def _size(self, url: str, home: str) -> int | None:
        """Bytes of an image: what HEAD declares, else what is read up to where it counts as heavy; None when not told."""
        answer = await self.visit.question(url, stays=_on(home))
        if answer.byte_count is None or not 200 <= answer.status < 300:
            answer = await self.visit.question(url, method="GET", cut_at=self.bounds.heavy_image_bytes, stays=_on(home))
        return answer.byte_count if 200 <= answer.status < 300 else None

    async def _head(self, url: str, home: str, *, cut_at: int) -> SiteAnswer:
        """HEAD, and GET where the server does not know HEAD or answers it with an error, as some do."""
        answer = await self.visit.question(url, stays=_on(home))
        if answer.status >= 400:
            return await self.visit.question(url, method="GET", cut_at=cut_at, stays=_on(home))
        return answer

    def _result(self, url: str | None, reason: str | None, found: Iterable[technologies.Found]) -> SiteMeasurement:
        found = list(found)
        known = catalogue().facts
        if reason is not None:
            self.absent |= {
                name: reason for name, fact in known.items() if fact.of != "site" and name not in self.facts
            }
        absent = {name: why for name, why in self.absent.items() if name not in self.facts}
        return SiteMeasurement(
            self.start, url, self.now, reason, self.facts, absent, self.sources, self.examples, tuple(self.read_pages),
            tuple(technologies.plain(found)), technologies.platform_of(found), self.visit.requests, self.visit.bytes,
        )  # fmt: skip


def _on(url: str) -> Any:
    """Whether a host is the one of ``url``, a leading www. ignored."""
    own = bare(host_of(url))
    return lambda host: bare(host) == own
