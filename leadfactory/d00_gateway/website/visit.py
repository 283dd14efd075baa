"""One bounded visit of one website: every request counts against the visit's requests, seconds and bytes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Protocol

import httpx

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.website import certificates, guard
from leadfactory.d00_gateway.website.answers import Certificate, SiteAnswer, SitePage
from leadfactory.d00_gateway.website.limits import Patience, SiteLimits, VisitLimits
from leadfactory.d00_gateway.website.reading import looks_like_html, text_of
from leadfactory.d00_gateway.website.robots import Robots, RobotsFile

_SECURE = re.compile(r";\s*secure\s*(?:;|$)", re.IGNORECASE)
REDIRECTS = {301, 302, 303, 307, 308}


Stays = Callable[[str], bool]


def anywhere(host: str) -> bool:
    """Any host will do."""
    return True


class Asks(Protocol):
    """One request of one URL, as WebsiteClient makes it."""

    def __call__(
        self,
        url: httpx.URL,
        endpoint: str,
        patience: Patience,
        *,
        method: str = "GET",
        cut_at: int | None = None,
        any_status: bool = False,
        unverified: bool = False,
    ) -> Awaitable[httpx.Response]: ...


class SiteVisit:
    """Pages and small questions of one site, within ``total``; not thread-safe, for one task.

    A page whose host's certificate does not verify is asked for once more without verification, since its visitors' browser
    warns but the site is there; from then on the visit asks that host so. Every connection is judged alike, and nothing but
    our name is sent. Of small questions only those to such a host are.

    Attributes: ``requests`` made so far; ``bytes`` read so far, decoded; ``certificates`` that verified, by host;
    ``unverified``: host → what is wrong with its certificate.
    """

    def __init__(self, ask: Asks, robots: Robots, limits: SiteLimits, total: VisitLimits) -> None:
        self._ask, self._robots, self._limits, self._total = ask, robots, limits, total
        self._left_s = total.seconds
        self.requests = self.bytes = 0
        self.certificates: dict[str, Certificate] = {}
        self.unverified: dict[str, str] = {}

    async def page(self, url: str, *, hops: list[str] | None = None, stays: Stays = anywhere) -> SitePage:
        """The page at ``url`` after at most five redirects, each of which is judged anew.

        Args:
            url: absolute; without a scheme it is taken as http.
            hops: filled with the URLs that led elsewhere, also when an error is raised.
            stays: whether a redirect to this host may be followed.

        Raises:
            VendorRejected: ``invalid_url``, ``blocked_address``, ``dns_failure``, ``refused``, ``tls_error``, ``robots``,
                ``too_many_redirects``, ``too_large``, ``not_html``, ``other_host`` or ``http_error`` (4xx, a redirect to nowhere).
            VendorUnavailable: ``timeout``, ``connect_failed``, ``connection_lost``, ``dns_unavailable``, ``server_error``
                (5xx), ``robots_unreachable``, ``malformed_answer``, ``visit_limit`` and what the gateway refuses.
        """
        at, hops = parsed(url), hops if hops is not None else []
        with self._patience() as patience:
            while True:
                guard.judge_url(at)
                await self._allowed(at, patience)
                response = await self._one(at, "page", patience)
                if not 300 <= response.status_code < 400:
                    return _page(url, at, response, tuple(hops), self._fault_of_certificate(at))
                location = response.extensions.get("location")
                if response.status_code not in REDIRECTS or not location:
                    status = response.status_code
                    raise VendorRejected("website", "page", "http_error", status=status, detail="a redirect to nowhere")
                hops.append(str(at))
                if len(hops) > self._limits.redirects:
                    detail = f"more than {self._limits.redirects}"
                    raise VendorRejected("website", "page", "too_many_redirects", detail=detail)
                at = parsed(location, base=at)
                if not stays(at.host):
                    raise VendorRejected("website", "page", "other_host", detail="redirects to another host")

    async def question(
        self,
        url: str,
        *,
        method: str = "HEAD",
        cut_at: int | None = None,
        stays: Stays | None = None,
        allowed: bool = False,
    ) -> SiteAnswer:
        """One small question; any status is an answer.

        Args:
            url: absolute.
            method: HEAD or GET.
            cut_at: bytes that are read of a body; more is left on the wire.
            stays: redirects to these hosts are followed; None follows none and tells the status.
            allowed: the caller knows that robots.txt allows it (or the question is about robots.txt itself).

        Raises:
            VendorRejected, VendorUnavailable: as ``page``, but for statuses and content.
        """
        at, hops = parsed(url), 0
        with self._patience() as patience:
            while True:
                guard.judge_url(at)
                if not allowed:
                    await self._allowed(at, patience)
                response = await self._one(at, "probe", patience, method=method, cut_at=cut_at, any_status=True)
                location = response.extensions.get("location")
                if (
                    stays is None
                    or response.status_code not in REDIRECTS
                    or not location
                    or hops >= self._limits.redirects
                ):
                    break
                target = parsed(location, base=at)
                if not stays(target.host):
                    break
                at, hops = target, hops + 1
        declared = response.extensions.get("declared_bytes")
        size = declared if declared is not None else (len(response.content) if method == "GET" else None)
        return SiteAnswer(
            str(at), method, response.status_code, dict(response.headers.items()), response.extensions["location"], size,
            response.content, response.extensions["fetched_at"], response.extensions.get("certificate"),
        )  # fmt: skip

    def robots(self, url: str) -> RobotsFile | None:
        """robots.txt of the URL's host as it was read for a page before; None when it could not be had. Asks nobody."""
        return self._robots.known(parsed(url))

    async def _allowed(self, at: httpx.URL, patience: Patience) -> None:
        await self._robots.check(at, self._fetching(patience))

    def _fetching(self, patience: Patience) -> Callable[[httpx.URL], Awaitable[httpx.Response]]:
        return lambda robots: self._one(robots, "robots", patience)

    async def _one(
        self,
        at: httpx.URL,
        endpoint: str,
        patience: Patience,
        *,
        method: str = "GET",
        cut_at: int | None = None,
        any_status: bool = False,
    ) -> httpx.Response:
        async def asked() -> httpx.Response:
            self._room(endpoint)
            self.requests += 1
            trusting = self._fault_of_certificate(at) is not None
            return await self._ask(
                at, endpoint, patience, method=method, cut_at=cut_at, any_status=any_status, unverified=trusting
            )

        try:
            response = await asked()
        except VendorRejected as error:
            if endpoint == "probe" or self._fault_of_certificate(at) or not certificates.is_bad(error):
                raise
            self.unverified[at.host.lower()] = error.detail
            response = await asked()
        self.bytes += len(response.content)
        certificate: Certificate | None = response.extensions.get("certificate")
        if certificate is not None:
            self.certificates[at.host.lower()] = certificate
        return response

    def _fault_of_certificate(self, at: httpx.URL) -> str | None:
        return self.unverified.get(at.host.lower()) if at.scheme == "https" else None

    def _room(self, endpoint: str) -> None:
        spent = (
            f"{self.requests} requests" if self.requests >= self._total.requests
            else f"{self.bytes} bytes" if self.bytes >= self._total.bytes
            else f"{self._total.seconds:g} s" if self._left_s <= 0
            else None
        )  # fmt: skip
        if spent is not None:
            raise VendorUnavailable(
                "website", endpoint, "visit_limit", detail=f"{spent} are spent", left_the_house=False
            )

    def _patience(self) -> _Shared:
        return _Shared(self, self._limits.total_s)


class _Shared:
    """A fetch's patience, taken out of the visit's."""

    def __init__(self, visit: SiteVisit, most_s: float) -> None:
        self._visit = visit
        self._given = min(most_s, visit._left_s)
        self._patience = Patience(self._given)

    def __enter__(self) -> Patience:
        return self._patience

    def __exit__(self, *_: object) -> None:
        self._visit._left_s -= self._given - self._patience.left_s


def _page(
    asked: str, at: httpx.URL, response: httpx.Response, hops: tuple[str, ...], unverified: str | None
) -> SitePage:
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
        cookies=_cookie_names(response.headers.get_list("set-cookie")),
        insecure_cookies=sum(1 for told in response.headers.get_list("set-cookie") if not _SECURE.search(told)),
        certificate=response.extensions.get("certificate"),
        unverified=unverified,
    )


def _cookie_names(told: list[str]) -> tuple[str, ...]:
    names = (each.partition("=")[0].strip()[:80] for each in told[:50])
    return tuple(dict.fromkeys(name for name in names if name))


def parsed(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """A URL without its fragment; VendorRejected(invalid_url) for what is none."""
    try:
        if base is not None:
            return base.join(text.strip()).copy_with(fragment=None)
        found = httpx.URL(text.strip())
        if not found.scheme:
            found = httpx.URL(f"http://{text.strip().lstrip('/')}")
        return found.copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise VendorRejected("website", "page", "invalid_url", detail="cannot be read as a URL") from None
