"""Stripe's books: sessions, payments, refunds and events, and what each step changes and announces.

Webhooks go to ``options['stripe_webhook_url']``, signed with ``options['stripe_webhook_secret']``. By the sandbox's clock, a bank
debit is decided ``options['stripe_bank_delay_s']`` (0) seconds after it was ordered, and a card that is disputed is so
``options['stripe_dispute_delay_s']`` (0) seconds after the payment.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

from sandbox.recipients.crowd import Crowd
from sandbox.recipients.script import Step
from sandbox.vendors import stripe_objects as objects
from sandbox.vendors.stripe_request import BadRequest
from sandbox.vendors.webhook_delivery import Deliveries, Signed
from sandbox.vendors.wire import Json, accepted, alphanumeric, epoch, option, watch

DEFAULT_SECRET = "whsec_sandbox"
DECLINED, DISPUTED = "4000000000000002", "4000000000000259"  # Stripe's own test cards


class Books:
    """Everything one Stripe account holds; every change goes through here and leaves its events."""

    def __init__(self, sandbox: Any) -> None:
        self._sandbox = sandbox
        self._made = 0
        self.sessions: dict[str, Json] = {}
        self.items: dict[str, list[Json]] = {}
        self.intents: dict[str, Json] = {}
        self.charges: dict[str, Json] = {}
        self.refunds: dict[str, Json] = {}
        self.events: dict[str, Json] = {}
        self.disputes: dict[str, Json] = {}
        self._asked: dict[str, Json] = {}
        self._later = Crowd(sandbox)
        watch(sandbox, "stripe", self._later.outstanding)
        self.deliveries = Deliveries(sandbox, "stripe_webhook_url", 1, self.signed, self._delivered)

    def new_id(self, prefix: str, length: int = 24, *content: object) -> str:
        """An id that depends on the seed, the order of calls and the content."""
        self._made += 1
        return prefix + alphanumeric(
            prefix, self._sandbox.world.seed, self._made, epoch(self._sandbox), *content, length=length
        )

    def signed(self, events: list[Json]) -> Signed:
        """Headers and body of one webhook: HMAC-SHA256 over the time and the raw body."""
        body = json.dumps(events[0], indent=2).encode()
        wall = option(self._sandbox, "webhook_clock", "wall") != "sandbox"
        at = str(int(time.time()) if wall else epoch(self._sandbox))
        secret = str(option(self._sandbox, "stripe_webhook_secret", DEFAULT_SECRET))
        signature = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": f"t={at},v1={signature}",
        }, body

    def _delivered(self, events: list[Json]) -> None:
        for event in events:
            self.events[event["id"]]["pending_webhooks"] = 0

    def announce(self, kind: str, body: Json, request: Json | None = None, previous: Json | None = None) -> None:
        """Keep an event with a copy of the object as it is now, and queue its webhook."""
        event_id = self.new_id("evt_", 24, kind, body["id"])
        origin = request or {"id": None, "idempotency_key": None}
        event = objects.event(event_id, kind, copy.deepcopy(body), epoch(self._sandbox), origin, previous)
        self.events[event_id] = event
        self.deliveries.add([event])

    def open_session(self, asked: Json, base_url: str) -> Json:
        """A new Checkout Session; ``base_url`` is where its hosted page lives."""
        now = epoch(self._sandbox)
        session_id = self.new_id("cs_test_a1", 40, json.dumps(asked, sort_keys=True))
        url = f"{base_url}/pay/{session_id}" if asked["ui_mode"] == "hosted_page" else None
        body = objects.session(session_id, asked, url, now)
        self.sessions[session_id], self._asked[session_id] = body, asked
        self.items[session_id] = [
            objects.line_item(self.new_id("li_"), one, self.new_id("prod_", 14), now) for one in asked["items"]
        ]
        accepted(self._sandbox, "stripe", "checkout_session", session_id, amount_total=body["amount_total"],
                 currency=body["currency"], metadata=body["metadata"], client_reference_id=body["client_reference_id"],
                 customer_email=body["customer_email"])  # fmt: skip
        return body

    def session(self, session_id: str) -> Json:
        """A session as it is now: one whose time has passed is expired first. Raises BadRequest when there is none."""
        if session_id not in self.sessions:
            raise BadRequest(f"No such checkout.session: {session_id}", "session", "resource_missing", 404)
        body = self.sessions[session_id]
        if body["status"] == "open" and body["expires_at"] <= epoch(self._sandbox):
            self._expire(body, None)
        return body

    def expire(self, session_id: str, request: Json) -> Json:
        """Expire an open session; raises BadRequest for one that is not open."""
        body = self.session(session_id)
        if body["status"] != "open":
            raise BadRequest(f"Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a "
                             f"status of `{body['status']}`.", "session")  # fmt: skip
        self._expire(body, request)
        return body

    def _expire(self, body: Json, request: Json | None) -> None:
        body |= {"status": "expired", "url": None}
        self.announce("checkout.session.expired", body, request)

    def pay(self, session_id: str, email: str | None, name: str | None, card: str) -> Json:
        """The buyer pays an open session; raises BadRequest (402) for a declined card, (400) when it is not open.

        ``card`` is a test card number, or "bank" or "bank-fails" for a debit that is decided later.
        """
        body = self.session(session_id)
        if body["status"] != "open":
            raise BadRequest(f"This Checkout Session is {body['status']}.", "session")
        intent = self.intents.get(body["payment_intent"] or "") or self._new_intent(body)
        email = email or body["customer_email"]
        now = epoch(self._sandbox)
        if card == DECLINED:
            self._decline(intent, email, name)
        body |= {"status": "complete", "url": None, "customer_details": objects.customer_details(email, name)}
        if self._asked[session_id]["invoice"]:
            body["invoice"] = self.new_id("in_1")
        if card in ("bank", "bank-fails"):
            intent |= {"status": "processing"}
            self.announce("checkout.session.completed", body)
            decide = functools.partial(self._decide, body, intent, email, name, card == "bank")
            self._after(option(self._sandbox, "stripe_bank_delay_s", 0), decide)
            return body
        body |= {"payment_status": "paid"}
        charge = self._collect(intent, email, name, now)
        self.announce("checkout.session.completed", body)
        if card == DISPUTED:
            self._after(option(self._sandbox, "stripe_dispute_delay_s", 0), functools.partial(self._dispute, charge))
        return body

    def _after(self, seconds: int, do: Callable[[], None]) -> None:
        if seconds <= 0:
            do()
        else:
            self._later.follow(iter([Step(int(seconds))]), lambda _: do())

    def _decide(self, body: Json, intent: Json, email: str | None, name: str | None, goes_through: bool) -> None:
        """What the bank says to a debit, some time after the buyer ordered it."""
        if goes_through:
            self._collect(intent, email, name, epoch(self._sandbox))
            body |= {"payment_status": "paid"}
            self.announce("checkout.session.async_payment_succeeded", body)
        else:
            self._fail(
                intent,
                email,
                name,
                "The customer's bank account could not be debited.",
                "payment_method_provider_decline",
            )
            self.announce("checkout.session.async_payment_failed", body)

    def _dispute(self, charge: Json) -> None:
        charge |= {"disputed": True}
        dispute = objects.dispute(self.new_id("du_1"), charge, epoch(self._sandbox))
        self.disputes[dispute["id"]] = dispute
        self.announce("charge.dispute.created", dispute)

    def close_dispute(self, dispute_id: str, status: str, request: Json) -> Json:
        """Ends an open dispute as ``won`` or ``lost``; raises BadRequest."""
        if dispute_id not in self.disputes:
            raise BadRequest(f"No such dispute: '{dispute_id}'", "dispute", "resource_missing", 404)
        body = self.disputes[dispute_id]
        if body["status"] in ("won", "lost"):
            raise BadRequest("This dispute is already closed", None)
        before = {"status": body["status"]}
        body |= {"status": status, "is_charge_refundable": False}
        self.announce("charge.dispute.closed", body, request, before)
        return body

    def _new_intent(self, body: Json) -> Json:
        intent_id = self.new_id("pi_3")
        asked = self._asked[body["id"]]
        self.intents[intent_id] = objects.payment_intent(intent_id, body, asked["intent"], epoch(self._sandbox))
        body["payment_intent"] = intent_id
        return self.intents[intent_id]

    def _decline(self, intent: Json, email: str | None, name: str | None) -> None:
        charge = self._fail(intent, email, name, "Your card was declined.", "card_declined")
        raise BadRequest("Your card was declined.", None, "card_declined", 402, "card_error",
                         decline_code="generic_decline", charge=charge["id"])  # fmt: skip

    def _fail(self, intent: Json, email: str | None, name: str | None, message: str, code: str) -> Json:
        charge = objects.charge(self.new_id("ch_3"), intent, email, name, False, epoch(self._sandbox))
        self.charges[charge["id"]] = charge
        problem = {"charge": charge["id"], "code": code, "decline_code": "generic_decline", "message": message,
                   "type": "card_error"}  # fmt: skip
        intent |= {"status": "requires_payment_method", "latest_charge": charge["id"], "last_payment_error": problem}
        self.announce("payment_intent.payment_failed", intent)
        return charge

    def _collect(self, intent: Json, email: str | None, name: str | None, now: int) -> Json:
        charge = objects.charge(self.new_id("ch_3"), intent, email, name, True, now)
        self.charges[charge["id"]] = charge
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": charge["id"],
                   "payment_method": charge["payment_method"], "last_payment_error": None}  # fmt: skip
        accepted(self._sandbox, "stripe", "payment", intent["id"], amount=intent["amount"], currency=intent["currency"],
                 metadata=intent["metadata"], charge=charge["id"])  # fmt: skip
        self.announce("charge.succeeded", charge)
        self.announce("payment_intent.succeeded", intent)
        return charge

    def refund(self, intent_id: str | None, charge_id: str | None, amount: int | None, reason: str | None,
               metadata: Json, request: Json) -> Json:  # fmt: skip
        """Give money back, all that is left when ``amount`` (cents) is None; raises BadRequest."""
        charge = self._refundable(intent_id, charge_id)
        left = charge["amount"] - charge["amount_refunded"]
        if left == 0:
            raise BadRequest(f"Charge {charge['id']} has already been refunded.", None, "charge_already_refunded")
        amount = left if amount is None else amount
        if amount > left:
            raise BadRequest(
                f"Refund amount ({_money(amount)}) is greater than unrefunded amount on charge ({_money(left)})",
                "amount",
            )
        refund = objects.refund(self.new_id("re_3"), charge, amount, reason, metadata, epoch(self._sandbox))
        self.refunds[refund["id"]] = refund
        before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        accepted(self._sandbox, "stripe", "refund", refund["id"], amount=amount, charge=charge["id"],
                 payment_intent=charge["payment_intent"], metadata=metadata)  # fmt: skip
        self.announce("refund.created", refund, request)
        self.announce("charge.refunded", charge, request, before)
        return refund

    def _refundable(self, intent_id: str | None, charge_id: str | None) -> Json:
        if intent_id is not None:
            if intent_id not in self.intents:
                raise BadRequest(f"No such payment_intent: '{intent_id}'", "payment_intent", "resource_missing", 404)
            charge_id = self.intents[intent_id]["latest_charge"]
        elif charge_id not in self.charges:
            raise BadRequest(f"No such charge: '{charge_id}'", "charge", "resource_missing", 404)
        charge = self.charges.get(charge_id or "")
        if charge is None or not charge["paid"]:
            raise BadRequest("This PaymentIntent does not have a successful charge to refund.", "payment_intent",
                             "payment_intent_unexpected_state")  # fmt: skip
        return charge

    def balance(self) -> dict[str, int]:
        """Cents by currency: what was taken less what was given back."""
        totals: dict[str, int] = {"usd": 0}
        for charge in self.charges.values():
            totals[charge["currency"]] = (
                totals.get(charge["currency"], 0) + charge["amount_captured"] - charge["amount_refunded"]
            )
        return totals


def _money(cents: int) -> str:
    return f"${cents / 100:,.2f}"
