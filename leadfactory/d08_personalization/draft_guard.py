"""The gate in front of every mail: what must be in it, what must not, and how long it may be. Pure; its verdict is a row."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from html import escape
from urllib.parse import urlsplit

from leadfactory import guard
from leadfactory.d08_personalization.composing import Content, Links, Mail, Sender, known_texts, numbers
from leadfactory.d08_personalization.letters import Limits, config, prices

SUITE = "draft_guard"
RULES = 13  # how many things problems() looks at
_HREF = re.compile(r"""(?:href|src|action)\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)[^<>]*>|<!doctype html>", re.IGNORECASE)
_TAGS = {"html", "head", "meta", "title", "body", "div", "main", "p", "strong", "br", "a", "hr"}
_HANDLER = re.compile(r"<[^>]*\son\w+\s*=|javascript:|<script|<iframe|<form|<img", re.IGNORECASE)


def version() -> str:
    """What the verdict names: the limits' and the word lists' versions."""
    return f"{config().guard_version}.{guard.lexicon().version}"


def content_hash(subject: str, preview: str, html: str, text: str) -> bytes:
    """What ties a verdict, and a claim, to one very mail."""
    parts = (subject, preview, html, text)
    return hashlib.sha256(b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in parts)).digest()


def problems(mail: Mail, content: Content, sender: Sender, links: Links) -> list[str]:
    """Why the mail may not leave, each as a stable code with what broke it; empty when it may."""
    limits, known = config().limits, known_texts(content, sender, links)
    found = [*_lengths(mail, limits), *_parts(mail, sender, links), *_html(mail, links), *_text_links(mail, known)]
    spoken = f"{mail.subject}\n{mail.preview}\n{mail.text}"
    plain = guard.without(spoken, known)
    found += guard.unsupported(plain, numbers(content))
    claim = guard.matches(guard.lexicon().absolute_claims).search(" ".join(plain.casefold().split()))
    if claim:
        found.append(f"absolute_claim: {claim[0]}")
    score = guard.lexicon().spam(plain)
    long_subject = guard.lexicon().punctuation_weights.get("long_subject", 0) * (len(mail.subject) > 60)
    if score + long_subject >= limits.spam_score:
        found.append(f"spam_score: {score + long_subject}")
    if plain.count("!") > limits.exclamation_marks:
        found.append(f"exclamation_marks: {plain.count('!')}")
    return found


def _lengths(mail: Mail, limits: Limits) -> list[str]:
    body = re.sub(r"\S*://\S*", " ", mail.text)
    counted: Sequence[tuple[str, int, tuple[int, int]]] = (
        ("subject_length", len(mail.subject), limits.subject_characters),
        ("preview_length", len(mail.preview), limits.preview_characters),
        ("body_words", len(body.split()), limits.body_words),
    )
    return [f"{name}: {size}" for name, size, (low, high) in counted if not low <= size <= high]


def _parts(mail: Mail, sender: Sender, links: Links) -> list[str]:
    """Identity, postal address, price, and both links, in both bodies."""
    price = prices().shown("full_report")
    wanted = {
        "sender_name": sender.name,
        "postal_address": sender.postal_address,
        "price": price,
        "report_link": links.report,
        "unsubscribe_link": links.unsubscribe,
    }
    return [
        f"missing_{name}: {body}"
        for name, text in wanted.items()
        for body, shown in (("text", mail.text), ("html", mail.html))
        if not text or (text if body == "text" else _escaped(text)) not in shown
    ]


def _html(mail: Mail, links: Links) -> list[str]:
    found = []
    if _HANDLER.search(mail.html):
        found.append("active_html")
    strange = sorted({m[1].lower() for m in _TAG.finditer(mail.html) if m[1]} - _TAGS)
    left = _TAG.sub("", mail.html)
    if strange or "<" in left or ">" in left or re.search(r"&(?!(?:[a-z]+|#\d+);)", left):
        found.append(f"unescaped_html: {', '.join(strange) or 'loose character'}")
    found += [
        f"foreign_link: {urlsplit(url).netloc or url[:40]}"
        for url in _HREF.findall(mail.html)
        if url not in _both(links)
    ]
    return found


def _text_links(mail: Mail, known: Sequence[str]) -> list[str]:
    plain = guard.without(f"{mail.subject}\n{mail.preview}\n{mail.text}", known)
    return [
        problem.replace("link", "foreign_link", 1)
        for problem in guard.problems(plain, (), guard.Rules(most_characters=10_000))
        if problem in {"link", "mail_address"}
    ]


def _both(links: Links) -> set[str]:
    return {_escaped(links.report), _escaped(links.unsubscribe)}


def _escaped(text: str) -> str:
    """As Jinja2 escapes it."""
    return escape(text, quote=False).replace('"', "&#34;").replace("'", "&#39;")
