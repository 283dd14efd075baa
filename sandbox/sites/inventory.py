"""What the home page of a site loads, so that its HTML, its files and PageSpeed's answer name the same resources."""

from __future__ import annotations

import dataclasses
from typing import Literal

from sandbox.model import Site

TEXT_UNCOMPRESSED = 3  # how many times larger text travels without compression
DOCUMENT_BYTES, STYLE_BYTES, SCRIPT_BYTES = 6_000, 9_000, 24_000  # as they travel, compressed


@dataclasses.dataclass(frozen=True)
class Resource:
    """One request of the page; ``size`` is bytes on the wire, ``blocks`` whether the first paint waits for it."""

    path: str
    kind: Literal["document", "stylesheet", "script", "image"]
    size: int
    blocks: bool = False


def resources(site: Site) -> list[Resource]:
    """All requests of the home page to the site itself, the document first."""
    bad = site.defects
    times = TEXT_UNCOMPRESSED if "no_compression" in bad else 1
    large = 4 if "large_dom" in bad else 1
    found = [Resource("/", "document", DOCUMENT_BYTES * times * large)]
    found += [
        Resource(path, "stylesheet", STYLE_BYTES * times, len(style_sheets(site)) > 1) for path in style_sheets(site)
    ]
    found += [Resource(path, "script", SCRIPT_BYTES * times, True) for path in blocking_scripts(site)]
    found += [Resource(path, "script", 2 * SCRIPT_BYTES * times) for path in deferred_scripts(site)]
    paths = image_paths(site)
    return found + [Resource(path, "image", site.weight_kb * 1024 // len(paths)) for path in paths]


def style_sheets(site: Site) -> list[str]:
    """Style sheets of the head."""
    return [f"/css/theme-{i}.css" for i in range(6)] if "render_blocking_css" in site.defects else ["/css/site.css"]


def blocking_scripts(site: Site) -> list[str]:
    """Scripts of the head that stop the parser."""
    found = [f"/js/plugin-{i}.js" for i in range(7)] if "render_blocking_scripts" in site.defects else []
    return found + (["/js/jquery-1.8.3.min.js"] if "jquery_old" in site.defects else [])


def deferred_scripts(site: Site) -> list[str]:
    """Scripts that wait for the parser, and are hardly used."""
    return [f"/js/vendor-{i}.js" for i in range(5)] if "unused_scripts" in site.defects else []


def image_paths(site: Site) -> list[str]:
    """The pictures of the home page."""
    name = "hero-original-6000px.png" if "huge_images" in site.defects else "hero.webp"
    return [f"/img/{i}-{name}" for i in range(4)]
