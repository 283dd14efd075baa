"""What a host's robots.txt allows us (RFC 9309): absent means yes, unreachable means not now; remembered for a day."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Awaitable, Callable

import httpx
from protego import Protego

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable

PARSED_BYTES = 500 * 1024  # RFC 9309 §2.5: at least 500 KiB are read
MOST_REDIRECTS = 5  # RFC 9309 §2.3.1.2
MOST_HOSTS = 5_000  # remembered at a time

Fetch = Callable[[httpx.URL], Awaitable[httpx.Response]]


@dataclasses.dataclass(frozen=True)
class RobotsFile:
    """A host's robots.txt: ``rules`` is None when it has none that can be read; ``status`` of the answer; ``broken`` when it
    answers 200 with what begins like HTML."""

    url: str
    status: int
    rules: Protego | None
    broken: bool = False

    @property
    def sitemaps(self) -> tuple[str, ...]:
        """The sitemaps that it names, at most ten."""
        return tuple(self.rules.sitemaps)[:10] if self.rules is not None else ()

    def allows(self, url: str, agent: str) -> bool:
        """Whether ``agent`` may fetch ``url``."""
        return self.rules is None or bool(self.rules.can_fetch(url, agent))


class Robots:
    """The rules of the hosts met so far; not thread-safe, one per event loop.

    Args:
        agent: the product token that robots.txt knows us by.
        remembered_s: for how long rules are used before they are read again.
    """

    def __init__(self, agent: str, remembered_s: float) -> None:
        self._agent, self._remembered_s = agent, remembered_s
        self._files: dict[str, tuple[float, RobotsFile]] = {}

    async def check(self, url: httpx.URL, fetch: Fetch) -> None:
        """Returns when ``url`` may be fetched.

        Raises:
            VendorRejected: ``robots`` when the host disallows it; what its fetch raises for a host that is not there.
            VendorUnavailable: ``robots_unreachable`` when the host answers robots.txt with a fault: disallowed for now.
        """
        if not (await self.file(url, fetch)).allows(str(url), self._agent):
            raise VendorRejected("website", "page", "robots", detail="robots.txt disallows it")

    def known(self, url: httpx.URL) -> RobotsFile | None:
        """robots.txt of the URL's origin if it was read before; asks nobody."""
        found = self._files.get(f"{url.scheme}://{url.host}")
        return found[1] if found is not None else None

    async def file(self, url: httpx.URL, fetch: Fetch) -> RobotsFile:
        """robots.txt of the URL's origin, read at most once in ``remembered_s``.

        Raises:
            VendorRejected, VendorUnavailable: as ``check``.
        """
        origin = f"{url.scheme}://{url.host}"
        known = self._files.get(origin)
        if known is None or known[0] < time.monotonic():
            known = (time.monotonic() + self._remembered_s, await self._read(url.join("/robots.txt"), fetch))
            while len(self._files) >= MOST_HOSTS:
                del self._files[next(iter(self._files))]
            self._files[origin] = known
        return known[1]

    async def _read(self, at: httpx.URL, fetch: Fetch) -> RobotsFile:
        response: httpx.Response | None = None
        for _ in range(1 + MOST_REDIRECTS):
            response = await fetch(at)
            location = response.extensions.get("location")
            if not (300 <= response.status_code < 400 and location):
                begins = response.content[:1_000].decode("utf-8-sig", errors="replace").lstrip()[:1]
                broken = response.status_code == 200 and begins == "<"
                return RobotsFile(str(at), response.status_code, self._rules_of(response), broken)
            try:
                at = at.join(location)
            except (httpx.InvalidURL, ValueError):
                break
        return RobotsFile(str(at), response.status_code if response else 0, None)  # RFC 9309 §2.3.1.2: counts as absent

    def _rules_of(self, response: httpx.Response) -> Protego | None:
        if response.status_code >= 500 or response.status_code == 429:
            raise VendorUnavailable("website", "robots", "robots_unreachable", status=response.status_code)
        if response.status_code != 200 or "html" in response.headers.get("content-type", "").lower():
            return None  # a front page served for every path is no rule
        return Protego.parse(response.content[:PARSED_BYTES].decode("utf-8-sig", errors="replace"))
