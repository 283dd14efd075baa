"""Bounces of an SMTP relay: a delivery status notification (RFC 3464) becomes an event like SendGrid's and folds like one. Pure.

Only the address that it came to is believed: it is ours, names the send and is signed (VERP). Whom the report itself names is
hearsay, for anybody can write one; the send knows its own recipient.
"""

from __future__ import annotations

import datetime as dt
import email.message
import email.utils
import hashlib
import re
import uuid
from collections.abc import Iterable
from typing import Any

from leadfactory import mail_tokens, stranger_mail
from leadfactory.tokens import TokenError, Tokens

_KINDS = {"failed": "bounce", "delayed": "deferred", "delivered": "delivered", "relayed": "delivered"}
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
# What says something of the mail, the moment or us and nothing of the address: it did not arrive, and the address lives on.
_NOT_THE_ADDRESS = re.compile(r"4\.|5\.7\.|5\.3\.|5\.2\.[23]$")
MOST_ADDRESSES = 4_000  # characters of one header
_RECIPIENT_HEADERS = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to")
# Old mail servers tell the reply of the other one only (RFC 5321), without an enhanced status.
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)(?=[ \-](?![\d.]))")
_STATUS_OF = {"550": "5.1.1", "551": "5.1.6", "552": "5.2.2", "553": "5.1.3", "554": "5.7.0"}
_DAEMONS = re.compile(r"\b(mailer-daemon|postmaster|mail delivery (sub)?system)\b", re.IGNORECASE)


def read(raw: bytes, tokens: Tokens, *, received_at: dt.datetime, recipient: str | None = None) -> dict[str, Any] | None:  # fmt: skip
    """The event that a returned mail tells, shaped like SendGrid's; None when it is no bounce of a send of ours.

    Args:
        recipient: the envelope's, when the mail server told it; else the headers are looked through.
    """
    try:
        mail = stranger_mail.parsed(raw)
    except stranger_mail.Costly:
        return None
    send_id = _send(mail, tokens, recipient)
    if send_id is None:
        return None
    found = _reported(mail) or _guessed(mail)
    if found is None:
        return None
    kind, status, reason = found
    event: dict[str, Any] = {
        "event": kind, "send_id": str(send_id), "timestamp": int(_dated(mail, received_at).timestamp()),
        "sg_event_id": f"dsn:{hashlib.sha256(raw).hexdigest()[:40]}", "status": status, "reason": reason[:200],
    }  # fmt: skip
    if kind == "bounce":
        event["type"] = "blocked" if _NOT_THE_ADDRESS.match(status) else "bounce"
    return event


def _send(mail: email.message.Message, tokens: Tokens, recipient: str | None) -> uuid.UUID | None:
    for address in filter(None, (recipient, *_addresses(mail))):
        try:
            return mail_tokens.read(tokens, "bounce", address)
        except TokenError:
            continue
    return None


def _addresses(mail: email.message.Message) -> Iterable[str]:
    values = [str(value) for name in _RECIPIENT_HEADERS for value in mail.get_all(name, ())]
    return [address for _, address in email.utils.getaddresses([value[:MOST_ADDRESSES] for value in values])]


def _reported(mail: email.message.Message) -> tuple[str, str, str] | None:
    """Kind, status and reason of the first recipient that a proper report tells of."""
    if mail.get_content_type() != "multipart/report":
        return None
    for part in mail.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        blocks = part.get_payload()
        for block in (
            blocks if isinstance(blocks, list) else []
        ):  # the first one is about the message, each further one about a recipient
            if not isinstance(block, email.message.Message):
                continue
            kind = _KINDS.get(str(block.get("Action", "")).strip().lower())
            status = _STATUS.search(str(block.get("Status", "")))
            if kind is None or status is None:
                continue
            reason = str(block.get("Diagnostic-Code", "")) or status[0]
            return kind, status[0], " ".join(reason.split())
    return None


def _guessed(mail: email.message.Message) -> tuple[str, str, str] | None:
    """The same of a mail server's own prose: only from one that calls itself so, and only with a status or a reply code in it."""
    automatic = str(mail.get("Auto-Submitted", "")).lower().startswith("auto-replied")
    if automatic or not _DAEMONS.search(str(mail.get("From", ""))):
        return None
    part = next((part for part in mail.walk() if part.get_content_maintype() == "text"), None)
    payload = part.get_payload(decode=True) if part is not None else None
    text = payload.decode("latin-1") if isinstance(payload, bytes) else ""
    status = _STATUS.search(text) or _REPLY.search(text)
    if status is None or status[0][0] == "2":
        return None
    line = next((line for line in text.splitlines() if status[0] in line), status[0])
    code = status[0] if "." in status[0] else _STATUS_OF.get(status[0], f"{status[0][0]}.0.0")
    return ("bounce" if code[0] == "5" else "deferred"), code, " ".join(line.split())


def _dated(mail: email.message.Message, received_at: dt.datetime) -> dt.datetime:
    """When the report says it was written, within the day before it came; else when it came."""
    try:
        dated = email.utils.parsedate_to_datetime(str(mail["Date"]))
    except (TypeError, ValueError):
        return received_at
    dated = dated if dated.tzinfo is not None else dated.replace(tzinfo=dt.UTC)
    return dated if received_at - dt.timedelta(days=1) <= dated <= received_at else received_at
