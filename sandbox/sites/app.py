"""Serves the businesses' websites by Host header, each with its server's own manners."""

from __future__ import annotations

import asyncio
import hashlib

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sandbox.model import Business, Site
from sandbox.sites.pages import page
from sandbox.state import Sandbox

HANGS_S = 60.0
HUGE_BYTES = 20 * 1024 * 1024


class Gone(Exception):
    """The connection is to be dropped without an answer."""


class Websites:
    """An ASGI app over all sites of the world."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; a dropped connection raises, which the server turns into a reset."""
        request = Request(scope, receive)
        host = request.headers.get("host", "").split(":")[0].lower()
        site = self._sandbox.world.site(host)
        response = Response("no such site", 404) if site is None else await self._answer(site, host, request)
        await response(scope, receive, send)

    async def _answer(self, site: Site, host: str, request: Request) -> Response:
        scheme, path = request.url.scheme, request.url.path
        for behave in (_dropped, _redirected):
            response = await behave(site, host, scheme, path)
            if response is not None:
                return response
        if path == "/robots.txt":
            rule = "Disallow: /" if site.behaviour == "robots_disallow" else "Disallow: /admin/"
            return Response(f"User-agent: *\n{rule}\n", media_type="text/plain")
        if path == "/sitemap.xml" and "no_sitemap" not in site.defects:
            return Response(f"<urlset><url><loc>{scheme}://{host}/</loc></url></urlset>", media_type="application/xml")
        if site.behaviour == "parked":
            return Response(
                f"<html><head><title>{host} is for sale</title></head><body>This domain is parked. Buy this domain.</body></html>",
                media_type="text/html",
            )
        if site.behaviour == "not_html":
            return Response(b"%PDF-1.4\n%sandbox\n", media_type="application/pdf")
        if site.behaviour == "huge":
            return StreamingResponse(_flood(), media_type="text/html")
        body = page(site, self._business(site), path, scheme)
        if body is None:
            return Response("<html><body>not found</body></html>", 404, media_type="text/html")
        if "slow_server" in site.defects:
            await asyncio.sleep(float(self._sandbox.options.get("slow_server_s", 0.15)))
        return _dressed(site, body, request)

    def _business(self, site: Site) -> Business:
        if site.business_key.startswith("chain:"):
            return chain_headquarters(self._sandbox, site)
        return self._sandbox.world.business(site.business_key)


def chain_headquarters(sandbox: Sandbox, site: Site) -> Business:
    """The business whose address a chain's central site shows: none of its branches'."""
    import datetime as dt

    from sandbox.model import Address

    _, vertical, name = site.business_key.split(":", 2)
    at = Address("1 Corporate Plaza", "Wilmington", "DE", "19801", 39.74, -75.55)
    return Business(
        site.business_key,
        name,
        vertical,
        (),
        (),
        at,
        "+13025550100",
        site.host,
        f"info@{site.host}",
        "mailto",
        name,
        "open",
        None,
        0,
        None,
        900,
        dt.date(1998, 5, 1),
    )


async def _dropped(site: Site, host: str, scheme: str, path: str) -> Response | None:
    if site.behaviour == "timeout":
        await asyncio.sleep(HANGS_S)
        raise Gone
    if site.behaviour == "refused":
        raise Gone
    if site.behaviour == "server_error":
        return Response("<h1>Error establishing a database connection</h1>", 500, media_type="text/html")
    return None


async def _redirected(site: Site, host: str, scheme: str, path: str) -> Response | None:
    if site.behaviour == "redirect_loop":
        hop = int(hashlib.sha256(path.encode()).hexdigest(), 16) % 97
        return RedirectResponse(f"{scheme}://{host}/hop-{hop}", 302)
    if site.behaviour == "redirect_https" and scheme == "http":
        return RedirectResponse(f"https://{host}{path}", 301)
    if site.behaviour == "redirect_other_host" and not host.startswith("www."):
        return RedirectResponse(f"{scheme}://www.{host}{path}", 301)
    return None


async def _flood():  # type: ignore[no-untyped-def]
    yield b"<html><body>"
    for _ in range(HUGE_BYTES // 65536):
        yield b"x" * 65536


def _dressed(site: Site, body: str, request: Request) -> Response:
    """The page with the headers that the site's server sends."""
    bad, content, headers = site.defects, body.encode(), {}
    if "missing_security_headers" not in bad:
        headers |= {
            "strict-transport-security": "max-age=63072000",
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'self' https:",
        }
    if "no_cache_headers" not in bad:
        headers["cache-control"] = "public, max-age=3600"
    headers["server"] = {"wordpress": "Apache/2.4.41", "wix": "Pepyaka", "squarespace": "Squarespace"}.get(
        site.platform, "nginx"
    )
    if "no_compression" not in bad and "gzip" in request.headers.get("accept-encoding", ""):
        import gzip

        content = gzip.compress(content, compresslevel=1, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(content, headers=headers, media_type="text/html")
