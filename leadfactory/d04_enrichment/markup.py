"""Parsing a stranger's HTML in bounded time: the parser is quadratic in how deep a page nests, so the depth is bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from selectolax.lexbor import LexborHTMLParser

DEEPEST = 1_000  # open elements; browsers stop nesting at 512
MOST = 2_000_000  # characters; a small business's page is a hundredth of that
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]{0,40})[^<>]*?(/?)>")
# Elements without an end, and those that the next of their kind closes.
_FLAT = frozenset({
    "area", "base", "body", "br", "caption", "col", "colgroup", "dd", "dt", "embed", "head", "hr", "html", "img", "input", "li", "link",
    "meta", "optgroup", "option", "p", "param", "rp", "rt", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr",
})  # fmt: skip


def parse(html: str) -> LexborHTMLParser:
    """The tree of a page; what lies behind the point where it nests too deep, or grows too long, is left out."""
    return LexborHTMLParser(html[: _end(html[:MOST])])


def objects(content: Any, depth: int = 4) -> Iterator[dict[str, Any]]:
    """Every object of a JSON-LD document: alone, in lists and in graphs, as far as ``depth`` levels down."""
    if depth and isinstance(content, list):
        for each in content:
            yield from objects(each, depth - 1)
    elif depth and isinstance(content, dict):
        yield content
        yield from objects(content.get("@graph") or [], depth - 1)


def _end(html: str) -> int:
    """Where the page first has more than ``DEEPEST`` elements open at once; its length when it never has."""
    depth = drawing = 0
    for tag in _TAG.finditer(html):
        closes, name, ends_itself = tag[1], tag[2].lower(), tag[3]
        if name in _FLAT or (ends_itself and drawing):
            continue
        step = -1 if closes else 1
        drawing = max(0, drawing + step) if name == "svg" else drawing
        depth = max(0, depth + step)
        if depth > DEEPEST:
            return tag.start()
    return len(html)
