"""What a business's own page says about it: name, telephone, postal address, hours, country.

Whatever a page contains, what leaves here is short plain text that any column takes: no markup, no control characters.
"""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from rapidfuzz import fuzz
from selectolax.lexbor import LexborHTMLParser

from leadfactory.d01_targeting.places import state_of_zip
from leadfactory.d02_sourcing.listings import e164
from leadfactory.d04_enrichment import markup
from leadfactory.keyed_hashes import normalise_name

TEXT_READ = 200_000  # characters of visible text in which something is looked for; more is not a small business's page
_TAG = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|$)|<[^<>]*>", re.IGNORECASE | re.DOTALL)
_PHONE = re.compile(r"(?<![\d.])(?:\+?1[\s.\-]?)?\(?[2-9]\d{2}\)?[\s.\-]{0,2}[2-9]\d{2}[\s.\-]\d{4}(?!\d)")
_POSTAL_END = re.compile(r"\b([A-Z]{2})\.?,?\s{1,3}(\d{5})(?:-\d{4})?\b")
_POSTAL_START = re.compile(r"(?<![\w-])\d{1,6}(?:-\d{1,4})?\s+[\w#]")
_HOURS = re.compile(
    r"\b(?:mon|tue|wed|thu|fri|sat|sun|daily)[a-z]*\b[^<\n]{0,20}?\d{1,2}(?::\d{2})?\s*(?:am|pm|a\.m\.|p\.m\.|[-–]\s*\d{1,2})",
    re.IGNORECASE,
)
_BUSINESS_TYPE = re.compile(
    r"(?:Business|Restaurant|Dentist|Store|Organization|Physician|Attorney|Salon|Clinic|Hotel|Agent|Service|Plumber|Electrician"
    r"|Contractor|Repair|Shop|Gym|Club|Spa|Care|School|Bakery|Cafe|Bar|Pharmacy|Lodging)$"
)
_GENERIC = {
    "home", "homepage", "home page", "welcome", "index", "my site", "mysite", "website", "wordpress", "untitled", "main", "start",
    "just another wordpress site", "my blog", "blank title", "new page", "contact", "contact us", "about us",
}  # fmt: skip
_UNITED_STATES = {"us", "usa", "united states", "united states of america", "u.s.", "u.s.a."}


@dataclasses.dataclass(frozen=True)
class Said:
    """What the page says. ``hours`` are lines as published; ``country`` an ISO code, "" when it names one that we do not know."""

    name: str | None
    phone: str | None
    address: str | None
    zip_code: str | None
    hours: list[str] | None
    country: str | None


def read(tree: LexborHTMLParser, text: str, data: Mapping[str, Any], hint: str | None = None) -> Said:
    """Reads a page.

    Args:
        tree: the page, with its head.
        text: its visible text.
        data: ``linked_data`` of the page.
        hint: how others call the business; only chooses among the page's own words.
    """
    text = text[:TEXT_READ]
    where = address(text, data)
    code = re.search(r"\b(\d{5})(?:-\d{4})?$", where or "")
    return Said(
        name(tree, data, hint), phone(tree, text, data), where, code[1] if code else None, hours(text, data), country(data)
    )  # fmt: skip


def plain(value: object, most: int) -> str | None:
    """``value`` as one line of at most ``most`` printable characters without markup; None when it is no text or too long."""
    if not isinstance(value, str) or len(value) > 20 * most:
        return None
    bare = _TAG.sub("", html.unescape(_TAG.sub("", value)))
    shown = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in bare)).strip()
    return shown if 0 < len(shown) <= most else None


def linked_data(tree: LexborHTMLParser) -> dict[str, Any]:
    """The first JSON-LD object that describes a business; empty when there is none or it is broken."""
    for node in tree.css('script[type="application/ld+json" i]'):
        try:
            content = json.loads(node.text(deep=True, strip=True))
        except (ValueError, RecursionError):  # a stranger's page may nest as deep as it likes
            continue
        for each in markup.objects(content):
            kinds = each.get("@type")
            if any(
                isinstance(kind, str) and _BUSINESS_TYPE.search(kind)
                for kind in (kinds if isinstance(kinds, list) else [kinds])
            ):
                return each
    return {}


def name(tree: LexborHTMLParser, data: Mapping[str, Any], hint: str | None = None) -> str | None:
    """The business's own name for itself: structured data, site name, or the part of the title that names it."""
    site = tree.css_first('meta[property="og:site_name"]')
    for value in (data.get("name"), site.attributes.get("content") if site is not None else None):
        found = plain(value, 80)
        if found is not None and len(found) >= 2 and normalise_name(found) not in _GENERIC:
            return found
    title = tree.css_first("head > title") or tree.css_first("title")
    shown = plain(title.text(strip=True), 300) if title is not None else None
    parts = [part.strip() for part in re.split(r"\s[|\-–—·:»]\s", shown or "")]
    parts = [part for part in parts if 2 <= len(part) <= 80 and normalise_name(part) not in _GENERIC]
    if not parts:
        return None
    wanted = normalise_name(hint or "")
    return max(parts, key=lambda part: fuzz.token_set_ratio(normalise_name(part), wanted)) if wanted else parts[0]


def phone(tree: LexborHTMLParser, text: str, data: Mapping[str, Any]) -> str | None:
    """The business's telephone in E.164 form: linked, structured, or written."""
    for node in tree.css('a[href^="tel:" i]'):
        found = e164(plain(unquote((node.attributes.get("href") or "")[4:]), 40))
        if found:
            return found
    told = data.get("telephone")
    found = e164(plain(told[0] if isinstance(told, list) and told else told, 40))
    return found or written_phone(text)


def written_phone(text: str) -> str | None:
    """The first US telephone number in a text, in E.164 form."""
    written = _PHONE.search(text[:TEXT_READ])
    return e164(written[0]) if written else None


def address(text: str, data: Mapping[str, Any]) -> str | None:
    """The postal address in one line, structured or written."""
    at = data.get("address")
    at = at[0] if isinstance(at, list) and at else at
    if isinstance(at, dict) and plain(at.get("streetAddress"), 120):
        last = " ".join(filter(None, (plain(at.get("addressRegion"), 30), plain(at.get("postalCode"), 12))))
        parts = (plain(at.get("streetAddress"), 120), plain(at.get("addressLocality"), 60), last or None)
        return ", ".join(part for part in parts if part)
    return plain(at, 200) if isinstance(at, str) and plain(at, 200) else written_address(text)


def written_address(text: str) -> str | None:
    """The first US address in a text: read backwards from a state and a ZIP code that belong together."""
    for end in _POSTAL_END.finditer(text[:TEXT_READ]):
        if state_of_zip(end[2]) != end[1]:
            continue
        before = text[max(0, end.start() - 100) : end.start()]
        starts = [m.start() for m in _POSTAL_START.finditer(before) if "," in before[m.end() :]]
        if starts:
            return plain(before[starts[-1] :] + end[0], 160)
    return None


def hours(text: str, data: Mapping[str, Any]) -> list[str] | None:
    """Opening hours as published, at most 14 lines."""
    told = data.get("openingHours") or data.get("openingHoursSpecification")
    lines = [_hours_line(each) for each in (told if isinstance(told, list) else [told])[:14]]
    found = [line for line in lines if line]
    if found:
        return found
    written = _HOURS.search(text)
    return [written[0].strip()] if written else None


def _hours_line(told: Any) -> str | None:
    if not isinstance(told, dict):
        return plain(told, 120)
    days = told.get("dayOfWeek")
    named = [plain(day, 60) for day in (days if isinstance(days, list) else [days])]
    short = "-".join(dict.fromkeys(day.rsplit("/", 1)[-1] for day in named if day))
    opens, closes = plain(told.get("opens"), 20), plain(told.get("closes"), 20)
    return f"{short} {opens}-{closes}".strip() if opens and closes else None


def country(data: Mapping[str, Any]) -> str | None:
    """The country that the page's structured data names: ISO 3166-1 alpha-2, "" for one we cannot read, None for none."""
    at = data.get("address")
    at = at[0] if isinstance(at, list) and at else at
    told = at.get("addressCountry") if isinstance(at, dict) else None
    told = told.get("name") if isinstance(told, dict) else told
    shown = plain(told, 60)
    if shown is None:
        return None
    if shown.lower() in _UNITED_STATES:
        return "US"
    return shown.upper() if re.fullmatch(r"[A-Za-z]{2}", shown) else ""
