"""What the fold reads of Stripe's objects: a few ids, states and amounts; never a name, an address or a card. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

READ = frozenset({
    "checkout.session.completed", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
    "checkout.session.expired", "charge.refunded", "charge.refund.updated", "refund.created", "refund.updated", "refund.failed",
    "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated", "payment_intent.payment_failed",
})  # fmt: skip


def of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of an event's object, or of an object that was asked for; empty for what is none of the known kinds."""
    kind = body.get("object")
    if kind == "checkout.session":
        return _session(body)
    if kind == "charge":
        return {"payment_intent": _text(body, "payment_intent"), "amount_refunded": _cents(body, "amount_refunded")}
    if kind == "refund":
        return {
            "payment_intent": _text(body, "payment_intent"), "refund": _text(body, "id"), "refund_status": _text(body, "status"),
            "refund_cents": _cents(body, "amount"), "refund_id": _uuid(body, "refund_id"),
        }  # fmt: skip
    if kind == "dispute":
        return {
            "payment_intent": _text(body, "payment_intent"), "dispute": _text(body, "id"), "dispute_status": _text(body, "status"),
            "dispute_cents": _cents(body, "amount"), "dispute_reason": _text(body, "reason"),
        }  # fmt: skip
    if kind == "payment_intent":
        return {"payment_intent": _text(body, "id")}
    return {}


def _session(body: Mapping[str, Any]) -> dict[str, Any]:
    details = body.get("total_details")
    return {
        "session": _text(body, "id"), "checkout_id": _uuid(body, "checkout_id"), "payment_intent": _text(body, "payment_intent"),
        "status": _text(body, "status"), "payment_status": _text(body, "payment_status"), "currency": _text(body, "currency"),
        "amount_total": _cents(body, "amount_total"), "amount_tax": _cents(details, "amount_tax") if isinstance(details, Mapping) else 0,
        "livemode": body.get("livemode") is True,
    }  # fmt: skip


def _uuid(body: Mapping[str, Any], name: str) -> str | None:
    """An id of ours that the object carries."""
    metadata = body.get("metadata")
    text = metadata.get(name) if isinstance(metadata, Mapping) else None
    try:
        return str(uuid.UUID(text)) if isinstance(text, str) else None
    except ValueError:
        return None


def _text(body: Mapping[str, Any], name: str) -> str | None:
    """A text, or the id of an object that was expanded in its place."""
    value = body.get(name)
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def _cents(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
