"""E-mail addresses that a business publishes on its own website, and which of them to write to. None is ever guessed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from email_validator import EmailNotValidError, validate_email
from selectolax.lexbor import LexborHTMLParser

from leadfactory.d04_enrichment.own_site import registrable_domain
from leadfactory.d04_enrichment.own_words import TEXT_READ
from leadfactory.keyed_hashes import FREE_MAIL, normalise_address

__all__ = ["Contact", "best", "contacts", "refuses_solicitation", "registrable_domain"]
MOST = 50  # addresses read from one page; a page with more is a directory
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-@])[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}@(?:[A-Za-z0-9\-]{1,63}\.){1,6}[A-Za-z][A-Za-z0-9\-]{1,62}"
)
_AT, _DOT = r"\s{0,3}[\[({]\s{0,3}at\s{0,3}[\])}]\s{0,3}", r"\s{0,3}(?:[\[({]\s{0,3}dot\s{0,3}[\])}]|\.)\s{0,3}"
_SPELT = re.compile(
    rf"([A-Za-z0-9._%+\-]{{1,64}}){_AT}([A-Za-z0-9\-]{{1,63}}(?:{_DOT}[A-Za-z0-9\-]{{1,63}}){{1,6}})", re.IGNORECASE
)
_REFUSED_LOCAL = re.compile(
    r"^(?:no-?reply|do-?not-?reply|mailer-daemon|postmaster|hostmaster|abuse|privacy|dmca|legal|webmaster|sentry|wordpress"
    r"|example|your(?:name|email)?|name|email|user|someone|firstname|john\.?doe|jane\.?doe)(?![a-z])",
    re.IGNORECASE,
)
# Addresses of the tools that made the page, and of templates that nobody filled in.
_REFUSED_DOMAINS = frozenset({
    "domain.com", "email.com", "example.com", "example.net", "example.org", "godaddy.com", "mysite.com", "schema.org", "sentry.io",
    "shopify.com", "site.com", "squarespace.com", "sentry-next.wixpress.com", "website.com", "weebly.com", "wix.com", "wixpress.com",
    "wordpress.com", "yourdomain.com", "yoursite.com",
})  # fmt: skip
_ROLES = ("owner", "info", "hello", "contact", "office", "frontdesk", "mail", "team", "admin")
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|avif|ico|css|js|woff2?)$", re.IGNORECASE)
_NO_SOLICITING = re.compile(
    r"\b(?:no|not|don['’]t|never|without)\b[^.!?\n]{0,40}\b(?:solicit(?:ing|ation|ations|ors)?|unsolicited|spam|marketing e-?mails?)\b",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class Contact:
    """A normalised e-mail address and how the page shows it: mailto, json_ld or text."""

    email: str
    how: str


def contacts(tree: LexborHTMLParser, text: str, data: Mapping[str, Any]) -> list[Contact]:
    """All usable addresses of a page, in the order in which they are believed: linked, structured, visible, spelt out."""
    found: dict[str, Contact] = {}
    for node in tree.css('a[href^="mailto:" i]'):
        for each in unquote((node.attributes.get("href") or "")[7:]).split("?")[0].split(","):
            _add(found, each, "mailto")
    told = data.get("email")
    for each in told if isinstance(told, list) else [told]:
        if isinstance(each, str):
            _add(found, each.removeprefix("mailto:"), "json_ld")
    text = text[:TEXT_READ]
    for match in _EMAIL.finditer(text):
        _add(found, match[0], "text")
    for match in _SPELT.finditer(text):
        _add(found, f"{match[1]}@{re.sub(_DOT, '.', match[2], flags=re.IGNORECASE)}", "text")
    return list(found.values())


def best(candidates: Sequence[Contact], hosts: Iterable[str]) -> Contact | None:
    """The address to write to: own domain before free mail, a role before a person, then the page's order.

    Args:
        candidates: ``contacts`` of the page.
        hosts: the hosts under which the site answered; more than one when it redirects.

    An address on a stranger's domain belongs to an agency or a widget, unless the business's structured data claims it.
    """
    own = {registrable_domain(host) for host in hosts}

    def order(position: int, contact: Contact) -> tuple[int, int, int]:
        local, _, domain = contact.email.rpartition("@")
        distance = 0 if registrable_domain(domain) in own else (1 if domain in FREE_MAIL else 2)
        role = next((n for n, name in enumerate(_ROLES) if re.match(rf"{name}(?![a-z])", local)), len(_ROLES))
        return distance, role, position

    ranked = [(order(position, contact), contact) for position, contact in enumerate(candidates)]
    usable = [each for each in ranked if each[0][0] < 2 or each[1].how == "json_ld"]
    return min(usable, key=lambda each: each[0])[1] if usable else None


def refuses_solicitation(text: str) -> bool:
    """Whether the page asks not to be written to by sellers; its addresses are then left alone."""
    return _NO_SOLICITING.search(text[:TEXT_READ]) is not None


def _add(found: dict[str, Contact], address: str, how: str) -> None:
    address = address.strip().strip(".,;:<>\"'()")
    if len(found) >= MOST or _PICTURE.search(address) or not 5 < len(address) <= 254:
        return
    try:
        normal = normalise_address(address)
        validate_email(normal, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except (ValueError, EmailNotValidError):
        return
    local, _, domain = normal.rpartition("@")
    if _REFUSED_LOCAL.match(local) or domain in _REFUSED_DOMAINS or registrable_domain(domain) in _REFUSED_DOMAINS:
        return
    found.setdefault(normal, Contact(normal, how))
