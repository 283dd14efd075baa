"""The facts of home page and key pages together, and which pages are key pages. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from selectolax.lexbor import LexborNode

from leadfactory.d03_assessment import site_words as words
from leadfactory.d03_assessment.document import Document, Link, host_of, same_page_key, text_of
from leadfactory.d03_assessment.home_facts import FIELDS, is_field

# Facts that the pages of a site tell together.
PAGES = frozenset({
    "duplicate_title_count", "duplicate_description_count", "insecure_form", "has_contact_form", "contact_form_fields", "has_booking",
    "has_menu", "menu_only_as_file", "has_ordering", "only_free_mail",
})  # fmt: skip
_NO_PAGE = re.compile(r"\.(?:pdf|jpe?g|png|gif|webp|docx?|zip|mp[34])$", re.IGNORECASE)
_MENU_FILE = re.compile(r"\.(?:pdf|jpe?g|png)$", re.IGNORECASE)
_FORM_TYPES = {"text", "email", "tel", "date"}


@dataclasses.dataclass(frozen=True)
class KeyPage:
    """A page that the home page links for a role: contact, action, about or privacy."""

    role: str
    link: Link


def key_pages(home: Document, most: int) -> list[KeyPage]:
    """At most one key page a role, in the order of the roles, the first link of the home page that says it."""
    internal = [link for link in home.links if home.is_internal(link) and not _NO_PAGE.search(unquote(link.path))]
    chosen: list[KeyPage] = []
    for role, pattern in words.ROLES:
        taken = {same_page_key(each.link.url) for each in chosen}
        link = next(
            (each for each in internal if same_page_key(each.url) not in taken and words.says(pattern, each.text, each.path)),
            None,
        )  # fmt: skip
        if link is not None and len(chosen) < most:
            chosen.append(KeyPage(role, link))
    return chosen


def links_to_check(home: Document, chosen: Sequence[KeyPage], most: int) -> list[str]:
    """Internal links that are no key page, each address once, in document order."""
    taken = {same_page_key(each.link.url) for each in chosen}
    urls = (link.url for link in home.links if home.is_internal(link) and same_page_key(link.url) not in taken)
    return list(dict.fromkeys(urls))[:most]


def images_to_check(home: Document, most: int) -> tuple[bool, list[str]]:
    """Whether the home page has images at all, and those of its own host, each address once, in document order."""
    sources = [(node.attributes.get("src") or "").strip() for node in home.tree.css("img[src]")]
    resolved = [home.resolve(src) for src in sources if src and not src.lower().startswith("data:")]
    urls = [url.partition("#")[0] for url in resolved if url and url.startswith(("http://", "https://"))]
    return bool(urls), list(dict.fromkeys(url for url in urls if home.is_own(host_of(url))))[:most]


def read(pages: Sequence[Document]) -> dict[str, Any]:
    """The facts of the pages read; the first is the home page."""
    facts: dict[str, Any] = {}
    for name, texts in (
        ("duplicate_title_count", [page.title.lower() for page in pages]),
        ("duplicate_description_count", [page.description.lower() for page in pages]),
    ):
        told = [text for text in texts if text]
        if len(told) >= 2:
            facts[name] = sum(count for count in Counter(told).values() if count > 1)
    facts["insecure_form"] = any(_sends_openly(page) for page in pages)
    facts |= _forms(pages)
    facts["has_booking"] = any(_offers(page, words.BOOKING, words.BOOKING_HOSTS) for page in pages)
    facts["has_ordering"] = any(_offers(page, words.ORDERING, words.ORDERING_HOSTS) for page in pages)
    facts |= _menu(pages)
    domains = {domain for page in pages for domain in _mail_domains(page)}
    if domains:
        facts["only_free_mail"] = domains <= words.FREE_MAIL
    return facts


def has_contact_form(page: Document) -> bool:
    """Whether one page has a contact form, its own or a frame of a form service."""
    return _frames_form(page) or any(_is_contact_form(form) for form in page.seen.css("form"))


def _forms(pages: Sequence[Document]) -> dict[str, Any]:
    forms = [form for page in pages for form in page.seen.css("form") if _is_contact_form(form)]
    facts: dict[str, Any] = {"has_contact_form": bool(forms) or any(_frames_form(page) for page in pages)}
    if forms:
        facts["contact_form_fields"] = max(_field_count(form) for form in forms)
    return facts


def _frames_form(page: Document) -> bool:
    for node in page.seen.css("iframe[src]"):
        url = page.resolve(node.attributes.get("src") or "") or ""
        host, path = host_of(url), urlsplit(url).path
        if words.host_is(host, words.FORM_HOSTS) or (host == "docs.google.com" and path.startswith("/forms")):
            return True
    return False


def _is_contact_form(form: LexborNode) -> bool:
    fields = [node for node in form.css(FIELDS) if is_field(node)]
    kinds = [_type(node) for node in fields]
    names = {(node.attributes.get("name") or "").strip().lower() for node in fields}
    search = (form.attributes.get("role") or "").strip().lower() == "search" or "search" in kinds or names & {"q", "s"}
    if search or "password" in kinds:
        return False
    return "textarea" in kinds or sum(1 for kind in kinds if kind in _FORM_TYPES or kind == "select") >= 2


def _field_count(form: LexborNode) -> int:
    choices, others = set[str](), 0
    for node in form.css(FIELDS):
        if is_field(node):
            if _type(node) in {"radio", "checkbox"} and node.attributes.get("name"):
                choices.add(f"{_type(node)} {node.attributes['name']}")
            else:
                others += 1
    return others + len(choices)


def _type(node: LexborNode) -> str:
    return (node.attributes.get("type") or "text").strip().lower() if node.tag == "input" else str(node.tag)


def _sends_openly(page: Document) -> bool:
    for form in page.tree.css("form"):
        action = (form.attributes.get("action") or "").strip()
        target = page.resolve(action) if action else page.url
        if target is not None and target.lower().startswith("http://"):
            return True
    return False


def _offers(page: Document, pattern: re.Pattern[str], hosts: tuple[str, ...]) -> bool:
    if any(pattern.search(text) for text in page.buttons()):
        return True
    return any(words.host_is(host_of(url), hosts) for url in _addresses(page))


def _addresses(page: Document) -> Iterator[str]:
    for node in page.tree.css("a[href], iframe[src], script[src], form[action]"):
        told = node.attributes.get("href") or node.attributes.get("src") or node.attributes.get("action") or ""
        url = page.resolve(told)
        if url is not None:
            yield url


def _menu(pages: Sequence[Document]) -> dict[str, Any]:
    links = [link for page in pages for link in page.seen_links if _is_menu_link(link)]
    headings = any(words.MENU.search(text_of(node).lower()) for page in pages for node in page.seen.css("h1, h2, h3"))
    facts: dict[str, Any] = {"has_menu": bool(links) or headings}
    if facts["has_menu"]:
        files = all(_MENU_FILE.search(unquote(link.path)) for link in links)
        facts["menu_only_as_file"] = bool(links) and files and not headings
    return facts


def _is_menu_link(link: Link) -> bool:
    if link.href.lower().startswith(("#", "javascript:")):
        return False
    web = link.url.startswith(("http://", "https://"))
    return words.says(words.MENU, link.text, link.path if web else "")


def _mail_domains(page: Document) -> set[str]:
    linked = (
        unquote((node.attributes.get("href") or "")[7:]).partition("?")[0]
        for node in page.tree.css('a[href^="mailto:" i]')
    )
    return words.mail_domains(page.text) | {domain for each in linked for domain in words.mail_domains(each)}
