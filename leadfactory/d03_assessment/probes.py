"""The small questions of a crawl: sitemap, icon, links and images of a site, each within the visit's allowance."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from leadfactory.d00_gateway.errors import VendorError, VendorUnavailable
from leadfactory.d00_gateway.website.answers import SiteAnswer, SitePage
from leadfactory.d00_gateway.website.robots import RobotsFile
from leadfactory.d00_gateway.website.visit import SiteVisit
from leadfactory.d03_assessment.document import Document, bare, host_of
from leadfactory.d03_assessment.measurement import Notes
from leadfactory.d03_assessment.site_words import whole

SITEMAPS = ("/sitemap.xml", "/sitemap_index.xml", "/wp-sitemap.xml")
_SITEMAP_BEGINS = ("<?xml", "<urlset", "<sitemapindex")
_ICON = whole("icon")
# The catalogue's names for the gateway's reasons; a reason that is not here keeps its name.
_REASONS = {
    "tls_error": "invalid_tls", "robots_unreachable": "robots", "dns_failure": "unreachable", "refused": "unreachable",
    "connect_failed": "unreachable", "connection_lost": "unreachable", "dns_unavailable": "unreachable", "server_error": "http_error",
    "malformed_answer": "unreachable",
}  # fmt: skip


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


async def sitemap(visit: SiteVisit, notes: Notes, page: SitePage, robots: RobotsFile | None) -> None:
    """Whether there is a sitemap: named in robots.txt, or at a usual address."""
    if robots is not None and robots.sitemaps:
        notes.facts["has_sitemap"] = True
        notes.sources["has_sitemap"] = robots.url
        return
    parts = urlsplit(page.final_url)
    for path in SITEMAPS:
        url = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
        try:
            answer = await visit.question(url, method="GET", cut_at=2_000, stays=_on(page.final_url))
        except VendorError as error:
            notes.absent["has_sitemap"] = reason_of(error)
            continue
        begins = answer.body[:500].decode("utf-8-sig", errors="replace").lstrip().lower()
        if answer.status == 200 and begins.startswith(_SITEMAP_BEGINS):
            notes.absent.pop("has_sitemap", None)
            notes.facts["has_sitemap"] = True
            notes.sources["has_sitemap"] = url
            return
    if "has_sitemap" not in notes.absent:
        notes.facts["has_sitemap"] = False


async def favicon(visit: SiteVisit, notes: Notes, doc: Document) -> None:
    """Whether the page has an icon: linked, or an image at the usual address."""
    rels = (node.attributes.get("rel") or "" for node in doc.tree.css("link[rel]"))
    if any(_ICON.search(rel.lower()) for rel in rels):
        notes.facts["has_favicon"] = True
        return
    url = doc.resolve("/favicon.ico") or doc.url
    try:
        answer = await _head(visit, url, doc.url, cut_at=200)
    except VendorError as error:
        notes.absent["has_favicon"] = reason_of(error)
        return
    kind = answer.headers.get("content-type", "").strip().lower()
    notes.facts["has_favicon"] = answer.status == 200 and kind.startswith("image/")


async def links(visit: SiteVisit, notes: Notes, home: Document, urls: list[str]) -> None:
    """How many of the links are broken."""
    broken: list[str] = []
    for url in urls:
        try:
            answer = await _head(visit, url, home.url, cut_at=200)
        except VendorError as error:
            if error.reason == "visit_limit":
                notes.absent["broken_link_count"] = error.reason
                break
            continue  # a dropped connection, a time-out or a forbidden page says nothing
        if is_broken(answer.status):
            broken.append(url)
    if broken or "broken_link_count" not in notes.absent:
        notes.absent.pop("broken_link_count", None)
        notes.facts["broken_link_count"] = len(broken)
        notes.examples["broken_link_count"] = broken[:5]


async def images(
    visit: SiteVisit, notes: Notes, home: Document, urls: list[str], *, some: bool, heavy_bytes: int
) -> None:
    """How many of the images are too large a file; ``some`` whether the page has images at all."""
    heavy, told = list[str](), not some
    for url in urls:
        try:
            size = await _size(visit, url, home.url, heavy_bytes)
        except VendorError as error:
            if error.reason == "visit_limit":
                notes.absent["heavy_image_count"] = error.reason
                break
            continue
        told = told or size is not None
        if size is not None and size >= heavy_bytes:
            heavy.append(url)
    if told:
        notes.absent.pop("heavy_image_count", None)
        notes.facts["heavy_image_count"] = len(heavy)
        notes.examples["heavy_image_count"] = heavy[:5]


async def _size(visit: SiteVisit, url: str, home: str, heavy_bytes: int) -> int | None:
    """Bytes of an image: what HEAD declares, else what is read up to where it counts as heavy; None when not told."""
    answer = await visit.question(url, stays=_on(home))
    if answer.byte_count is None or not 200 <= answer.status < 300:
        answer = await visit.question(url, method="GET", cut_at=heavy_bytes, stays=_on(home))
    return answer.byte_count if 200 <= answer.status < 300 else None


async def _head(visit: SiteVisit, url: str, home: str, *, cut_at: int) -> SiteAnswer:
    """HEAD, and GET where the server does not know HEAD or answers it with an error, as some do."""
    answer = await visit.question(url, stays=_on(home))
    if answer.status >= 400:
        return await visit.question(url, method="GET", cut_at=cut_at, stays=_on(home))
    return answer


def _on(url: str) -> Callable[[str], bool]:
    """Whether a host is the one of ``url``, a leading www. ignored."""
    own = bare(host_of(url))
    return lambda host: bare(host) == own
