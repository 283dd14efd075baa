"""A mail as SendGrid's Inbound Parse posts it: multipart/form-data with the parsed parts, or with the raw mail. Pure.

Fields: Twilio SendGrid, Inbound Parse (headers, to, from, subject, text, html, envelope, charsets, attachments; email in raw mode).
Nothing here is believed but the envelope's recipient, which must be an address that we signed.
"""

from __future__ import annotations

import dataclasses
import email
import email.message
import email.utils
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from leadfactory import stranger_mail

MOST_PARTS = 200
MOST_WRITTEN = 500_000  # characters of text or markup that are looked at; an attachment is none of them
MOST_ADDRESSES = 4_000  # characters of one list of recipients
# Anybody can write to us, so what is looked for here must take time in proportion to the text: no expression may begin again and again
# and run to the end each time.
_HIDDEN = re.compile(r"<(?:(style|script)\b|(!--))", re.IGNORECASE)
_ENDS = {
    "style": re.compile(r"</style>", re.IGNORECASE),
    "script": re.compile(r"</script>", re.IGNORECASE),
    "!--": re.compile(r"-->"),
}
_TAG = re.compile(r"<[^<>]*>")
_BREAK = re.compile(r"<(?:br|/p|/div|/li|/tr|/h\d|blockquote)\b[^<>]*>", re.IGNORECASE)


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
    """The mail of a post. Attachments are never opened or unpacked.

    Raises:
        Malformed: it is no form, has no mail in it, or is made to be costly to read.
    """
    try:
        return _read(content_type, body)
    except (RecursionError, stranger_mail.Costly) as error:
        raise Malformed(str(error)) from None


def _read(content_type: str, body: bytes) -> Inbound:
    if not content_type.lower().startswith("multipart/form-data"):
        raise Malformed("the body is no multipart form")
    parts = _parts(content_type, body)
    fields = {name: part.content for name, part in _named(parts)}
    charsets = _json(fields.get("charsets", b""))

    def text(name: str) -> str:
        return _decoded(fields.get(name, b""), str(charsets.get(name, "utf-8")))

    raw = stranger_mail.parsed(fields["email"]) if "email" in fields else None
    headers = _headers(fields["email"].decode("latin-1").partition("\n\n")[0] if raw is not None else text("headers"))
    envelope = _json(fields.get("envelope", b""))
    recipients = _recipients(envelope, text("to"), headers)
    if not recipients:
        raise Malformed("the mail has no recipient")
    written = (text("text") or _plain(text("html")) if raw is None else _text_of(raw))[:MOST_WRITTEN]
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
    return email.utils.parseaddr(text[:MOST_ADDRESSES])[1].strip().lower()


@dataclasses.dataclass(frozen=True)
class _Part:
    """One part of a form: its headers, and its content as it was sent: a form has no transfer encoding."""

    head: email.message.Message
    content: bytes


def _parts(content_type: str, body: bytes) -> list[_Part]:
    """The parts of a form. What is inside of one, a mail's attachment for example, is not read as parts again."""
    declared = email.message.Message()
    declared["content-type"] = content_type.encode("latin-1", "replace").decode("latin-1")
    boundary = (declared.get_boundary() or "").encode("latin-1", "replace")
    _, *pieces = re.split(
        rb"\r?\n--" + re.escape(boundary) + rb"(?=--|[ \t]*\r?\n)", b"\n" + body, maxsplit=MOST_PARTS + 1
    )
    pieces = [piece for piece in pieces if not piece.startswith(b"--")]
    if not boundary or not pieces:
        raise Malformed("the body is no multipart form")
    if len(pieces) > MOST_PARTS:
        raise Malformed("too many parts")
    found = []
    for piece in pieces:
        head, _, content = piece.partition(b"\r\n\r\n" if b"\r\n\r\n" in piece else b"\n\n")
        found.append(_Part(email.message_from_bytes(head.lstrip() + b"\n\n"), content))
    return found


def _named(parts: list[_Part]) -> Iterator[tuple[str, _Part]]:
    for part in parts:
        name = part.head.get_param("name", header="content-disposition")
        if isinstance(name, str) and part.head.get_filename() is None:
            yield name, part


def _bytes(part: email.message.Message) -> bytes:
    """A mail's part, decoded."""
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
    first = [each for each in given if isinstance(each, str)][:MOST_PARTS] if isinstance(given, list) else []
    shown = email.utils.getaddresses([to[:MOST_ADDRESSES], headers.get("to", ""), headers.get("delivered-to", "")])
    return tuple(dict.fromkeys(address(each) for each in (*first, *(found for _, found in shown)) if address(each)))


def _text_of(raw: email.message.Message) -> str:
    for kind in ("text/plain", "text/html"):
        for part in raw.walk():
            if part.get_content_type() == kind and part.get_filename() is None:
                found = _decoded(_bytes(part), part.get_content_charset() or "utf-8")
                return found if kind == "text/plain" else _plain(found)
    return ""


def _plain(markup: str) -> str:
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", _shown(markup[:MOST_WRITTEN]))))


def _shown(markup: str) -> str:
    """Without styles, scripts and comments; one that never ends hides nothing, so that no wish to stop is lost behind it."""
    kept, at, look = [], 0, 0
    endless: set[str] = set()
    while found := _HIDDEN.search(markup, look):
        kind = (found[1] or found[2]).lower()
        end = None if kind in endless else _ENDS[kind].search(markup, found.end())
        if end is None:
            endless.add(kind)
            look = found.end()
            continue
        kept.append(markup[at : found.start()])
        at = look = end.end()
    return "".join((*kept, markup[at:]))


def _report(parts: list[_Part], headers: Mapping[str, str]) -> bytes | None:
    """A delivery report put together again from its attachments, as the mail that it was; None when there is none."""
    told = next((part for part in parts if part.head.get_content_type() == "message/delivery-status"), None)
    if told is None:
        return None
    kept = "".join(
        f"{name.title()}: {headers[name]}\r\n" for name in ("from", "to", "date", "subject") if name in headers
    )
    status = re.sub(rb"\r?\n", b"\r\n", told.content)
    return (
        kept.encode("latin-1", "replace")
        + b'Content-Type: multipart/report; report-type=delivery-status; boundary="report"\r\n\r\n'
        + b"--report\r\nContent-Type: message/delivery-status\r\n\r\n" + status + b"\r\n--report--\r\n"
    )  # fmt: skip


def _fingerprint(headers: Mapping[str, str], recipients: tuple[str, ...], sender: str, text: str) -> str:
    """What makes two posts the same mail: its Message-ID where it has one, else what it says; and to whom."""
    own = headers.get("message-id") or f"{sender}\n{headers.get('date', '')}\n{text}"
    return hashlib.sha256(f"{recipients[0]}\n{own}".encode("utf-8", "surrogatepass")).hexdigest()
