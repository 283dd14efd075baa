"""A mail as SendGrid's Inbound Parse posts it: multipart/form-data with the parsed parts, or with the raw mail. Pure.

Fields: Twilio SendGrid, Inbound Parse (headers, to, from, subject, text, html, envelope, charsets, attachments; email in raw mode).
Nothing here is believed but the envelope's recipient, which must be an address that we signed.
"""

from __future__ import annotations

import dataclasses
import email
import email.message
import email.policy
import email.utils
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MOST_PARTS = 200
_TAG = re.compile(r"<(?:style|script)\b.*?</(?:style|script)>|<!--.*?-->|<[^>]*>", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<(?:br|/p|/div|/li|/tr|/h\d|blockquote)\b[^>]*>", re.IGNORECASE)


class Malformed(ValueError):
    """Why a post cannot be read; never holds its content."""


@dataclasses.dataclass(frozen=True)
class Inbound:
    """One mail. ``headers`` are in lower case, the first of each name; ``recipients`` the envelope's, then those of the headers."""

    recipients: tuple[str, ...]
    sender: str
    envelope_sender: str | None
    subject: str
    text: str
    headers: Mapping[str, str]
    report: bytes | None
    fingerprint: str


def read(content_type: str, body: bytes) -> Inbound:
    """The mail of a post.

    Raises:
        Malformed: it is no form, or has no mail in it.
    """
    if not content_type.lower().startswith("multipart/form-data"):
        raise Malformed("the body is no multipart form")
    form = email.message_from_bytes(b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n" + body)
    parts = form.get_payload()
    if not isinstance(parts, list) or not parts or len(parts) > MOST_PARTS:
        raise Malformed(
            "the body is no multipart form" if not isinstance(parts, list) or not parts else "too many parts"
        )
    fields = {name: _bytes(part) for name, part in _named(parts)}
    charsets = _json(fields.get("charsets", b""))

    def text(name: str) -> str:
        return _decoded(fields.get(name, b""), str(charsets.get(name, "utf-8")))

    raw = email.message_from_bytes(fields["email"]) if "email" in fields else None
    headers = _headers(fields["email"].decode("latin-1").partition("\n\n")[0] if raw is not None else text("headers"))
    envelope = _json(fields.get("envelope", b""))
    recipients = _recipients(envelope, text("to"), headers)
    if not recipients:
        raise Malformed("the mail has no recipient")
    written = text("text") or _plain(text("html")) if raw is None else _text_of(raw)
    sender = text("from") or headers.get("from", "")
    return Inbound(
        recipients=recipients,
        sender=sender,
        envelope_sender=envelope["from"] if isinstance(envelope.get("from"), str) else None,
        subject=" ".join((text("subject") or headers.get("subject", "")).split())[:500],
        text=written.replace("\x00", "").replace("\r\n", "\n"),
        headers=headers,
        report=fields.get("email") if raw is not None else _report(parts, headers),
        fingerprint=_fingerprint(headers, recipients, sender, written),
    )


def address(text: str) -> str:
    """The bare address of a ``From`` or ``To``; empty when there is none."""
    return email.utils.parseaddr(text)[1].strip().lower()


def _named(parts: list[Any]) -> Iterator[tuple[str, email.message.Message]]:
    for part in parts:
        name = part.get_param("name", header="content-disposition") if isinstance(part, email.message.Message) else None
        if isinstance(name, str) and part.get_filename() is None:
            yield name, part


def _bytes(part: email.message.Message) -> bytes:
    """The part as it was sent: a form has no transfer encoding."""
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _decoded(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset, "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _json(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _headers(text: str) -> dict[str, str]:
    parsed = email.message_from_string(text)
    first: dict[str, str] = {}
    for name, value in parsed.items():
        first.setdefault(name.lower(), " ".join(str(value).split())[:1000])
    return first


def _recipients(envelope: Mapping[str, Any], to: str, headers: Mapping[str, str]) -> tuple[str, ...]:
    given = envelope.get("to")
    first = [each for each in given if isinstance(each, str)] if isinstance(given, list) else []
    shown = email.utils.getaddresses([to, headers.get("to", ""), headers.get("delivered-to", "")])
    return tuple(dict.fromkeys(address(each) for each in (*first, *(found for _, found in shown)) if address(each)))


def _text_of(raw: email.message.Message) -> str:
    for kind in ("text/plain", "text/html"):
        for part in raw.walk():
            if part.get_content_type() == kind and part.get_filename() is None:
                found = _decoded(_bytes(part), part.get_content_charset() or "utf-8")
                return found if kind == "text/plain" else _plain(found)
    return ""


def _plain(markup: str) -> str:
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", markup)))


def _report(parts: list[Any], headers: Mapping[str, str]) -> bytes | None:
    """A delivery report put together again from its attachments, as the mail that it was; None when there is none."""
    told = next(
        (
            p
            for p in parts
            if isinstance(p, email.message.Message) and p.get_content_type() == "message/delivery-status"
        ),
        None,
    )
    if told is None:
        return None
    kept = "".join(
        f"{name.title()}: {headers[name]}\r\n" for name in ("from", "to", "date", "subject") if name in headers
    )
    status = told.as_bytes(policy=email.policy.HTTP).partition(b"\r\n\r\n")[2]
    return (
        kept.encode("latin-1", "replace")
        + b'Content-Type: multipart/report; report-type=delivery-status; boundary="report"\r\n\r\n'
        + b"--report\r\nContent-Type: message/delivery-status\r\n\r\n" + status + b"\r\n--report--\r\n"
    )  # fmt: skip


def _fingerprint(headers: Mapping[str, str], recipients: tuple[str, ...], sender: str, text: str) -> str:
    """What makes two posts the same mail: its Message-ID where it has one, else what it says; and to whom."""
    own = headers.get("message-id") or f"{sender}\n{headers.get('date', '')}\n{text}"
    return hashlib.sha256(f"{recipients[0]}\n{own}".encode("utf-8", "surrogatepass")).hexdigest()
