"""Rules about words on a page: telephone, address, hours, calls to action, booking. Pure; the rules are those that the
catalogue's definitions point to (tests/fixtures/sites/README.md, part 2)."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from leadfactory.d01_targeting.places import state_of_zip

TEXT_READ = 200_000  # characters of visible text in which something is looked for; more is no small business's page
_PHONE = re.compile(
    r"(?<![\d.])(?:\+?1[\s.\-]{0,2})?(?:\([2-9]\d{2}\)[\s.\-]{0,2}|[2-9]\d{2}[\s.\-]{1,2})[2-9]\d{2}[\s.\-]{1,2}\d{4}(?!\d)"
)
_POSTAL_END = re.compile(r"\b([A-Z]{2})\.?,?\s{1,3}(\d{5})(?:-\d{4})?\b")
_POSTAL_START = re.compile(r"(?<![\w-])\d{1,6}[A-Za-z]?(?:-\d{1,4})?\s+[\w#]")
_ADDRESS_LENGTH, _AFTER_COMMA = 200, 100
_HOURS = re.compile(
    r"\b(?:mon|tue|wed|thu|fri|sat|sun|daily)[a-z]*\b.{0,20}?"
    r"\b\d{1,2}(?::\d{2})?(?:\s*(?:am|pm|a\.m\.?|p\.m\.?)(?![a-z])|(?:\s*[-–]\s*\d{1,2}(?::\d{2})?)\b)",
    re.IGNORECASE,
)
_COPYRIGHT = re.compile(
    r"(?:©|\(c\)|copyright)[\s,:]{0,3}(?:©|\(c\))?[\s,:]{0,3}(?:(?:19|20)\d{2}\s{0,2}[-–—]\s{0,2})?((?:19|20)\d{2})(?!\d)(?!\s{0,2}[-–—]\s{0,2}(?:present|today|now)\b)",
    re.IGNORECASE,
)
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-@])[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}@((?:[A-Za-z0-9\-]{1,63}\.){1,6}[A-Za-z]{2,24})"
)
FREE_MAIL = frozenset({
    "gmail.com", "googlemail.com", "yahoo.com", "ymail.com", "hotmail.com", "outlook.com", "live.com", "msn.com", "aol.com", "icloud.com",
    "me.com", "comcast.net", "att.net", "verizon.net", "sbcglobal.net",
})  # fmt: skip
TEMPLATE = (
    "just another wordpress site", "hello world!", "this is a sample page", "your company name", "your business name",
    "add a short description", "this is your first post", "add your text here", "click to edit", "insert text here",
    "your tagline here", "edit this text",
)  # fmt: skip
UNFINISHED = ("under construction", "coming soon", "launching soon", "site is being built", "check back soon")
UNFINISHED_TEXT = 1_500
GENERIC = {"click here", "here", "read more", "more", "learn more", "link", "this page"}
_DEFAULT_TITLES = {
    "home", "homepage", "home page", "welcome", "index", "untitled", "untitled document", "new page", "my site", "mysite", "my website",
    "website", "my blog", "wordpress", "just another wordpress site", "blank title", "main", "start",
}  # fmt: skip
BOOKING_HOSTS = (
    "calendly.com", "acuityscheduling.com", "squareup.com", "square.site", "booksy.com", "vagaro.com", "mindbodyonline.com", "zocdoc.com",
    "opentable.com", "resy.com", "fresha.com", "schedulista.com", "setmore.com", "simplybook.me", "nexhealth.com", "localmed.com",
    "booking.com", "cloudbeds.com",
)  # fmt: skip
ORDERING_HOSTS = (
    "doordash.com", "ubereats.com", "grubhub.com", "toasttab.com", "chownow.com", "slicelife.com", "order.online", "clover.com",
    "square.site", "olo.com", "beyondmenu.com", "menufy.com", "seamless.com", "caviar.com",
)  # fmt: skip
FORM_HOSTS = ("jotform.com", "typeform.com", "wufoo.com", "formstack.com", "hsforms.com")
_SOCIAL = {
    "facebook.com", "instagram.com", "twitter.com", "x.com", "linkedin.com", "youtube.com", "tiktok.com", "pinterest.com", "yelp.com",
}  # fmt: skip
_BUILDERS = {"wix", "squarespace", "weebly", "godaddy", "shopify", "wordpress", "facebook", "instagram"}


def whole(*phrases: str) -> re.Pattern[str]:
    """A pattern of phrases as whole words: no letter a to z directly before or after."""
    either = "|".join(re.escape(each) for each in sorted(phrases, key=len, reverse=True))
    return re.compile(rf"(?<![a-z])(?:{either})(?![a-z])")


CALL_TO_ACTION = whole(
    "book", "book now", "schedule", "appointment", "reserve", "reservation", "order now", "order online", "order here", "call now",
    "call us", "call today", "get a quote", "request a quote", "quote", "estimate", "consultation", "get started", "buy now", "shop now",
    "add to cart", "sign up", "join now", "join us", "start now", "request", "enroll", "apply now", "try it", "donate",
)  # fmt: skip
BOOKING = whole(
    "book",
    "book now",
    "book online",
    "appointment",
    "appointments",
    "schedule",
    "reserve",
    "reservation",
    "reservations",
)
ORDERING = whole(
    "order online", "order now", "order here", "start your order", "order pickup", "order delivery", "order takeout"
)
MENU = whole("menu", "menus")
PRIVACY, ACCESSIBILITY, CONTACT = (
    whole("privacy"), whole("accessibility"),
    whole("contact", "contact us", "get in touch", "find us", "directions", "location", "locations", "visit us"),
)  # fmt: skip
ROLES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("contact", CONTACT),
    ("action", whole("book", "booking", "bookings", "appointment", "appointments", "reserve", "reservation", "reservations", "schedule",
                     "order", "ordering", "menu", "menus", "quote", "estimate")),
    ("about", whole("about", "services", "service", "our team", "meet the team", "our story", "treatments", "practice areas", "what we do")),
    ("privacy", PRIVACY),
)  # fmt: skip


def folded(text: str) -> str:
    """White space at the ends cut, inner runs as one space."""
    return " ".join(text.split())


def path_words(path: str) -> str:
    """A path (or fragment) as words: percent-decoded, lower case, everything but a to z a space."""
    return re.sub(r"[^a-z]+", " ", unquote(path).lower())


def says(pattern: re.Pattern[str], text: str, path: str) -> bool:
    """Whether a link contains one of the words, in its text (lower case, folded) or its path."""
    return pattern.search(text) is not None or pattern.search(path_words(path)) is not None


def has_phone(text: str) -> bool:
    """Whether a US telephone number is written in a text; ten digits without separators are none."""
    return _PHONE.search(text[:TEXT_READ]) is not None


def has_address(text: str) -> bool:
    """Whether a US postal address is written in a text: read backwards from a state and a ZIP code that belong together."""
    text = text[:TEXT_READ]
    for end in _POSTAL_END.finditer(text):
        if state_of_zip(end[2]) != end[1]:
            continue
        before = text[max(0, end.start() - _ADDRESS_LENGTH) : end.start()]
        near = len(before) - _AFTER_COMMA
        if any("," in before[max(start.end(), near) :] for start in _POSTAL_START.finditer(before)):
            return True
    return False


def has_hours(text: str) -> bool:
    """Whether opening hours are written in a text."""
    return _HOURS.search(text[:TEXT_READ]) is not None


def copyright_year(text: str) -> int | None:
    """The newest year after a copyright sign; a range counts by its end, one that runs on tells none."""
    years = [int(found[1]) for found in _COPYRIGHT.finditer(text[:TEXT_READ])]
    return max(years, default=None)


def mail_domains(text: str) -> set[str]:
    """The domains of the e-mail addresses written with @ in a text."""
    return {found[1].lower() for found in _EMAIL.finditer(text[:TEXT_READ])}


def is_default_title(title: str) -> bool:
    """Whether a title is nothing but words that a builder puts there."""
    parts = [part.strip() for part in re.split(r"\s*[|–—:]\s*|\s+-\s+|^-\s*|\s*-$", folded(title).lower())]
    return bool(parts) and all(part in _DEFAULT_TITLES for part in parts if part) and any(parts)


def host_is(host: str, names: tuple[str, ...]) -> bool:
    """Whether a host is, or ends in, one of the names."""
    return any(host == name or host.endswith(f".{name}") for name in names)


def leads_to_no_profile(url: str) -> bool:
    """Whether a link to a social network names nobody, or a site builder."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    if re.sub(r"^(?:www|m)\.", "", host) not in _SOCIAL:
        return False
    named = [part for part in parts.path.split("/") if part]
    return not named or (len(named) == 1 and named[0].lower() in _BUILDERS)


def is_test_address(url: str) -> bool:
    """Whether an address lies on a test host or on somebody's disk."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    return (
        parts.scheme.lower() == "file"
        or host in {"localhost", "127.0.0.1"}
        or host.endswith((".local", ".test", ".localhost"))
        or host.startswith(("staging.", "dev."))
    )
