"""Asks Stripe what a webhook may have lost, and holds Stripe's list, our purchases and the delivered reports against each other."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import sqlalchemy as sa

from leadfactory import blobs
from leadfactory.clock import Clock
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d06_reports.tables import audit_reports, report_deliveries
from leadfactory.d07_storefront import refunds as giving
from leadfactory.d07_storefront import stripe_facts
from leadfactory.d07_storefront.matching import Delivered, Difference, Owed, Sold, Taken, match
from leadfactory.d07_storefront.purchase_states import ENTITLED
from leadfactory.d07_storefront.tables import checkout_sessions, purchases
from leadfactory.database import Database
from leadfactory.inbox.receiving import Receiver
from leadfactory.settings import Settings

POLLED = dt.timedelta(days=3)  # Stripe tries a webhook for three days; what it lost by then is asked for
MATCHED = dt.timedelta(days=30)
SETTLED = dt.timedelta(minutes=5)  # a report may take so long
GIVEN = dt.timedelta(hours=1)  # and a refund, until Stripe's event of it came
_GIVEN_BACK = ("pending", "requires_action", "succeeded")


async def poll(
    *, db: Database, clock: Clock, settings: Settings, stripe: StripeClient, asset: str = "purchases"
) -> tuple[int, int]:
    """Stores every event of the last days that no webhook brought: (events at Stripe, new ones). The drain folds them.

    ``asset``: for whom Stripe is asked; ``pauses.REPAIR`` asks while all is paused.
    """
    async with stripe.gateway.running(asset=asset):
        events = await stripe.events(since=clock.now() - POLLED, kinds=sorted(stripe_facts.READ))
    taken = Receiver(db, settings, clock).polled(events)
    return taken.events, taken.stored


async def differences(
    *, db: Database, clock: Clock, settings: Settings, stripe: StripeClient, asset: str = "purchases"
) -> list[Difference]:
    """What does not agree over the last days; nothing is changed."""
    since = clock.now() - MATCHED
    async with stripe.gateway.running(asset=asset):
        sessions = await stripe.checkouts(since=since)
        refunds = await stripe.refunds(since=since)
    with db.begin() as tx:
        sold, delivered = _sold(tx, since, clock.now()), _delivered(tx, since, settings)
        owed = _owed(tx, clock.now() - GIVEN)
    back: Counter[str] = Counter()
    for each in refunds:
        if each.get("status") in _GIVEN_BACK:
            back[str(each.get("payment_intent"))] += int(each["amount"])
    return match(_taken(sessions, back), sold, delivered, owed)


def _taken(sessions: list[dict[str, Any]], back: Counter[str]) -> list[Taken]:
    """Paid sessions that say they are ours; one whose checkout we do not know is ours too, for only we write that id."""
    found = []
    for each in sessions:
        facts = stripe_facts.of(each)
        if facts.get("checkout_id") and facts["status"] == "complete" and facts["payment_status"] == "paid":
            refunded = back[str(facts["payment_intent"])]
            found.append(Taken(facts["session"], facts["checkout_id"], facts["amount_total"], str(facts["currency"]), refunded))  # fmt: skip
    return found


def _sold(tx: sa.Connection, since: dt.datetime, now: dt.datetime) -> list[Sold]:
    p, c = purchases, checkout_sessions
    rows = tx.execute(
        sa.select(p)
        .join(c, c.c.checkout_id == p.c.checkout_id)
        .where(p.c.paid_at.is_not(None), c.c.claimed_at >= since)
    )
    return [
        Sold(row.purchase_id, row.session_id, row.state, row.amount_cents, row.currency, row.refunded_cents, row.state in ENTITLED, row.paid_at <= now - SETTLED)
        for row in rows
    ]  # fmt: skip


def _delivered(tx: sa.Connection, since: dt.datetime, settings: Settings) -> list[Delivered]:
    r, d, p, c = audit_reports, report_deliveries, purchases, checkout_sessions
    rows = tx.execute(
        sa.select(
            r.c.report_id, r.c.purchase_id, r.c.version, r.c.html_sha256, r.c.pdf_sha256, d.c.state, d.c.bounced_at
        )
        .outerjoin(d, sa.and_(d.c.report_id == r.c.report_id, d.c.kind == "sold"))
        .outerjoin(p, p.c.purchase_id == r.c.purchase_id)
        .outerjoin(c, c.c.checkout_id == p.c.checkout_id)
        .where(sa.or_(c.c.claimed_at >= since, p.c.purchase_id.is_(None)))
    )
    return [
        Delivered(
            row.report_id,
            row.purchase_id,
            row.version,
            _intact(settings, row.html_sha256, row.pdf_sha256),
            row.state if row.bounced_at is None else "bounced",
        )
        for row in rows
    ]


def _owed(tx: sa.Connection, before: dt.datetime) -> list[Owed]:
    rows = tx.execute(sa.text(f"{giving.NOT_GIVEN} AND max(r.requested_at) <= :before"), {"before": before})
    return [Owed(row.purchase_id, row.asked_cents, row.refunded_cents) for row in rows]


def _intact(settings: Settings, *hashes: str | None) -> bool:
    try:
        return all(blobs.get(settings.blobs, each) for each in hashes if each is not None)
    except OSError:
        return False
