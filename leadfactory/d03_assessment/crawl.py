"""Our own crawl of a website: home page, up to four key pages, robots.txt, sitemap, certificate, links and images.

Requests follow each other in an order that depends on the site alone, so that two crawls of one site ask the same. Whatever
goes wrong ends in a reason: of the whole home page, or of the facts that could not be measured.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d00_gateway.website import certificates
from leadfactory.d00_gateway.website.answers import SitePage
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d00_gateway.website.robots import RobotsFile
from leadfactory.d00_gateway.website.visit import SiteVisit
from leadfactory.d03_assessment import home_facts, pages_facts, probes, technologies
from leadfactory.d03_assessment.catalogue import catalogue
from leadfactory.d03_assessment.crawl_limits import CrawlLimits, limits
from leadfactory.d03_assessment.document import Document, host_of
from leadfactory.d03_assessment.measurement import Notes, ReadPage, SiteMeasurement
from leadfactory.d03_assessment.probes import is_broken, reason_of

GOOGLEBOT = "Googlebot"
_LET_IN = {401, 403, 429}  # we are not let in, which says nothing about the page
_NOT_THERE = {"unreachable", "timeout", "blocked_address", "invalid_url", "visit_limit"}  # nobody to ask for more


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


class _Crawl:
    """One crawl while it runs."""

    def __init__(self, visit: SiteVisit, url: str, now: dt.datetime, bounds: CrawlLimits) -> None:
        self.visit, self.start, self.now, self.bounds = visit, url, now, bounds
        self.notes = Notes()
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
        facts, examples = home_facts.read(doc)
        self.notes.examples |= examples
        self._take(facts, doc)
        chosen = pages_facts.key_pages(doc, catalogue().crawl.key_pages)
        await self._certificate(page.final_url)
        await self._forwarding(page)
        robots = self._robots(page.final_url, [each.link.url for each in chosen], None)
        await probes.sitemap(self.visit, self.notes, page, robots)
        await probes.favicon(self.visit, self.notes, doc)
        pages = await self._key_pages(doc, chosen)
        self._take(pages_facts.read(pages), doc)
        contact_form = pages_facts.has_contact_form(doc)
        if contact_form and "has_contact_link" in self.notes.facts:
            self.notes.facts["has_contact_link"] = True
        await probes.links(
            self.visit, self.notes, doc, pages_facts.links_to_check(doc, chosen, catalogue().crawl.link_checks)
        )
        some, urls = pages_facts.images_to_check(doc, catalogue().crawl.image_checks)
        await probes.images(self.visit, self.notes, doc, urls, some=some, heavy_bytes=self.bounds.heavy_image_bytes)
        return self._result(page.final_url, None, found)

    async def _home(self) -> tuple[SitePage | None, str | None]:
        hops: list[str] = []
        try:
            page = await self.visit.page(self.start, hops=hops)
        except VendorError as error:
            reason = reason_of(error)
            if certificates.is_bad(error):
                self._bad_certificate(error.detail)
            if reason == "http_error" and error.status not in _LET_IN:
                self.notes.facts["home_is_error"] = True
            answered = error.status is not None and 200 <= error.status < 300  # with something that is no page
            if answered:
                self.notes.facts["home_is_error"] = False
            if answered or reason in {"http_error", "too_many_redirects"}:
                self.notes.facts["redirect_count"] = min(len(hops), catalogue().crawl.redirects)
                self.notes.examples["redirect_count"] = hops[:5]
            return None, reason
        self.notes.facts |= {"home_is_error": False, "redirect_count": len(hops)}
        self.notes.examples["redirect_count"] = hops[:5]
        return page, None

    def _take(self, facts: dict[str, Any], doc: Document) -> None:
        """Keeps facts, but for those that a page which builds itself by script cannot tell."""
        hidden = home_facts.BODY | pages_facts.PAGES if doc.needs_browser else frozenset[str]()
        self.notes.absent |= dict.fromkeys(sorted(hidden & catalogue().facts.keys()), "needs_browser")
        self.notes.facts |= {name: value for name, value in facts.items() if name not in hidden}

    async def _certificate(self, url: str, *, ask: bool = True) -> None:
        """Whether the https port's certificate verifies, and for how long; nothing is told when nothing answers there."""
        host = host_of(url)
        if host in self.visit.unverified:
            self._bad_certificate(self.visit.unverified[host])
            return
        if ask and host not in self.visit.certificates and "tls_valid" not in self.notes.facts:
            try:
                await self.visit.question(f"https://{host}/robots.txt", allowed=True)
            except VendorError as error:
                if certificates.is_bad(error):
                    self._bad_certificate(error.detail)
                return
        seen = self.visit.certificates.get(host)
        if seen is None:
            return
        self.notes.facts["tls_valid"] = True
        if seen.not_after is not None:
            self.notes.facts["tls_days_left"] = (seen.not_after - self.now) // dt.timedelta(days=1)

    def _bad_certificate(self, detail: str) -> None:
        self.notes.facts["tls_valid"] = False
        self.notes.examples["tls_valid"] = [detail]

    async def _forwarding(self, page: SitePage) -> None:
        """Whether the http address of a page under https leads there; the page's own robots.txt allowed it."""
        if not page.https or not self.notes.facts.get("tls_valid"):
            return
        plain = urlunsplit(("http", *urlsplit(page.final_url)[1:]))
        if plain in page.redirects:
            self.notes.facts["http_forwarded"] = True
            return
        try:
            answer = await self.visit.question(plain, allowed=True)
        except VendorError as error:
            if error.reason == "visit_limit":
                self.notes.absent["http_forwarded"] = error.reason
            else:
                self.notes.facts["http_forwarded"] = True  # nobody is served in the open
            return
        self.notes.facts["http_forwarded"] = not 200 <= answer.status < 300
        self.notes.sources["http_forwarded"] = plain

    def _robots(self, url: str, key_pages: list[str], reason: str | None) -> RobotsFile | None:
        """What robots.txt says, which was read before the first page; it stays unknown when it could not be had."""
        found = self.visit.robots(url)
        if found is None:
            for fact in ("robots_block_home", "robots_broken", "robots_blocked_key_page_count"):
                self.notes.absent[fact] = reason or "robots"
            return None
        home_allowed = found.allows(url, GOOGLEBOT)
        self.notes.facts |= {"robots_block_home": not home_allowed, "robots_broken": found.broken}
        blocked = [each for each in key_pages if not found.allows(each, GOOGLEBOT)]
        if "home_is_error" in self.notes.facts and not self.notes.facts["home_is_error"]:
            self.notes.facts["robots_blocked_key_page_count"] = len(blocked) if home_allowed else 0
            self.notes.examples["robots_blocked_key_page_count"] = blocked
        for fact in ("robots_block_home", "robots_broken", "robots_blocked_key_page_count"):
            self.notes.sources[fact] = found.url
        return found

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
        self.notes.facts["key_page_error_count"] = len(errors)
        self.notes.examples["key_page_error_count"] = errors
        return pages

    def _result(self, url: str | None, reason: str | None, found: Iterable[technologies.Found]) -> SiteMeasurement:
        found = list(found)
        known = catalogue().facts
        if reason is not None:
            self.notes.absent |= {
                name: reason for name, fact in known.items() if fact.of != "site" and name not in self.notes.facts
            }
        examples = {fact: told for fact, told in self.notes.examples.items() if told}
        absent = {name: why for name, why in self.notes.absent.items() if name not in self.notes.facts}
        return SiteMeasurement(
            self.start, url, self.now, reason, self.notes.facts, absent, self.notes.sources, examples, tuple(self.read_pages),
            tuple(technologies.plain(found)), technologies.platform_of(found), self.visit.requests, self.visit.bytes,
            self.visit.unverified.get(host_of(url or self.start)),
        )  # fmt: skip
