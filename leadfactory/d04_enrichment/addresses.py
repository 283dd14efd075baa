"""E-mail addresses that a page publishes, however its owner hid them from machines. None is ever put together from a guess.

Read in the order in which they are believed: linked, structured, visible (spelt out, reversed, split over tags), decoded
(Cloudflare's data-cfemail, data attributes, strings that an inline script joins and writes into the page).
"""

from __future__ import annotations

import dataclasses
import html as entities
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from email_validator import EmailNotValidError, validate_email
from selectolax.lexbor import LexborHTMLParser, LexborNode

from leadfactory.d04_enrichment import scripts
from leadfactory.d04_enrichment.own_site import registrable_domain
from leadfactory.d04_enrichment.own_words import TEXT_READ
from leadfactory.d04_enrichment.policy import policy
from leadfactory.keyed_hashes import normalise_address

MOST = 50  # addresses read from one page; a page with more is a directory
BEFORE = 60  # characters before an address in which a designer is named
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_LOCAL = r"[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}"
_EMAIL = re.compile(rf"(?<![A-Za-z0-9._%+\-@/]){_LOCAL}@(?:{_LABEL}\.){{1,6}}[A-Za-z][A-Za-z0-9\-]{{1,62}}")
# "info @ joes.example": one text of a page whose tags split the address.
_SPACED = re.compile(rf"(?<![A-Za-z0-9._%+\-@/])({_LOCAL}) {{0,2}}@ {{0,2}}((?:{_LABEL}\.){{1,6}}[A-Za-z]{{2,24}})\b")
_OPEN, _SHUT = r"\s{0,3}[\[({<_*]{1,2}\s{0,3}", r"\s{0,3}[\])}>_*]{1,2}\s{0,3}"
_AT = rf"(?:{_OPEN}(?:at|@){_SHUT}|\s{{1,3}}AT\s{{1,3}}|\s{{1,3}}at\s{{1,3}})"
_DOT = rf"(?:{_OPEN}(?:dot|\.){_SHUT}|\s{{1,3}}(?:dot|DOT)\s{{1,3}}|\.)"
_SPELT = re.compile(
    rf"(?<![A-Za-z0-9._%+\-@])([A-Za-z0-9][A-Za-z0-9._%+\-]{{0,63}}){_AT}({_LABEL}(?:{_DOT}{_LABEL}){{1,5}})(?![A-Za-z0-9@])"
)
_BRACKETED_AT = re.compile(rf"{_OPEN}(?:at|@){_SHUT}", re.IGNORECASE)
_SPELT_DOT = re.compile(rf"{_OPEN}(?:dot|\.){_SHUT}|\s{{1,3}}dot\s{{1,3}}", re.IGNORECASE)
_ZERO_WIDTH = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|avif|ico|css|js|woff2?)$", re.IGNORECASE)
_MACHINE = re.compile(r"^[0-9a-f]{24,}$")  # a project key of an error tracker
_LEFT_OVER = re.compile(
    r"^(?:u003[ce]|x3[ce]|%20|20(?=[a-z]))+", re.IGNORECASE
)  # escapes that a template forgot to decode
_REVERSED = re.compile(r"unicode-bidi\s*:\s*bidi-override|direction\s*:\s*rtl", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_RULE = re.compile(r"([^{}]{1,300})\{([^{}]{0,2000})\}")
_CLASS = re.compile(r"\.([A-Za-z_][\w\-]{0,60})\s*$")


@dataclasses.dataclass(frozen=True)
class Contact:
    """A normalised e-mail address and how the page shows it: mailto, json_ld, text or decoded.

    ``designer`` says that the words before it name a web designer.
    """

    email: str
    how: str
    designer: bool = False


@dataclasses.dataclass(frozen=True)
class Code:
    """What a page's scripts, styles and attributes say of addresses: those they hold, and the classes that turn or hide text."""

    decoded: tuple[str, ...]
    turned: frozenset[str]
    hidden: frozenset[str]


def code_of(tree: LexborHTMLParser) -> Code:
    """Reads a page while it still has its scripts and styles."""
    turned, hidden = _styled(tree)
    return Code(tuple(_decoded(tree)), frozenset(turned), frozenset(hidden))


def published(tree: LexborHTMLParser, data: Mapping[str, Any], code: Code) -> list[Contact]:
    """All usable addresses of a page.

    Args:
        tree: the page without scripts and styles; what its own styles hide is removed from it here.
        data: ``linked_data`` of the page.
        code: ``code_of`` the page when it was whole.
    """
    found: dict[str, Contact] = {}
    for node in tree.css('a[href^="mailto:" i]')[: 4 * MOST]:
        linked = unquote(entities.unescape(node.attributes.get("href") or "")[7:]).split("?")[0]
        for each in re.split(r"[,;]", linked)[:MOST]:
            _add(found, each, "mailto", _around(node))
    for each in _structured(data, 4):
        _add(found, each.removeprefix("mailto:"), "json_ld", "")
    for text in _visible(tree, code):
        for address, before in spelt(text):
            _add(found, address, "text", before)
    for address in code.decoded:
        _add(found, address, "decoded", "")
    return list(found.values())


def spelt(text: str) -> Iterator[tuple[str, str]]:
    """Addresses in a text, plain or spelt out, each with the words before it."""
    text = _ZERO_WIDTH.sub("", text[:TEXT_READ]).replace("＠", "@").replace("．", ".")
    for match in _EMAIL.finditer(text):
        yield match[0], text[max(0, match.start() - BEFORE) : match.start()]
    for match in _SPACED.finditer(text):
        yield f"{match[1]}@{match[2]}", text[max(0, match.start() - BEFORE) : match.start()]
    for match in _SPELT.finditer(text):
        # "meet me at dots.example" is a sentence: a bare "at" counts only beside a dot that is spelt out as well.
        if _BRACKETED_AT.search(match[0]) or _SPELT_DOT.search(match[2]):
            domain = re.sub(_DOT, ".", match[2])
            yield f"{match[1]}@{domain}", text[max(0, match.start() - BEFORE) : match.start()]


def cloudflare(code: str) -> str | None:
    """The address behind ``data-cfemail``: hex bytes, each XORed with the first; None when it is none."""
    try:
        raw = bytes.fromhex(code.strip())
        return bytes(each ^ raw[0] for each in raw[1:]).decode() if 6 < len(raw) <= 260 else None
    except (ValueError, UnicodeDecodeError):
        return None


def _decoded(tree: LexborHTMLParser) -> Iterator[str]:
    for node in tree.css("[data-cfemail]")[:MOST]:
        yield cloudflare(node.attributes.get("data-cfemail") or "") or ""
    for node in tree.css('a[href*="/cdn-cgi/l/email-protection#"]')[:MOST]:
        yield cloudflare((node.attributes.get("href") or "").rpartition("#")[2]) or ""
    for node in tree.css("[data-email]")[:MOST]:
        yield node.attributes.get("data-email") or ""
    for node in tree.css("[data-domain]")[:MOST]:
        said = node.attributes
        local, end = said.get("data-user") or said.get("data-name"), said.get("data-tld")
        if local:
            yield f"{local}@{said.get('data-domain')}" + (f".{end}" if end else "")
    for node in tree.css("script:not([src])")[:MOST]:
        for text in scripts.written(node.text(deep=True) or ""):
            for match in _EMAIL.finditer(text):
                yield match[0]


def _structured(data: Any, depth: int) -> Iterator[str]:
    """``email`` of the business's structured data and of its contact points."""
    if not depth or not isinstance(data, Mapping):
        return
    told = data.get("email")
    for each in told if isinstance(told, list) else [told]:
        if isinstance(each, str):
            yield each
    points = data.get("contactPoint")
    for point in (points if isinstance(points, list) else [points])[:20]:
        yield from _structured(point, depth - 1)


def _visible(tree: LexborHTMLParser, code: Code) -> Iterator[str]:
    """The page's text without what its styles hide; what its styles turn around, turned back, comes after it."""
    backwards: list[str] = []
    for node in tree.css("[style], [class], bdo")[:5_000]:
        style, classes = node.attributes.get("style") or "", set((node.attributes.get("class") or "").split())
        if _HIDDEN.search(style) or classes & code.hidden:
            node.decompose()
        elif _REVERSED.search(style) or classes & code.turned or (node.attributes.get("dir") or "").lower() == "rtl":
            backwards.append(node.text(strip=True)[:300][::-1])
    if tree.body is not None:
        yield tree.body.text(separator=" ", strip=True)
    yield from backwards


def _styled(tree: LexborHTMLParser) -> tuple[set[str], set[str]]:
    """Classes that the page's own style sheet turns around, and that it hides."""
    turned, hidden = set[str](), set[str]()
    for node in tree.css("style")[:20]:
        for rule in _RULE.finditer((node.text(deep=True) or "")[:100_000]):
            names = {named[1] for part in rule[1].split(",") if (named := _CLASS.search(part.strip()))}
            turned |= names if "bidi-override" in rule[2] else set()
            hidden |= names if re.search(r"display\s*:\s*none", rule[2]) else set()
    return turned, hidden


def _around(node: LexborNode) -> str:
    """The words before a link in the element that holds it."""
    parent = node.parent
    text = parent.text(separator=" ", strip=True) if parent is not None else ""
    if len(text) > 400:
        return ""
    return text.partition(node.text(strip=True) or "\0")[0][-BEFORE:]


def _add(found: dict[str, Contact], address: str, how: str, before: str) -> None:
    address = _LEFT_OVER.sub("", address.strip()).strip(".,;:<>\"'() ")
    if len(found) >= MOST or _PICTURE.search(address) or not 5 < len(address) <= 254:
        return
    try:
        normal = normalise_address(address)
        validate_email(normal, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except (ValueError, EmailNotValidError):
        return
    if refused(normal):
        return
    designer = any(words in before.lower() for words in policy().contact.designer_words)
    found.setdefault(normal, Contact(normal, how, designer))


def refused(email: str) -> bool:
    """Whether a normalised address is a template's, a tool's or one that nobody reads."""
    rules = policy().contact
    local, _, domain = email.rpartition("@")
    word = re.split(r"[+\d]", local)[0].rstrip("._-") or local
    return (
        local in rules.refused_locals
        or word in rules.refused_locals
        or bool(_MACHINE.match(local))
        or domain in rules.refused_domains
        or registrable_domain(domain) in rules.refused_domains
    )
