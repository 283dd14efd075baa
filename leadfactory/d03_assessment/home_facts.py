"""The facts of a home page: its answer, head and body, under the names of ``facts`` in config/findings.yaml. Pure.

A fact that the page does not tell is absent. Examples of what was counted are addresses and snippets of the business's own
page; where on the page a fact is read stands in evidence.py.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Any

from selectolax.lexbor import LexborNode

from leadfactory.d03_assessment import head_facts
from leadfactory.d03_assessment import site_words as words
from leadfactory.d03_assessment.document import Document, text_of

Facts = dict[str, Any]
Examples = dict[str, list[str]]
MOST_EXAMPLES, EXAMPLE_CHARACTERS = 3, 160
# Facts of the body that a page which builds itself by script does not tell.
BODY = frozenset({
    "h1_count", "heading_skip_count", "images_without_alt", "untitled_frame_count", "inputs_without_label", "form_count", "tel_link_count",
    "generic_link_count", "text_length", "copyright_year", "lorem_ipsum", "template_text", "under_construction", "table_layout", "has_flash",
    "has_frameset", "dated_element_count", "autoplay_sound", "mixed_content_count", "test_host_link_count", "phone_visible",
    "address_visible", "hours_visible", "has_call_to_action", "has_contact_link", "has_privacy_link", "has_accessibility_link",
    "dead_social_link_count",
})  # fmt: skip
_ANALYTICS = (
    "googletagmanager.com", "google-analytics.com", "matomo", "plausible.io", "clarity.ms", "connect.facebook.net",
)  # fmt: skip
_TRACKERS = (
    "googletagmanager.com", "google-analytics.com", "connect.facebook.net", "doubleclick.net", "clarity.ms", "hotjar.com",
    "analytics.tiktok.com",
)  # fmt: skip
_CONSENT = (
    "cookiebot", "onetrust", "cookielaw.org", "osano", "iubenda", "termly", "cookieyes", "complianz", "usercentrics", "cookieconsent",
)  # fmt: skip
_CONSENT_ELEMENTS = ("cookie-consent", "cookie-banner", "cookie-notice", "cookie-law")
_JQUERY = re.compile(
    r"jquery(?:[-./@]v?|(?:\.slim)?(?:\.min)?\.js\?(?:ver|v)=)(\d{1,3}\.\d{1,3}(?:\.\d{1,3})?)", re.IGNORECASE
)
_INSECURE = 'img[src^="http://" i], iframe[src^="http://" i], script[src^="http://" i], link[rel~="stylesheet" i][href^="http://" i]'
_NO_FIELDS = {"hidden", "submit", "button", "image", "reset"}
FIELDS = "input, textarea, select"


def read(doc: Document) -> tuple[Facts, Examples]:
    """All facts of the home page that its HTML and answer tell."""
    facts: Facts = {}
    examples: Examples = {}
    for part in (
        head_facts.answer,
        head_facts.head,
        head_facts.sharing,
        _technique,
        _content,
        _counted,
        _contact,
        _links,
    ):
        facts |= part(doc, examples)
    return facts, examples


def is_field(node: LexborNode) -> bool:
    """Whether a form element asks for something."""
    return node.tag != "input" or (node.attributes.get("type") or "text").strip().lower() not in _NO_FIELDS


def _technique(doc: Document, examples: Examples) -> Facts:
    blocking = [
        node
        for node in doc.tree.css("head script[src]")
        if not {"async", "defer"} & set(node.attributes) and (node.attributes.get("type") or "").strip().lower() != "module"
    ]  # fmt: skip
    loaded = f"{doc.marks.loads}\n{doc.marks.inline}"
    facts: Facts = {
        "blocking_script_count": len(blocking),
        "has_analytics": any(mark in loaded for mark in _ANALYTICS),
        "tracker_without_consent": any(mark in loaded for mark in _TRACKERS) and not _asks_consent(doc, loaded),
    }
    examples["blocking_script_count"] = _addresses(blocking, "src")
    addresses = (node.attributes.get("src") or "" for node in doc.tree.css("script[src]"))
    jquery = next((found for address in addresses if (found := _JQUERY.search(address))), None)
    if jquery is not None:
        facts["jquery_version"] = jquery[1]
        examples["jquery_version"] = [jquery.string]
    return facts


def _asks_consent(doc: Document, loaded: str) -> bool:
    if any(mark in loaded for mark in _CONSENT):
        return True
    for node in doc.tree.css("[id], [class]"):
        named = f"{node.attributes.get('id') or ''} {node.attributes.get('class') or ''}".lower()
        if any(mark in named for mark in (*_CONSENT_ELEMENTS, *_CONSENT)):
            return True
    return False


def _content(doc: Document, examples: Examples) -> Facts:
    text = doc.text.lower()
    facts: Facts = {
        "text_length": len(doc.text),
        "lorem_ipsum": "lorem ipsum" in text,
        "template_text": any(phrase in text for phrase in words.TEMPLATE),
        "under_construction": len(doc.text) < words.UNFINISHED_TEXT and any(phrase in text for phrase in words.UNFINISHED),
        "table_layout": doc.tree.css_first("table table") is not None,
        "has_flash": doc.tree.css_first('object[type*="flash" i], embed[src$=".swf" i], object[data$=".swf" i]') is not None,
        "has_frameset": doc.tree.css_first("frameset") is not None,
        "autoplay_sound": doc.tree.css_first("audio[autoplay]:not([muted]), video[autoplay]:not([muted]), bgsound") is not None,
    }  # fmt: skip
    year = words.copyright_year(doc.text)
    if year is not None:
        facts["copyright_year"] = year
    return facts


def _counted(doc: Document, examples: Examples) -> Facts:
    tree, levels = doc.tree, [int((node.tag or "h1")[1]) for node in doc.tree.css("h1, h2, h3, h4, h5, h6")]
    bare_images = [node for node in tree.css("img") if "alt" not in node.attributes]
    frames = [node for node in doc.seen.css("iframe[src]") if _is_shown(node) and not _told(node, "title")]
    labels = {node.attributes.get("for") for node in doc.seen.css("label[for]")} - {None, ""}
    inside = {node.mem_id for node in doc.seen.css("label input, label textarea, label select")}
    fields = [node for node in doc.seen.css(FIELDS) if is_field(node) and not _is_named(node, labels, inside)]
    dated = tree.css("font, center, marquee, blink, big, tt, applet")
    facts: Facts = {
        "h1_count": len(tree.css("h1")),
        "heading_skip_count": sum(1 for one, after in itertools.pairwise(levels) if after > one + 1),
        "images_without_alt": len(bare_images),
        "untitled_frame_count": len(frames),
        "inputs_without_label": len(fields),
        "form_count": len(tree.css("form")),
        "dated_element_count": len(dated),
    }
    if doc.page.https:
        insecure = [*tree.css(_INSECURE)]
        facts["mixed_content_count"] = len(insecure)
        examples["mixed_content_count"] = _addresses(insecure, "src", "href")
    examples["images_without_alt"] = _addresses(bare_images, "src")
    examples["untitled_frame_count"] = _addresses(frames, "src")
    examples["inputs_without_label"] = _addresses(fields, "name", "id", "type")
    examples["dated_element_count"] = sorted({str(node.tag) for node in dated})
    return facts


def _is_named(field: LexborNode, labels: set[str | None], inside: set[int]) -> bool:
    if field.mem_id in inside or field.attributes.get("id") in labels:
        return True
    return any(_told(field, name) for name in ("aria-label", "aria-labelledby", "title"))


def _is_shown(frame: LexborNode) -> bool:
    sizes = {(frame.attributes.get(side) or "").strip().removesuffix("px") for side in ("width", "height")}
    return not sizes & {"0", "1"}


def _contact(doc: Document, examples: Examples) -> Facts:
    telephone = doc.tree.css('a[href^="tel:" i]')
    return {
        "tel_link_count": len(telephone),
        "phone_visible": bool(telephone) or words.has_phone(doc.text),
        "address_visible": words.has_address(doc.text),
        "hours_visible": words.has_hours(doc.text),
        "has_call_to_action": any(words.CALL_TO_ACTION.search(text) for text in doc.buttons()),
    }


def _links(doc: Document, examples: Examples) -> Facts:
    generic = [
        text for node in doc.seen.css("a") if (text := text_of(node).lower().strip(" .›»→\u00a0")) in words.GENERIC
    ]
    social = {link.url for link in doc.links if words.leads_to_no_profile(link.url)}
    everything = (
        (node.attributes.get("href") or node.attributes.get("src") or node.attributes.get("action") or "")
        for node in doc.tree.css("a[href], img[src], script[src], iframe[src], form[action], link[href]")
    )
    test = [address for each in everything if words.is_test_address(address := doc.resolve(each) or "")]
    examples |= {
        "generic_link_count": _short(generic),
        "dead_social_link_count": _short(sorted(social)),
        "test_host_link_count": _short(test),
    }
    return {
        "generic_link_count": len(generic),
        "test_host_link_count": len(test),
        "dead_social_link_count": len(social),
        "has_contact_link": _linked(doc, words.CONTACT, anchors=True),
        "has_privacy_link": _linked(doc, words.PRIVACY),
        "has_accessibility_link": _linked(doc, words.ACCESSIBILITY),
    }


def _linked(doc: Document, pattern: re.Pattern[str], *, anchors: bool = False) -> bool:
    """Whether a link contains one of the words; ``anchors`` reads a fragment like a path."""
    for link in doc.links:
        web = link.url.startswith(("http://", "https://"))
        if words.says(pattern, link.text, link.path if web else ""):
            return True
        if anchors and link.fragment and words.says(pattern, "", link.fragment):
            return True
    return False


def _told(node: LexborNode, name: str) -> bool:
    return bool((node.attributes.get(name) or "").strip())


def _addresses(nodes: Iterable[LexborNode], *names: str) -> list[str]:
    found = (next((value for name in names if (value := node.attributes.get(name))), "") for node in nodes)
    return _short(each for each in found if each)


def _short(texts: Iterable[str]) -> list[str]:
    return [text[:EXAMPLE_CHARACTERS] for text in dict.fromkeys(texts)][:MOST_EXAMPLES]
