"""The gate in front of every letter: what must be in it, what must not, and how long it may be. Pure; its verdict is a row."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Sequence
from html import escape, unescape
from urllib.parse import urlsplit

from leadfactory import guard
from leadfactory.d03_assessment.wording import Fact
from leadfactory.d08_personalization.composing import Mail
from leadfactory.d08_personalization.contents import Content, Links, Terms, known_texts, measured_number, numbers
from leadfactory.d08_personalization.letters import config

SUITE = "draft_guard"
REMEDIES = {
    "subject_length": "make it shorter or longer: limits.subject_characters of config/letters.yaml",
    "preview_length": "make it shorter or longer: limits.preview_characters of config/letters.yaml",
    "body_words": "make the letter shorter or longer: limits.body_words of config/letters.yaml",
    "missing_sender_name": "set it: leadfactory configure-campaign CAMPAIGN --sender-name",
    "missing_postal_address": "set it: leadfactory configure-campaign CAMPAIGN --postal-address",
    "missing_price": "the price frames every letter: keep the paragraph of the offer",
    "missing_report_link": "the link frames every letter: keep it",
    "missing_unsubscribe_link": "the link frames every letter: keep it",
    "missing_advertisement_notice": "keep the footer of config/letters.yaml: the law asks for it",
    "missing_hook_number": "say the measured number of the finding that the letter is about",
    "active_html": "take scripts, forms, pictures and handlers out: a letter has none",
    "unescaped_html": "leave the markup to the template and write plain text",
    "hidden_text": "show all that is said: only the preview may be hidden",
    "bodies_differ": "change the text and let both bodies be rendered from it",
    "foreign_link": "only the links of the letter itself may be in it: take the other one out",
    "mail_address": "take the address out: answers go to the sender",
    "unsupported_number": "use a number that a finding of this lead has, in its unit, or say it without a number",
    "vague_amount": "say the measured number, or no amount",
    "absolute_claim": "say what was measured instead of what is always or surely so",
    "avoided_word": "say it otherwise: tones.VERTICAL.avoid of config/letters.yaml",
    "spam_score": "take words of the spam lexicon out (config/guard.yaml)",
    "exclamation_marks": "take them out: limits.exclamation_marks of config/letters.yaml",
    "invisible_character": "write it anew without pasted formatting",
}
RULES = len(REMEDIES)  # how many things problems() looks at
_HREF = re.compile(r"""(?:href|src|action|background)\s*=\s*["']?([^"'\s>]+)|url\(([^)]*)\)""", re.IGNORECASE)
_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)[^<>]*>|<!doctype html>", re.IGNORECASE)
_TAGS = {
    "html", "head", "meta", "title", "body", "div", "main", "p", "strong", "br", "a", "hr", "table", "tr", "td",
}  # fmt: skip
_HANDLER = re.compile(r"<[^>]*\son\w+\s*=|javascript:|<script|<iframe|<form|<img|http-equiv", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0|\shidden\b", re.I)
_PREVIEW = re.compile(r'<div style="display:none;max-height:0;overflow:hidden">([^<]*)</div>')
_HEAD = re.compile(r"<head>.*?</head>", re.DOTALL | re.IGNORECASE)
_WORD = re.compile(r"\w+")
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad]")


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong: a stable code, what broke it, and what to do."""

    code: str
    value: str

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return REMEDIES[self.code]

    def __str__(self) -> str:
        return f"{self.code}: {self.value}"


def parse(text: str) -> Problem:
    """A problem as a verdict keeps it."""
    code, _, value = text.partition(": ")
    return Problem(code, value)


def version() -> str:
    """What the verdict names: the limits' and the word lists' versions."""
    return f"{config().guard_version}.{guard.lexicon().version}"


def content_hash(subject: str, preview: str, html: str, text: str) -> bytes:
    """What ties a verdict, and a claim, to one very mail."""
    parts = (subject, preview, html, text)
    return hashlib.sha256(b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in parts)).digest()


def problems(mail: Mail, content: Content, terms: Terms, *, every: Sequence[Fact] = ()) -> list[Problem]:
    """Why the letter may not leave; empty when it may. ``every``: findings of the lead that it may speak of besides its own."""
    known = known_texts(content, terms)
    plain = guard.without(f"{mail.subject}\n{mail.preview}\n{mail.text}", known)
    return [
        *_lengths(mail, content),
        *_parts(mail, content, terms, every),
        *_html(mail, terms.links),
        *_same(mail),
        *_foreign(plain),
        *_said(mail, plain, content, terms, every),
    ]


def _lengths(mail: Mail, content: Content) -> Iterator[Problem]:
    limits = config().limits
    body = re.sub(r"\S*://\S*", " ", mail.text)
    for code, size, (least, most) in (
        ("subject_length", len(mail.subject), limits.subject_characters),
        ("preview_length", len(mail.preview), limits.preview_characters),
        ("body_words", len(body.split()), limits.body_words[content.letter]),
    ):
        if not least <= size <= most:
            yield Problem(code, f"{size}, not {least} to {most}")


def _parts(mail: Mail, content: Content, terms: Terms, every: Sequence[Fact]) -> Iterator[Problem]:
    """Identity, postal address, price, both links and what the law wants said, in both bodies."""
    sender, links = terms.sender, terms.links
    footer = config().footer.format(sender=sender.name, postal_address=sender.postal_address, domain=content.domain)
    wanted = {
        "sender_name": sender.name,
        "postal_address": sender.postal_address,
        "price": terms.price.shown,
        "report_link": links.report,
        "unsubscribe_link": links.unsubscribe,
        "advertisement_notice": footer,
    }
    for name, text in wanted.items():
        for body, shown in (("text", mail.text), ("html", mail.html)):
            if not text or (text if body == "text" else _escaped(text)) not in shown:
                yield Problem(f"missing_{name}", body)
    number = measured_number(content.hook)
    if not every and number is not None and number != "1" and number not in mail.text:
        yield Problem("missing_hook_number", number)


def _html(mail: Mail, links: Links) -> Iterator[Problem]:
    handler = _HANDLER.search(mail.html)
    if handler:
        yield Problem("active_html", handler[0][:40])
    strange = sorted({m[1].lower() for m in _TAG.finditer(mail.html) if m[1]} - _TAGS)
    left = _TAG.sub("", mail.html)
    if strange or "<" in left or ">" in left or re.search(r"&(?!(?:[a-z]+|#\d+);)", left):
        yield Problem("unescaped_html", ", ".join(strange) or "loose character")
    for match in _HREF.finditer(mail.html):
        url = match[1] or match[2]
        if url not in {_escaped(links.report), _escaped(links.unsubscribe)}:
            yield Problem("foreign_link", urlsplit(url).netloc or url[:40])
    hidden = _HIDDEN.search(_PREVIEW.sub("", mail.html, count=1))
    if hidden:
        yield Problem("hidden_text", hidden[0].strip())


def _same(mail: Mail) -> Iterator[Problem]:
    """Word for word: what HTML shows is what the text says; what it hides is the preview."""
    hidden = _PREVIEW.search(mail.html)
    if hidden is None or unescape(hidden[1]) != mail.preview:
        yield Problem("bodies_differ", "the hidden preview is not the preview")
    shown = _PREVIEW.sub(" ", _HEAD.sub(" ", mail.html), count=1)
    html = _WORD.findall(unescape(_TAG.sub(" ", shown)).casefold())
    text = _WORD.findall(re.sub(r"\S*://\S*", " ", mail.text).casefold())
    if html != text:
        at = next((n for n, (a, b) in enumerate(zip(html, text, strict=False)) if a != b), min(len(html), len(text)))
        said = " ".join(html[at : at + 4]) or "nothing", " ".join(text[at : at + 4]) or "nothing"
        yield Problem("bodies_differ", f"HTML says {said[0]!r} where the text says {said[1]!r}")


def _foreign(plain: str) -> Iterator[Problem]:
    for problem in guard.problems(plain, (), guard.Rules(most_characters=10_000)):
        if problem in {"link", "mail_address"}:
            yield Problem({"link": "foreign_link"}.get(problem, problem), "in the text")
    if _UNSEEN.search(plain):
        yield Problem("invisible_character", f"U+{ord(_UNSEEN.search(plain)[0]):04X}")  # type: ignore[index]


def _said(mail: Mail, plain: str, content: Content, terms: Terms, every: Sequence[Fact]) -> Iterator[Problem]:
    limits, words = config().limits, guard.lexicon()
    for found in guard.unsupported(plain, numbers(content, terms.price, every=every)):
        yield parse(found)
    folded = " ".join(plain.casefold().split())
    claim = guard.matches(words.absolute_claims).search(folded)
    if claim:
        yield Problem("absolute_claim", claim[0])
    avoid = config().tone_of(content.vertical).avoid
    catalogue = [text for fact in (*content.told, *every) for text in (fact.says, fact.why, fact.fix)]
    own = (
        guard.without(" ".join(plain.split()), catalogue) if avoid else ""
    )  # the catalogue speaks to every vertical alike
    avoided = avoid and guard.matches(avoid).search(own.casefold())
    if avoided:
        yield Problem("avoided_word", avoided[0])
    score = words.spam(plain) + words.punctuation_weights.get("long_subject", 0) * (len(mail.subject) > 60)
    if score >= limits.spam_score:
        yield Problem("spam_score", f"{score}, the limit is {limits.spam_score}")
    if plain.count("!") > limits.exclamation_marks:
        yield Problem("exclamation_marks", str(plain.count("!")))


def _escaped(text: str) -> str:
    """As Jinja2 escapes it."""
    return escape(text, quote=False).replace('"', "&#34;").replace("'", "&#39;")
