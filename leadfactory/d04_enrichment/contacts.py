"""Names, telephones, addresses, hours and e-mail addresses that a business publishes on its own website."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import tldextract
from email_validator import EmailNotValidError, validate_email
from selectolax.lexbor import LexborHTMLParser

from leadfactory.d02_sourcing.listings import e164
from leadfactory.keyed_hashes import FREE_MAIL, normalise_address

_SUFFIXES = tldextract.TLDExtract(
    suffix_list_urls=(), extra_suffixes=("example",)
)  # the list in the package; nothing is fetched
_EMAIL = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9\-]{2,})+"
)
_SPELT = re.compile(
    r"([A-Za-z0-9._%+\-]+)\s*[\[({]\s*at\s*[\])}]\s*([A-Za-z0-9\-]+)((?:\s*(?:[\[({]\s*dot\s*[\])}]|\.)\s*[A-Za-z0-9\-]+)+)",
    re.IGNORECASE,
)
_PHONE = re.compile(r"\(?\b[2-9]\d{2}\)?[\s.\-]{0,2}[2-9]\d{2}[\s.\-]\d{4}\b")
_STREET = re.compile(r"\b\d{1,5} [A-Z0-9][\w.'’ ]{2,40}, [A-Z][\w.'’ ]{1,30}, [A-Z]{2} \d{5}\b")
_HOURS = re.compile(
    r"\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\b[^<\n]{0,20}\d{1,2}(?::\d{2})?\s*(?:am|pm)", re.IGNORECASE
)
_BUSINESS_TYPES = re.compile(
    r"(?:Business|Restaurant|Dentist|Store|Organization|Physician|Attorney|Salon|Clinic|Hotel|Agent|Service|Plumber)$"
)
_REFUSED_LOCAL = re.compile(
    r"^(?:no-?reply|do-?not-?reply|mailer-daemon|postmaster|abuse|privacy|webmaster|example|your|name|email)\b",
    re.IGNORECASE,
)
_REFUSED_DOMAINS = frozenset({"example.com", "domain.com", "email.com", "sentry.io", "wixpress.com", "squarespace.com", "godaddy.com", "wordpress.com", "schema.org", "yourdomain.com"})  # fmt: skip
_ROLES = ("owner", "info", "hello", "contact", "office", "frontdesk", "mail", "team")
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|css|js)$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Contact:
    """An e-mail address and how the page shows it: mailto, json_ld or text."""

    email: str
    how: str


def registrable_domain(host: str) -> str:
    """The part of a host name that somebody registered: ``www.joes.co.uk`` → ``joes.co.uk``."""
    found = _SUFFIXES(host)
    return found.top_domain_under_public_suffix or host.lower()


def linked_data(tree: LexborHTMLParser) -> dict[str, Any]:
    """The first JSON-LD object that describes a business; empty when there is none or it is broken."""
    for node in tree.css('script[type="application/ld+json"]'):
        try:
            content = json.loads(node.text(strip=True))
        except ValueError:
            continue
        for each in _objects(content):
            kinds = each.get("@type")
            if any(
                isinstance(kind, str) and _BUSINESS_TYPES.search(kind)
                for kind in (kinds if isinstance(kinds, list) else [kinds])
            ):
                return each
    return {}


def _objects(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, list):
        for each in content:
            yield from _objects(each)
    elif isinstance(content, dict):
        yield content
        yield from _objects(content.get("@graph") or [])


def contacts(tree: LexborHTMLParser, text: str, data: dict[str, Any]) -> list[Contact]:
    """All usable addresses of a page, in the order in which they are believed."""
    found: dict[str, Contact] = {}
    for node in tree.css('a[href^="mailto:" i]'):
        address = unquote((node.attributes.get("href") or "")[7:].split("?")[0])
        _add(found, address, "mailto")
    if isinstance(data.get("email"), str):
        _add(found, data["email"].removeprefix("mailto:"), "json_ld")
    for match in _EMAIL.finditer(text):
        _add(found, match[0], "text")
    for match in _SPELT.finditer(text):
        rest = re.sub(r"\s*(?:[\[({]\s*dot\s*[\])}]|\.)\s*", ".", match[3])
        _add(found, f"{match[1]}@{match[2]}{rest}", "text")
    return list(found.values())


def _add(found: dict[str, Contact], address: str, how: str) -> None:
    address = address.strip().strip(".,;:")
    if _PICTURE.search(address) or len(address) > 254:
        return
    try:
        normal = normalise_address(address)
        validate_email(normal, check_deliverability=False, test_environment=True)
    except (ValueError, EmailNotValidError):
        return
    local, _, domain = normal.rpartition("@")
    if _REFUSED_LOCAL.match(local) or domain in _REFUSED_DOMAINS or registrable_domain(domain) in _REFUSED_DOMAINS:
        return
    found.setdefault(normal, Contact(normal, how))


def best(candidates: list[Contact], host: str) -> Contact | None:
    """The address to write to: own domain before free mail before others', a role before a person, then the page's order."""
    own = registrable_domain(host)

    def order(position_and_contact: tuple[int, Contact]) -> tuple[int, int, int]:
        position, contact = position_and_contact
        local, _, domain = contact.email.rpartition("@")
        distance = 0 if registrable_domain(domain) == own else (1 if domain in FREE_MAIL else 2)
        role = next((n for n, name in enumerate(_ROLES) if local.startswith(name)), len(_ROLES))
        return distance, role, position

    usable = [
        (n, c) for n, c in enumerate(candidates) if order((n, c))[0] < 2
    ]  # a stranger's domain is an agency or a widget
    return min(usable, key=order)[1] if usable else None


def phone(tree: LexborHTMLParser, text: str, data: dict[str, Any]) -> str | None:
    """The business's telephone in E.164 form: linked, structured, or written."""
    for node in tree.css('a[href^="tel:" i]'):
        found = e164(unquote((node.attributes.get("href") or "")[4:]))
        if found:
            return found
    written = _PHONE.search(text)
    return e164(str(data["telephone"])) if data.get("telephone") else (e164(written[0]) if written else None)


def address(text: str, data: dict[str, Any]) -> str | None:
    """The postal address in one line, structured or written."""
    at = data.get("address")
    if isinstance(at, dict) and at.get("streetAddress"):
        parts = [
            at.get("streetAddress"),
            at.get("addressLocality"),
            f"{at.get('addressRegion') or ''} {at.get('postalCode') or ''}".strip(),
        ]
        return ", ".join(str(part) for part in parts if part)
    written = _STREET.search(text)
    return written[0] if written else None


def hours(text: str, data: dict[str, Any]) -> Any:
    """Opening hours as published: a list of strings, or None."""
    structured = data.get("openingHours") or data.get("openingHoursSpecification")
    if structured:
        return structured if isinstance(structured, list) else [structured]
    written = _HOURS.search(text)
    return [written[0]] if written else None


def name(tree: LexborHTMLParser, data: dict[str, Any]) -> str | None:
    """The business's own name for itself: structured data, site name, or the title without its slogan."""
    candidates = [data.get("name")]
    node = tree.css_first('meta[property="og:site_name"]')
    candidates.append(node.attributes.get("content") if node else None)
    title = tree.css_first("title")
    if title is not None:
        candidates.append(re.split(r"\s[|\-–—·:]\s", title.text(strip=True))[0])
    for each in candidates:
        if isinstance(each, str):
            clean = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", each)).strip()
            if 2 <= len(clean) <= 80:
                return clean
    return None
