"""What became of one checkout: a fold over the set of its events, whatever their order and however often each came. Pure.

Each part takes the furthest state that any event tells: a refund that failed after it succeeded failed, a dispute that was closed
is closed. So no event has to be the last one to arrive.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

OBSERVED = "session.observed"  # what we saw ourselves when we asked Stripe for the session
_SESSION = "checkout.session."
_PAYING = ("paid", "no_payment_required")
_REFUND_RANK = {"pending": 0, "requires_action": 0, "succeeded": 1, "canceled": 2, "failed": 2}
_GIVEN_BACK = ("pending", "requires_action", "succeeded")  # the money has left our balance
_CLOSED = ("won", "lost", "warning_closed", "prevented")
_WITHDRAWN = ("needs_response", "under_review", "lost")  # an inquiry (warning_*) takes no money
REVOKED = frozenset({"refunded", "disputed", "dispute_lost", "quarantined"})  # no access to the report
ENTITLED = frozenset({"paid", "partially_refunded", "dispute_won"})  # the report is theirs


@dataclasses.dataclass(frozen=True)
class PaymentEvent:
    """One event; ``facts`` as ``stripe_facts`` read them."""

    event_id: str
    kind: str
    occurred_at: dt.datetime
    facts: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Expected:
    """What we asked Stripe to take: the price book's amount, and whether money is real here."""

    amount_cents: int
    currency: str
    live: bool


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The columns of a purchase that its events decide. ``amount_cents`` is what was paid, tax included; 0 while nothing is."""

    state: str
    reason: str | None
    amount_cents: int
    tax_cents: int
    currency: str
    refunded_cents: int
    disputed_cents: int
    payment_intent_id: str | None
    payer_hmac: bytes | None
    paid_at: dt.datetime | None
    refunded_at: dt.datetime | None
    disputed_at: dt.datetime | None
    events: int
    last_event_at: dt.datetime

    def columns(self) -> dict[str, Any]:
        """As columns of ``purchases``."""
        return dataclasses.asdict(self)

    def balances(self) -> dict[str, dict[str, int]]:
        """What the ledger must hold of this purchase: kind of posting → account → cents, each kind summing to zero."""
        if self.paid_at is None:
            return {}
        paid, tax, back, withdrawn = self.amount_cents, self.tax_cents, self.refunded_cents, self.disputed_cents
        taken = {"stripe": paid, "sales": tax - paid, "tax": -tax}
        if self.state == "quarantined":
            took = {"unexplained": {"stripe": paid, "unexplained": -paid}}
        else:
            took = {"sale": taken}
        moved = took | {
            "refund": {"refunds": back, "stripe": -back},
            "dispute": {"disputes": withdrawn, "stripe": -withdrawn},
        }
        kept = {kind: {name: cents for name, cents in each.items() if cents} for kind, each in moved.items()}
        return {kind: each for kind, each in kept.items() if each}


def fold(events: Iterable[PaymentEvent], expected: Expected) -> Outcome:
    """The outcome of one session from all its events.

    Raises:
        ValueError: without any event.
    """
    known = sorted(
        {each.event_id: each for each in events}.values(), key=lambda each: (each.occurred_at, each.event_id)
    )
    if not known:
        raise ValueError("a purchase without events has no state")
    sessions = [each for each in known if each.kind.startswith(_SESSION) or each.kind == OBSERVED]
    paying = [each for each in sessions if each.facts.get("payment_status") in _PAYING or each.kind == f"{_SESSION}async_payment_succeeded"]  # fmt: skip
    told = _newest(paying or sessions)
    refunded, refunded_at = _refunds(known)
    disputes, withdrawn, disputed_at = _disputes(known)
    paid, tax = (int(told.get("amount_total") or 0), int(told.get("amount_tax") or 0)) if paying else (0, 0)
    if paying:
        fault = _fault(told, expected, paid - tax)
        state, reason = _paid_state(paid, refunded, disputes, fault)
    else:
        state, reason = _unpaid_state(known)
    return Outcome(
        state=state,
        reason=reason,
        amount_cents=paid,
        tax_cents=tax,
        currency=str(told.get("currency") or expected.currency),
        refunded_cents=refunded,
        disputed_cents=withdrawn,
        payment_intent_id=_any(known, "payment_intent"),
        payer_hmac=bytes.fromhex(payer) if (payer := _any(sessions, "payer_hmac")) else None,
        paid_at=min((each.occurred_at for each in paying), default=None),
        refunded_at=refunded_at,
        disputed_at=disputed_at,
        events=len(known),
        last_event_at=known[-1].occurred_at,
    )


def _fault(told: Mapping[str, Any], expected: Expected, net: int) -> str | None:
    """Why the payment is not the one that we asked for."""
    if bool(told.get("livemode")) != expected.live:
        return "test_money_in_live_mode" if expected.live else "live_money_in_test_mode"
    if told.get("currency") != expected.currency:
        return f"wrong_currency: {told.get('currency')} instead of {expected.currency}"
    if net != expected.amount_cents:
        return f"wrong_amount: {net} instead of {expected.amount_cents}"
    return None


def _paid_state(paid: int, refunded: int, disputes: Sequence[str], fault: str | None) -> tuple[str, str | None]:
    if fault is not None:
        return "quarantined", fault
    if "lost" in disputes:
        return "dispute_lost", None
    if any(status not in _CLOSED for status in disputes):
        return "disputed", None
    if paid and refunded >= paid:
        return "refunded", None
    if refunded:
        return "partially_refunded", None
    return ("dispute_won" if "won" in disputes else "paid"), None


def _unpaid_state(known: Sequence[PaymentEvent]) -> tuple[str, str | None]:
    kinds = {each.kind for each in known}
    if f"{_SESSION}async_payment_failed" in kinds:
        return "failed", "the payment did not arrive"
    complete = any(each.facts.get("status") == "complete" for each in known)
    if complete or f"{_SESSION}completed" in kinds:
        return "pending", None
    if f"{_SESSION}expired" in kinds or any(each.facts.get("status") == "expired" for each in known):
        return "expired", None
    if "payment_intent.payment_failed" in kinds:
        return "failed", "the card was declined"
    return "pending", None


def _refunds(known: Sequence[PaymentEvent]) -> tuple[int, dt.datetime | None]:
    """Cents given back, by whichever of Stripe's two stories says more, less what failed; and when that began."""
    furthest: dict[str, tuple[int, str, int]] = {}
    for each in known:
        if (refund := each.facts.get("refund")) is not None:
            status = str(each.facts.get("refund_status") or "pending")
            rank = (_REFUND_RANK.get(status, 0), status, int(each.facts.get("refund_cents") or 0))
            furthest[refund] = max(furthest.get(refund, rank), rank)
    given = sum(cents for _, status, cents in furthest.values() if status in _GIVEN_BACK)
    failed = sum(cents for _, status, cents in furthest.values() if status not in _GIVEN_BACK)
    of_charge = max((int(each.facts.get("amount_refunded") or 0) for each in known), default=0)
    cents = max(given, of_charge - failed, 0)
    moments = (each.occurred_at for each in known if each.facts.get("refund") or each.facts.get("amount_refunded"))
    return cents, min(moments, default=None) if cents else None


def _disputes(known: Sequence[PaymentEvent]) -> tuple[list[str], int, dt.datetime | None]:
    """The status of each dispute, cents that are withdrawn, and when the first began."""
    furthest: dict[str, tuple[bool, dt.datetime, str, str, int]] = {}
    for each in known:
        if (dispute := each.facts.get("dispute")) is not None:
            status = str(each.facts.get("dispute_status") or "needs_response")
            cents = int(each.facts.get("dispute_cents") or 0)
            rank = (status in _CLOSED, each.occurred_at, each.event_id, status, cents)
            furthest[dispute] = max(furthest.get(dispute, rank), rank)
    found = [(status, cents) for _, _, _, status, cents in furthest.values()]
    began = min((each.occurred_at for each in known if each.facts.get("dispute")), default=None)
    real = [status for status, _ in found if not status.startswith("warning_") and status != "prevented"]
    return real, sum(cents for status, cents in found if status in _WITHDRAWN), began


def _newest(events: Sequence[PaymentEvent]) -> Mapping[str, Any]:
    return events[-1].facts if events else {}


def _any(events: Sequence[PaymentEvent], name: str) -> str | None:
    return next((str(each.facts[name]) for each in events if each.facts.get(name)), None)
