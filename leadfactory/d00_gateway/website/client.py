"""Fetches a business's own website: guarded, polite, bounded, one request at a time to a host."""

from __future__ import annotations

import asyncio
import dataclasses
import weakref

import httpx

from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.d00_gateway.website.answers import SitePage
from leadfactory.d00_gateway.website.limits import Patience, SiteLimits, VisitLimits
from leadfactory.d00_gateway.website.robots import PARSED_BYTES, Robots
from leadfactory.d00_gateway.website.visit import SiteVisit
from leadfactory.settings import Settings

__all__ = ["AGENT", "SitePage", "WebsiteClient"]
AGENT = "LeadFactoryBot"
_UNBOUNDED = 10**9  # a single fetch is bounded by its SiteLimits


class _OfLoop:
    """What belongs to one event loop: a lock per host in use, and the robots rules met."""

    def __init__(self, robots_s: float) -> None:
        self.hosts: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self.robots = Robots(AGENT, robots_s)


class WebsiteClient:
    """The fetcher. It introduces itself truthfully and leaves hosts that ask it to."""

    def __init__(self, gateway: Gateway, settings: Settings, limits: SiteLimits | None = None) -> None:
        self.gateway, self._limits = gateway, limits or SiteLimits()
        self._most_requests = settings.website_most_requests
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
        """The page at ``url``: a visit of one page. See SiteVisit.page for what it raises.

        Args:
            url: absolute; without a scheme it is taken as http.
        """
        return await self._visit(VisitLimits(_UNBOUNDED, self._limits.total_s, _UNBOUNDED)).page(url)

    def visit(self, total: VisitLimits) -> SiteVisit:
        """A visit of one site whose requests together stay within ``total`` and the installation's own bound."""
        requests = min(total.requests, self._most_requests or total.requests)
        return self._visit(dataclasses.replace(total, requests=requests))

    def _visit(self, total: VisitLimits) -> SiteVisit:
        return SiteVisit(self._ask, self._of_loop().robots, self._limits, total)

    async def _ask(
        self,
        url: httpx.URL,
        endpoint: str,
        patience: Patience,
        *,
        method: str = "GET",
        cut_at: int | None = None,
        any_status: bool = False,
        unverified: bool = False,
    ) -> httpx.Response:
        """One answer of one host, while nothing else of this client asks that host."""
        if patience.left_s <= 0:
            raise VendorUnavailable(
                "website", endpoint, "timeout", detail="the site's time is up", left_the_house=False
            )
        hosts = self._of_loop().hosts
        host = hosts.get(url.host) or asyncio.Lock()
        hosts[url.host] = host

        def fault_of(response: httpx.Response) -> VendorError | None:
            return None if any_status else _fault(response, endpoint)

        retried = endpoint != "probe"  # a small question is not worth a second attempt
        spec = CallSpec(endpoint, fault_of=fault_of, deadline_s=self._limits.total_s, safe_to_retry=retried)
        extensions: dict[str, object] = {"patience": patience}
        if endpoint == "robots":
            cut_at = PARSED_BYTES
        if cut_at is not None:
            extensions["cut_at"] = cut_at
        if unverified:
            extensions["unverified"] = True
        http = self.gateway.http("website", wire=self._wire)
        async with host:
            with self.gateway.calling(spec):
                response = await http.request(
                    method, url, headers=self._headers, follow_redirects=False, extensions=extensions
                )
        http.cookies.clear()  # every visit is a stranger's first
        return response

    def _of_loop(self) -> _OfLoop:
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            self._loops[loop] = _OfLoop(self._limits.robots_s)
        return self._loops[loop]


def _fault(response: httpx.Response, endpoint: str) -> VendorError | None:
    """A host's refusal is its own; robots.txt interprets its statuses itself."""
    status = response.status_code
    if endpoint == "robots" or status < 400:
        return None
    if status >= 500 or status in {408, 425, 429}:
        return VendorUnavailable("website", endpoint, "server_error", status=status)
    return VendorRejected("website", endpoint, "http_error", status=status)
