"""Refunds: asked for in a transaction of whoever may ask, given by one function that claims, calls Stripe and settles.

Stripe keeps a key for a day; a claim whose answer was lost is repeated under its key within that day. After it, only what Stripe's
own list of refunds says settles it: a refund is never asked for a second time under another key by itself. What the list does not
have was never given: it is rejected, so that a person can ask again, and told until the money is back (``NOT_GIVEN``).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d07_storefront.tables import purchases, refund_requests
from leadfactory.d09_delivery import opt_outs, sequences
from leadfactory.d09_delivery.tables import suppressions
from leadfactory.database import Database
from leadfactory.inbox import audit

KEY_LIVES = dt.timedelta(hours=23)
NOT_THEIRS = "not_my_website"
NEVER_MADE = "Stripe made no such refund while its key lived: ask for it again"
REFUNDABLE = ("paid", "partially_refunded", "dispute_won", "quarantined")
OPEN = ("planned", "claimed")
# Purchases of which less went back than was asked for; a refund that was rejected counts until somebody asks again.
NOT_GIVEN = """
SELECT p.purchase_id, p.refunded_cents, sum(r.amount_cents)::bigint AS asked_cents, max(r.requested_at) AS asked_at
FROM purchases p JOIN refund_requests r ON r.purchase_id = p.purchase_id
WHERE p.state IN ('paid', 'partially_refunded', 'dispute_won', 'quarantined') AND (r.state <> 'rejected' OR NOT EXISTS (
  SELECT FROM refund_requests later WHERE later.purchase_id = r.purchase_id AND later.requested_at > r.requested_at))
GROUP BY p.purchase_id, p.refunded_cents HAVING sum(r.amount_cents) > p.refunded_cents"""


class NotRefundable(ValueError):
    """There is nothing to give back; the message names state and amounts."""


@dataclasses.dataclass(frozen=True)
class Planned:
    """One refund that will be given; ``already`` when it was asked for before."""

    refund_id: uuid.UUID
    purchase_id: uuid.UUID
    amount_cents: int
    currency: str
    already: bool = False


@dataclasses.dataclass
class Settled:
    """What a run over the open refunds did."""

    accepted: int = 0
    rejected: int = 0
    waiting: int = 0


def plan(
    tx: sa.Connection,
    purchase_id: uuid.UUID,
    *,
    reason: str,
    requested_by: str,
    now: dt.datetime,
    amount_cents: int | None = None,
) -> Planned:
    """Asks for a refund of all that is left, or of a part, in the caller's transaction.

    Raises:
        LookupError: there is no such purchase.
        NotRefundable: nothing is left of it, or less than the part.
    """
    p, r = purchases, refund_requests
    bought = tx.execute(sa.select(p).where(p.c.purchase_id == purchase_id).with_for_update()).one_or_none()
    if bought is None:
        raise LookupError(f"purchase {purchase_id} is unknown: `leadfactory purchases list` shows what there is")
    running = tx.execute(sa.select(r).where(r.c.purchase_id == purchase_id, r.c.state.in_(OPEN))).one_or_none()
    if running is not None:
        return Planned(running.refund_id, purchase_id, running.amount_cents, bought.currency, already=True)
    left = bought.amount_cents - bought.refunded_cents
    if bought.state not in REFUNDABLE or left <= 0:
        raise NotRefundable(
            f"purchase {purchase_id} is {bought.state} with {left} cents left: only {', '.join(REFUNDABLE)} can be refunded"
        )
    amount = left if amount_cents is None else amount_cents
    if not 0 < amount <= left:
        raise NotRefundable(f"amount={amount} cents: purchase {purchase_id} has {left} cents left, choose 1 to {left}")
    refund_id = uuid.uuid4()
    tx.execute(
        insert(r).values(
            refund_id=refund_id, purchase_id=purchase_id, amount_cents=amount, reason=reason, requested_by=requested_by,
            idempotency_key=f"refund:{refund_id}", state="planned", requested_at=now,
        )
    )  # fmt: skip
    audit.note(
        tx,
        requested_by,
        "refund_asked",
        now,
        send_id=bought.send_id,
        purchase=str(purchase_id),
        cents=amount,
        reason=reason,
    )
    return Planned(refund_id, purchase_id, amount, bought.currency)


def refund_and_stop(tx: sa.Connection, send_id: uuid.UUID, *, reason: str, now: dt.datetime) -> list[Planned]:
    """ "This is not my website": refunds what was bought through any letter to this business and writes to it no more.

    In the caller's transaction; the money goes back with the next drain. Asking again changes nothing. A send that does not exist
    refunds and stops nothing.
    """
    recipient = opt_outs.recipient(tx, send_id)
    if recipient is None:
        return []
    subjects = (*recipient.address_subjects, ("business", recipient.business_id.bytes))
    opt_outs.stop(tx, subjects, reason=reason, source="edge", now=now)
    sequences.stop(tx, send_id, "not_me", now)
    p = purchases
    bought = tx.scalars(
        sa.select(p.c.purchase_id)
        .where(
            p.c.business_id == recipient.business_id, p.c.state.in_(REFUNDABLE), p.c.refunded_cents < p.c.amount_cents
        )
        .order_by(p.c.purchase_id)
    ).all()
    return [plan(tx, each, reason=reason, requested_by="recipient", now=now) for each in bought]


def is_not_theirs(tx: sa.Connection, business_id: uuid.UUID) -> bool:
    """Whether the reader of a letter to this business said that the website is somebody else's."""
    s = suppressions
    found = sa.select(sa.literal(1)).where(s.c.kind == "business", s.c.subject_hmac == business_id.bytes)
    return tx.scalar(found.where(s.c.reason == NOT_THEIRS)) is not None


async def give_all(*, db: Database, stripe: StripeClient, clock: Clock) -> Settled:
    """Gives every refund that was asked for and not settled; what Stripe says to each is stored at once."""
    done = Settled()
    with db.begin() as tx:
        waiting = list(tx.scalars(sa.select(refund_requests.c.refund_id).where(refund_requests.c.state.in_(OPEN)).order_by(refund_requests.c.requested_at, refund_requests.c.refund_id)))  # fmt: skip
    for refund_id in waiting:
        await _give(refund_id, db, stripe, clock, done)
    return done


async def _give(refund_id: uuid.UUID, db: Database, stripe: StripeClient, clock: Clock, done: Settled) -> None:
    r, p = refund_requests, purchases
    with db.begin() as tx:  # claimed before the call: whoever comes later repeats the same key
        claim = {"state": "claimed", "claimed_at": clock.now()}
        tx.execute(sa.update(r).where(r.c.refund_id == refund_id, r.c.state == "planned").values(claim))
        row = tx.execute(
            sa.select(r, p.c.payment_intent_id, p.c.campaign, p.c.cohort_on, p.c.business_id)
            .join(p, p.c.purchase_id == r.c.purchase_id)
            .where(r.c.refund_id == refund_id, r.c.state == "claimed")
        ).one_or_none()
    if row is None:
        return
    unit = CampaignDay(row.campaign, row.cohort_on)
    try:
        async with stripe.gateway.running(unit=unit, asset="refund_requests"):
            answer = await _ask(stripe, row, clock.now())
    except VendorRejected as error:
        done.rejected += 1
        _settle(db, refund_id, "rejected", str(error.detail or error.reason), None, clock.now())
        return
    except VendorUnavailable as error:
        done.waiting += 1
        _note(db, refund_id, error.reason)
        return
    if answer is None:
        done.rejected += 1
        _settle(db, refund_id, "rejected", NEVER_MADE, None, clock.now())
        return
    done.accepted += 1
    _settle(db, refund_id, "accepted", None, str(answer["id"]), clock.now())


async def _ask(stripe: StripeClient, row: Any, now: dt.datetime) -> dict[str, Any] | None:
    """Stripe's refund: made under the key while it lives, afterwards only found; None when it was never made."""
    if now - (row.claimed_at or row.requested_at) < KEY_LIVES:
        return await stripe.refund(
            payment_intent=row.payment_intent_id, amount_cents=row.amount_cents, idempotency_key=row.idempotency_key,
            metadata={"refund_id": str(row.refund_id), "purchase_id": str(row.purchase_id)},
        )  # fmt: skip
    made = await stripe.refunds(payment_intent=row.payment_intent_id)
    return next((each for each in made if (each.get("metadata") or {}).get("refund_id") == str(row.refund_id)), None)


def _settle(
    db: Database, refund_id: uuid.UUID, state: str, why: str | None, stripe_id: str | None, now: dt.datetime
) -> None:
    r = refund_requests
    with db.begin() as tx:
        tx.execute(
            sa.update(r)
            .where(r.c.refund_id == refund_id, r.c.state.in_(OPEN))
            .values(state=state, why=why, stripe_id=stripe_id, settled_at=now)
        )


def _note(db: Database, refund_id: uuid.UUID, why: str) -> None:
    with db.begin() as tx:
        tx.execute(sa.update(refund_requests).where(refund_requests.c.refund_id == refund_id).values(why=why))
