"""What a host's robots.txt allows us (RFC 9309): absent means yes, unreachable means not now; remembered for a day."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import httpx
from protego import Protego

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable

PARSED_BYTES = 500 * 1024  # RFC 9309 §2.5: at least 500 KiB are read
MOST_REDIRECTS = 5  # RFC 9309 §2.3.1.2
MOST_HOSTS = 5_000  # remembered at a time

Fetch = Callable[[httpx.URL], Awaitable[httpx.Response]]


class Robots:
    """The rules of the hosts met so far; not thread-safe, one per event loop.

    Args:
        agent: the product token that robots.txt knows us by.
        remembered_s: for how long rules are used before they are read again.
    """

    def __init__(self, agent: str, remembered_s: float) -> None:
        self._agent, self._remembered_s = agent, remembered_s
        self._rules: dict[str, tuple[float, Protego | None]] = {}

    async def check(self, url: httpx.URL, fetch: Fetch) -> None:
        """Returns when ``url`` may be fetched.

        Raises:
            VendorRejected: ``robots`` when the host disallows it; what its fetch raises for a host that is not there.
            VendorUnavailable: ``robots_unreachable`` when the host answers robots.txt with a fault: disallowed for now.
        """
        origin = f"{url.scheme}://{url.host}"
        known = self._rules.get(origin)
        if known is None or known[0] < time.monotonic():
            rules = await self._read(url.join("/robots.txt"), fetch)
            known = (time.monotonic() + self._remembered_s, rules)
            while len(self._rules) >= MOST_HOSTS:
                del self._rules[next(iter(self._rules))]
            self._rules[origin] = known
        if known[1] is not None and not known[1].can_fetch(str(url), self._agent):
            raise VendorRejected("website", "page", "robots", detail="robots.txt disallows it")

    async def _read(self, at: httpx.URL, fetch: Fetch) -> Protego | None:
        for _ in range(1 + MOST_REDIRECTS):
            response = await fetch(at)
            location = response.extensions.get("location")
            if not (300 <= response.status_code < 400 and location):
                return self._rules_of(response)
            try:
                at = at.join(location)
            except (httpx.InvalidURL, ValueError):
                return None
        return None  # RFC 9309 §2.3.1.2: after five redirects it counts as absent

    def _rules_of(self, response: httpx.Response) -> Protego | None:
        if response.status_code >= 500 or response.status_code == 429:
            raise VendorUnavailable("website", "robots", "robots_unreachable", status=response.status_code)
        if response.status_code != 200 or "html" in response.headers.get("content-type", "").lower():
            return None  # a front page served for every path is no rule
        return Protego.parse(response.content[:PARSED_BYTES].decode("utf-8-sig", errors="replace"))
