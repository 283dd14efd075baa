"""The success page's way to a purchase: Stripe is asked for the session, and what it says is folded as a webhook's event is."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa

from leadfactory.clock import Clock
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d07_storefront import folding
from leadfactory.d07_storefront.tables import purchases
from leadfactory.database import Database
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.settings import Settings

ASSET = "purchases"


@dataclasses.dataclass(frozen=True)
class Bought:
    """A purchase as it stands."""

    purchase_id: uuid.UUID
    business_id: uuid.UUID
    send_id: uuid.UUID
    state: str
    amount_cents: int
    currency: str
    paid_at: dt.datetime | None


async def fulfil(
    session_id: str, *, db: Database, stripe: StripeClient, clock: Clock, settings: Settings
) -> Bought | None:
    """The purchase of a session, made now if nobody has made it yet; None when it is no checkout of ours or nobody has paid.

    May be called any number of times, at once with the webhook too.

    Raises:
        VendorRejected: Stripe knows no such session.
        VendorUnavailable: Stripe cannot be asked now.
    """
    known = await asyncio.to_thread(_known, db, session_id)
    if known is not None and known.state != "pending":
        return known
    async with stripe.gateway.running(asset=ASSET):
        session = await stripe.retrieve_checkout(session_id)
    await asyncio.to_thread(_observe, db, session, clock, settings)
    return await asyncio.to_thread(_known, db, session_id)


def payer_of(session: dict[str, Any], hashes: KeyedHashes) -> bytes | None:
    """The keyed hash of the address that paid."""
    details = session.get("customer_details")
    email = details.get("email") if isinstance(details, dict) else None
    try:
        return hashes.address(email) if isinstance(email, str) else None
    except ValueError:
        return None


def _observe(db: Database, session: dict[str, Any], clock: Clock, settings: Settings) -> None:
    if session.get("status") == "open":
        return  # nobody has paid; looking at it is no event
    payer = payer_of(session, KeyedHashes(settings.suppression_key.get_secret_value()))
    with db.begin() as tx:
        folding.observe(tx, session, payer, clock.now(), live=folding.is_live(settings))


def _known(db: Database, session_id: str) -> Bought | None:
    p = purchases
    with db.begin() as tx:
        row = tx.execute(sa.select(*(p.c[field.name] for field in dataclasses.fields(Bought))).where(p.c.session_id == session_id)).one_or_none()  # fmt: skip
    return None if row is None else Bought(**row._mapping)
