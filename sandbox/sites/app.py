"""Serves the businesses' websites by Host header, each with its server's own manners."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sandbox.model import Business, Site
from sandbox.sites.files import file_of
from sandbox.sites.pages import page
from sandbox.state import Sandbox
from sandbox.world import offers, sites
from sandbox.world.draws import share

HANGS_S = 60.0
HUGE_BYTES = 20 * 1024 * 1024
SLOW_SERVER_S = 0.15  # shorter than the lab metric says, so that a suite may fetch many; option slow_server_s
SERVERS = {"wordpress": "Apache/2.4.41", "wix": "Pepyaka", "squarespace": "Squarespace"}
SECURITY_HEADERS = {
    "strict-transport-security": "max-age=63072000",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'self' https: 'unsafe-inline'",
}


class Gone(Exception):
    """The connection is to be dropped without an answer."""


class Websites:
    """An ASGI app over all sites of the world."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; a dropped connection raises Gone, which the server turns into a reset."""
        request = Request(scope, receive)
        host = request.headers.get("host", "").split(":")[0].lower()
        site = self._sandbox.world.site(host)
        answer = Response("no such site", 404) if site is None else await self._answer(site, host, request)
        await answer(scope, receive, send)

    async def _answer(self, site: Site, host: str, request: Request) -> Response:
        scheme, path = request.url.scheme, request.url.path
        answer = await _misbehaved(site, path, float(self._sandbox.options.get("hangs_s", HANGS_S)))
        if answer is not None:
            return answer
        target = sites.redirect_of(site, host, scheme, path)
        if target is not None:
            return RedirectResponse(target, 302 if site.behaviour == "redirect_loop" else 301)
        found = file_of(site, path, scheme)
        if found is not None:
            if "no_cache_headers" not in site.defects:
                found.headers["cache-control"] = "public, max-age=2592000"
            return found
        body = page(site, self._business(site), path, scheme, self._sandbox.clock.now().year)
        if body is None:
            return Response("<html><body>not found</body></html>", 404, media_type="text/html")
        if "slow_server" in site.defects:
            await asyncio.sleep(float(self._sandbox.options.get("slow_server_s", SLOW_SERVER_S)))
        return _dressed(site, body, request)

    def _business(self, site: Site) -> Business:
        if site.business_key.startswith("chain:"):
            return sites.chain_headquarters(site)
        return self._sandbox.world.business(site.business_key)


async def _misbehaved(site: Site, path: str, hangs_s: float) -> Response | None:
    """What a server that does not work answers, whatever it is asked for; None when this one works."""
    page_asked = path not in {"/robots.txt", "/favicon.ico", "/sitemap.xml"}
    match site.behaviour:
        case "timeout":
            await asyncio.sleep(hangs_s)
            raise Gone
        case "refused":
            raise Gone
        case "server_error":
            return Response("<h1>Error establishing a database connection</h1>", 500, media_type="text/html")
        case "parked" if page_asked:
            sale = f"<title>{site.host} is for sale</title></head><body>This domain is parked. Buy this domain.</body>"
            return Response(f"<html><head>{sale}</html>", media_type="text/html")
        case "not_html" if page_asked:
            return Response(b"%PDF-1.4\n%sandbox\n", media_type="application/pdf")
        case "huge" if page_asked:
            return StreamingResponse(_flood(), media_type="text/html")
    return None


async def _flood() -> AsyncIterator[bytes]:
    yield b"<html><body>"
    for _ in range(HUGE_BYTES // 65536):
        yield b"x" * 65536


def _dressed(site: Site, body: str, request: Request) -> Response:
    """The page with the headers that the site's server sends."""
    bad, content = site.defects, body.encode()
    headers = {"server": SERVERS.get(site.platform, "nginx")}
    if "php_told" in site.offers and site.platform in {"wordpress", "joomla", "drupal", "hand"}:
        releases = offers.RELEASES["php"]
        headers["x-powered-by"] = f"PHP/{releases[int(share('php', site.host) * len(releases))]}"
    if "missing_security_headers" not in bad:
        headers |= SECURITY_HEADERS
    if "no_cache_headers" not in bad:
        headers["cache-control"] = "public, max-age=3600"
    if "no_compression" not in bad and "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, compresslevel=1, mtime=0)
        headers |= {"content-encoding": "gzip", "vary": "accept-encoding"}
    return Response(content, headers=headers, media_type="text/html")
