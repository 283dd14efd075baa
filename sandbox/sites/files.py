"""What a site serves besides pages: robots.txt, sitemap, style sheets, scripts, pictures, so that only broken links are broken."""

from __future__ import annotations

import re

from starlette.responses import Response

from sandbox.model import Site
from sandbox.sites.inventory import Resource, resources

_PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(56)  # enough of a picture to be told by its first bytes
_MENU = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
_PLATFORM = re.compile(r"/(?:wp-content|parastorage|static1|media/system|sites/default/files)/[\w./-]+\.(?:css|js)$")


def file_of(site: Site, path: str, scheme: str) -> Response | None:
    """The answer for a file of the site, or None when it has no such file."""
    if path == "/robots.txt" and "no_robots_txt" not in site.defects:
        rule = "Disallow: /" if site.behaviour == "robots_disallow" else "Disallow: /admin/"
        more = "" if "no_sitemap" in site.defects else f"Sitemap: {scheme}://{site.host}/sitemap.xml\n"
        return Response(f"User-agent: *\n{rule}\n{more}", media_type="text/plain")
    if path == "/sitemap.xml" and "no_sitemap" not in site.defects:
        pages = "".join(f"<url><loc>{scheme}://{site.host}{each}</loc></url>" for each in ("/", "/about", "/contact"))
        document = f'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{pages}</urlset>'
        return Response(document, media_type="application/xml")
    if path == "/favicon.ico" and "no_favicon" not in site.defects:
        return Response(_PIXEL, media_type="image/x-icon")
    if path == "/menu.pdf" and "menu_file" in site.offers:
        return Response(_MENU, media_type="application/pdf")
    own = next((each for each in resources(site) if each.path == path and each.kind != "document"), None)
    if own is not None:
        return _resource(own)
    if _PLATFORM.match(path) and site.platform != "hand":
        return Response("/* platform */\n", media_type="text/css" if path.endswith(".css") else "text/javascript")
    return None


def _resource(each: Resource) -> Response:
    """A file of the size that the page's inventory gives it."""
    if each.kind == "image":
        media = "image/png" if each.path.endswith(".png") else "image/webp"
        return Response((_PIXEL + bytes(max(0, each.size - len(_PIXEL))))[: each.size], media_type=media)
    text = "body{line-height:1.5}" if each.kind == "stylesheet" else _script(each.path)
    padded = f"{text}\n/*{'.' * max(0, each.size - len(text) - 5)}*/"
    return Response(padded, media_type="text/css" if each.kind == "stylesheet" else "text/javascript")


def _script(path: str) -> str:
    if "jquery" in path:
        return "/*! jQuery v1.8.3 */ window.jQuery = window.$ = function () { return {}; };"
    return f"window.loaded = (window.loaded || []).concat({path!r});"
