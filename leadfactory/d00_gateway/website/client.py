"""Fetches a business's own website: guarded, polite, bounded, one request at a time to a host."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import weakref

import httpx

from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.d00_gateway.website import guard
from leadfactory.d00_gateway.website.limits import Patience, SiteLimits
from leadfactory.d00_gateway.website.reading import looks_like_html, text_of
from leadfactory.d00_gateway.website.robots import PARSED_BYTES, Robots
from leadfactory.settings import Settings

AGENT = "LeadFactoryBot"
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclasses.dataclass(frozen=True)
class SitePage:
    """One page as its server gave it to us.

    ``headers`` have lower-case names; ``redirects`` are the URLs that led elsewhere, in order; ``byte_count`` is decoded;
    ``elapsed_ms`` is the last hop's; ``compressed`` whether it came compressed.
    """

    requested_url: str
    final_url: str
    status: int
    headers: dict[str, str]
    html: str
    byte_count: int
    elapsed_ms: int
    redirects: tuple[str, ...]
    https: bool
    compressed: bool
    fetched_at: dt.datetime


class _OfLoop:
    """What belongs to one event loop: a lock per host in use, and the robots rules met."""

    def __init__(self, robots_s: float) -> None:
        self.hosts: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self.robots = Robots(AGENT, robots_s)


class WebsiteClient:
    """The fetcher. It introduces itself truthfully and leaves hosts that ask it to."""

    def __init__(self, gateway: Gateway, settings: Settings, limits: SiteLimits | None = None) -> None:
        self.gateway, self._limits = gateway, limits or SiteLimits()
        self._headers = {
            "User-Agent": f"{AGENT}/0.1 (+{settings.public_url.rstrip('/')}/bot)",
            "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.1",
            "Accept-Language": "en-US,en;q=0.8",
            "Accept-Encoding": "gzip, deflate",
        }
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop] = weakref.WeakKeyDictionary()

        def wire() -> httpx.AsyncBaseTransport:
            from leadfactory.d00_gateway.website.pinned import (
                PinnedTransport,  # its network stack loads with the first call
            )

            return PinnedTransport(settings, self._limits)

        self._wire = wire  # one object: the gateway tells wires apart by it

    async def fetch(self, url: str) -> SitePage:
        """The page at ``url`` after at most five redirects, each of which is judged anew.

        Args:
            url: absolute; without a scheme it is taken as http.

        Raises:
            VendorRejected: ``invalid_url``, ``blocked_address``, ``dns_failure``, ``refused``, ``tls_error``, ``robots``,
                ``too_many_redirects``, ``too_large``, ``not_html`` or ``http_error`` (4xx, or a redirect to nowhere).
            VendorUnavailable: ``timeout``, ``connect_failed``, ``connection_lost``, ``dns_unavailable``, ``server_error``
                (5xx), ``robots_unreachable``, ``malformed_answer`` and what the gateway refuses.
        """
        at, hops, patience = _parsed(url), list[str](), Patience(self._limits.total_s)
        while True:
            guard.judge_url(at)
            await self._robots().check(at, lambda robots: self._get(robots, "robots", patience))
            response = await self._get(at, "page", patience)
            if not 300 <= response.status_code < 400:
                return self._page(url, at, response, tuple(hops))
            location = response.extensions.get("location")
            if response.status_code not in _REDIRECTS or not location:
                status = response.status_code
                raise VendorRejected("website", "page", "http_error", status=status, detail="a redirect to nowhere")
            hops.append(str(at))
            if len(hops) > self._limits.redirects:
                detail = f"more than {self._limits.redirects}"
                raise VendorRejected("website", "page", "too_many_redirects", detail=detail)
            at = _parsed(location, base=at)

    async def _get(self, url: httpx.URL, endpoint: str, patience: Patience) -> httpx.Response:
        """One page of one host, while nothing else of this client asks that host."""
        if patience.left_s <= 0:
            raise VendorUnavailable(
                "website", endpoint, "timeout", detail="the site's time is up", left_the_house=False
            )
        hosts = self._of_loop().hosts
        host = hosts.get(url.host) or asyncio.Lock()
        hosts[url.host] = host
        spec = CallSpec(endpoint, fault_of=lambda response: _fault(response, endpoint), deadline_s=self._limits.total_s)
        extensions: dict[str, object] = {"patience": patience}
        if endpoint == "robots":
            extensions["cut_at"] = PARSED_BYTES
        http = self.gateway.http("website", wire=self._wire)
        async with host:
            with self.gateway.calling(spec):
                response = await http.get(url, headers=self._headers, follow_redirects=False, extensions=extensions)
        http.cookies.clear()  # every visit is a stranger's first
        return response

    def _page(self, asked: str, at: httpx.URL, response: httpx.Response, hops: tuple[str, ...]) -> SitePage:
        kind = (response.headers.get_list("content-type") or [""])[-1]  # of several the last counts, as in browsers
        if not looks_like_html(response.content, kind):
            detail = f"content type {kind[:80]!r}"
            raise VendorRejected("website", "page", "not_html", status=response.status_code, detail=detail)
        return SitePage(
            requested_url=asked,
            final_url=str(at),
            status=response.status_code,
            headers=dict(response.headers.items()),
            html=text_of(response.content, kind),
            byte_count=len(response.content),
            elapsed_ms=int(response.extensions["latency_ms"]),
            redirects=hops,
            https=at.scheme == "https",
            compressed=bool(response.extensions.get("wire_encoding")),
            fetched_at=response.extensions["fetched_at"],
        )

    def _robots(self) -> Robots:
        return self._of_loop().robots

    def _of_loop(self) -> _OfLoop:
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            self._loops[loop] = _OfLoop(self._limits.robots_s)
        return self._loops[loop]


def _parsed(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """A URL without its fragment; VendorRejected(invalid_url) for what is none."""
    try:
        if base is not None:
            return base.join(text.strip()).copy_with(fragment=None)
        parsed = httpx.URL(text.strip())
        if not parsed.scheme:
            parsed = httpx.URL(f"http://{text.strip().lstrip('/')}")
        return parsed.copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise VendorRejected("website", "page", "invalid_url", detail="cannot be read as a URL") from None


def _fault(response: httpx.Response, endpoint: str) -> VendorError | None:
    """A host's refusal is its own; robots.txt interprets its statuses itself."""
    status = response.status_code
    if endpoint == "robots" or status < 400:
        return None
    if status >= 500 or status in {408, 425, 429}:
        return VendorUnavailable("website", endpoint, "server_error", status=status)
    return VendorRejected("website", endpoint, "http_error", status=status)
