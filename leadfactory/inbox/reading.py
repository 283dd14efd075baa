"""Turns vendors' events into rows of the inbox: addresses become keyed hashes, malformed events become quarantined rows. Pure.

SendGrid's fields: Event Webhook reference (event, timestamp, sg_event_id, custom arguments at the top level). Stripe's: Event.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from leadfactory.d00_gateway.redaction import redact
from leadfactory.inbox.rules import WebhookRules
from leadfactory.keyed_hashes import KeyedHashes

_MOST_ID = 200
_EARLIEST, _LATEST = 946_684_800, 4_102_444_800  # years 2000 to 2100: unix seconds, not milliseconds
_APART = {"email", "ip", "useragent", "url", "smtp-id"}  # kept as a hash, in columns of their own, or not at all
_PERSONAL = {
    "email", "receipt_email", "customer_email", "name", "phone", "address", "shipping", "line1", "line2", "ip", "tax_ids",
}  # fmt: skip


class Malformed(ValueError):
    """Why an event cannot be read; names the field and what was found, never an address."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One row to store. ``stops`` are the (kind, hash) that must be suppressed with it; ``fault`` quarantines it."""

    event_id: str
    kind: str
    payload: dict[str, Any]
    occurred_at: dt.datetime | None = None
    send_id: uuid.UUID | None = None
    address_hmac: bytes | None = None
    ip: str | None = None
    user_agent: str | None = None
    stops: tuple[tuple[str, bytes], ...] = ()
    stop_reason: str | None = None
    fault: str | None = None


def decoded(body: bytes) -> Any:
    """The JSON of a body.

    Raises:
        Malformed: it is none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the body is no JSON ({type(error).__name__})") from None


def sendgrid_entries(body: bytes, hashes: KeyedHashes, rules: WebhookRules) -> list[Entry]:
    """The events of one post in the order of their ids, each id once; what cannot be read is quarantined beside the others."""
    try:
        found = decoded(body)
    except Malformed as error:
        return [_unreadable(body, str(error))]
    events = found if isinstance(found, list) else [found]
    return _once(_sendgrid_entry(event, hashes, rules) for event in events)


def stripe_entries(body: bytes, hashes: KeyedHashes) -> list[Entry]:
    """The one event of a Stripe post."""
    try:
        event = decoded(body)
    except Malformed as error:
        return [_unreadable(body, str(error))]
    try:
        if not isinstance(event, dict) or event.get("object") != "event":
            raise Malformed("the body is no event object")
        kind = _text(event, "type")
        payload = _clean(event)
        return [Entry(_id(event, "id"), kind, payload, _moment(event, "created"), address_hmac=_payer(event, hashes))]
    except (Malformed, RecursionError) as error:
        return [_quarantined(event, str(error) or "too deeply nested")]


def _sendgrid_entry(event: Any, hashes: KeyedHashes, rules: WebhookRules) -> Entry:
    if not isinstance(event, dict):
        return _quarantined(event, f"an event is an object, found {type(event).__name__}")
    address = event.get("email") if isinstance(event.get("email"), str) else ""
    try:
        subjects: tuple[tuple[str, bytes], ...] = (
            ("address", hashes.address(str(address))),
            ("address_plus_stripped", hashes.address_plus_stripped(str(address))),
        )
    except (ValueError, AttributeError):
        subjects = ()
    reason = _stop_reason(event, rules)
    stops = subjects if reason else ()
    try:
        kind, at = _text(event, "event"), _moment(event, "timestamp")
        agent = event.get("useragent")
        return Entry(
            event_id=_id(event, "sg_event_id"),
            kind=kind,
            payload=_sendgrid_payload(event, rules),
            occurred_at=at,
            send_id=_uuid(event.get("send_id")),
            address_hmac=subjects[0][1] if subjects else None,
            ip=_short(event.get("ip")),
            user_agent=_short(agent),
            stops=stops,
            stop_reason=reason,
        )
    except (Malformed, RecursionError) as error:
        broken = _quarantined(event, str(error) or "too deeply nested")
        # What says stop stops, even when the rest of it cannot be read.
        return dataclasses.replace(
            broken,
            stops=stops,
            stop_reason=reason,
            send_id=_uuid(event.get("send_id")),
            address_hmac=subjects[0][1] if subjects else None,
        )


def _stop_reason(event: dict[str, Any], rules: WebhookRules) -> str | None:
    kind = event.get("event")
    if not isinstance(kind, str):
        return None
    if kind in rules.suppressing_events:
        return kind
    if kind == "bounce" and event.get("type") != "blocked":
        return "hard_bounce"
    if kind == "dropped" and str(event.get("reason", "")).strip().lower() in rules.suppressing_drops:
        return "dropped_as_suppressed"
    return None


def _sendgrid_payload(event: dict[str, Any], rules: WebhookRules) -> dict[str, Any]:
    """The event without what names a person; ``machine`` and ``url_hash`` are what outlives agent and link."""
    payload = _clean({key: value for key, value in event.items() if key not in _APART})
    agent, url = event.get("useragent"), event.get("url")
    if isinstance(agent, str):
        payload["machine_agent"] = rules.bots.is_machine(agent)
    if isinstance(url, str):
        payload["url_hash"] = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:16]
        payload["url_host"] = _host(url)
    return payload


def _host(url: str) -> str | None:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return None
    return str(_clean(host)) if host else None


def _payer(event: dict[str, Any], hashes: KeyedHashes) -> bytes | None:
    found = event.get("data", {})
    found = found.get("object", {}) if isinstance(found, dict) else {}
    details = found.get("customer_details") if isinstance(found, dict) else None
    try:
        return hashes.address(details["email"]) if isinstance(details, dict) else None
    except (KeyError, ValueError, AttributeError):
        return None


def _clean(value: Any) -> Any:
    """Without addresses, and as Postgres can store it: no NUL, no lone surrogate, no number beyond JSON."""
    if isinstance(value, dict):
        return {
            str(_clean(key)): "[withheld]" if key in _PERSONAL and inner else _clean(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    if isinstance(value, str):
        if not value.isascii() or "\x00" in value:
            value = value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
        return redact(value) if "@" in value or "%40" in value else value
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _text(event: dict[str, Any], field: str) -> str:
    value = event.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_ID:
        raise Malformed(f"{field} is no text of 1 to {_MOST_ID} characters")
    return str(_clean(value))


_id = _text


def _moment(event: dict[str, Any], field: str) -> dt.datetime:
    value = event.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not _EARLIEST <= value < _LATEST:
        raise Malformed(f"{field} is no unix time in seconds")
    return dt.datetime.fromtimestamp(value, dt.UTC)


def _uuid(value: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _short(value: Any) -> str | None:
    return str(_clean(value))[:500] if isinstance(value, str) else None


def _quarantined(event: Any, fault: str) -> Entry:
    try:
        text = json.dumps(event, sort_keys=True).encode()
    except RecursionError:
        text = type(event).__name__.encode()
    known = {key: event[key] for key in ("event", "type", "timestamp", "sg_message_id") if key in event} if isinstance(event, dict) else {}  # fmt: skip
    payload = {key: _clean(value) for key, value in known.items() if isinstance(value, (str, int))}
    digest = hashlib.sha256(text).hexdigest()
    return Entry(f"malformed:{digest}", "malformed", payload | {"bytes": len(text)}, fault=fault)


def _unreadable(body: bytes, fault: str) -> Entry:
    digest = hashlib.sha256(body).hexdigest()
    return Entry(f"malformed:{digest}", "malformed", {"bytes": len(body)}, fault=fault)


def _once(entries: Iterable[Entry]) -> list[Entry]:
    """Each id once, the first that came, in the order of ids: two posts then lock rows in the same order."""
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.event_id, entry)
    return [first[event_id] for event_id in sorted(first)]
