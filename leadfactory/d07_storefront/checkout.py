"""Opens a checkout for the reader of a letter: claimed with its key before Stripe is called, one that runs for each business.

Price and currency come from the price book. Whoever asks again gets the page that is open; a claim whose answer was lost is
repeated under its key, which Stripe answers with the session that it made.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorRejected
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d07_storefront.price_book import price_for
from leadfactory.d07_storefront.storefront import storefront
from leadfactory.d07_storefront.tables import checkout_sessions, purchases
from leadfactory.d09_delivery.tables import email_sends, suppressions
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.tokens import Tokens

ASSET = "checkout_sessions"
RUNNING = ("claimed", "open")
# While one of these stands, nobody else can buy the report of the same website.
SOLD = ("pending", "paid", "partially_refunded", "disputed", "dispute_won", "dispute_lost", "quarantined")


class NotForSale(LookupError):
    """There is no report behind the link: no such letter, no good measurement of the website, or a business that wants no offer."""


class AlreadySold(Exception):
    """The report was bought; its links went to whoever paid."""


@dataclasses.dataclass(frozen=True)
class Checkout:
    """One claimed or open checkout, with what Stripe is told of it."""

    checkout_id: uuid.UUID
    unit: CampaignDay
    send_id: uuid.UUID
    business_id: uuid.UUID
    amount_cents: int
    currency: str
    idempotency_key: str
    state: str
    url: str | None
    domain: str | None

    @property
    def metadata(self) -> dict[str, str]:
        """Our ids, which Stripe repeats with the session, the payment and its refunds."""
        return {
            "checkout_id": str(self.checkout_id), "send_id": str(self.send_id), "business_id": str(self.business_id),
            "campaign_day": self.unit.key,
        }  # fmt: skip


async def open_checkout(
    send_id: uuid.UUID, *, db: Database, stripe: StripeClient, clock: Clock, settings: Settings
) -> str:
    """Where the buyer pays: the page of the one checkout that runs for the business of this letter.

    Raises:
        NotForSale: there is nothing to sell behind this letter.
        AlreadySold: somebody has bought it.
        VendorRejected: Stripe refused what we asked for; the next call begins anew.
        VendorUnavailable: Stripe cannot be reached now; the next call repeats this one.
    """
    for last in (False, True):
        checkout = await asyncio.to_thread(_claim, db, send_id, clock.now())
        if checkout.state == "open" and checkout.url is not None:
            return checkout.url
        try:
            async with stripe.gateway.running(unit=checkout.unit, asset=ASSET):
                with stripe.gateway.about(checkout.business_id):
                    session = await _ask(stripe, checkout, settings)
        except VendorRejected as error:
            await asyncio.to_thread(_refused, db, checkout.checkout_id, str(error.detail or error.reason))
            if last:
                raise
            continue  # a key that was first used with other parameters: a new claim has a new one
        return await asyncio.to_thread(_opened, db, checkout.checkout_id, session)
    raise AssertionError("unreachable: the second attempt returns or raises")


async def _ask(stripe: StripeClient, checkout: Checkout, settings: Settings) -> dict[str, Any]:
    public = settings.public_url.rstrip("/")
    token = Tokens(settings.signing_keys.get_secret_value()).sign("landing", checkout.send_id)
    name = storefront().product_name
    return await stripe.create_checkout(
        amount_cents=checkout.amount_cents,
        currency=checkout.currency,
        product_name=f"{name}: {checkout.domain}" if checkout.domain else name,
        metadata=checkout.metadata,
        idempotency_key=checkout.idempotency_key,
        success_url=f"{public}/success?session_id={{CHECKOUT_SESSION_ID}}",
        cancel_url=f"{public}/cancel/{token}",
        invoice=storefront().invoice,
        automatic_tax=storefront().automatic_tax,
    )


def _claim(db: Database, send_id: uuid.UUID, now: dt.datetime) -> Checkout:
    """The checkout that runs for the letter's business, or a new claim with its key."""
    c = checkout_sessions
    with db.begin() as tx:
        send = _sellable(tx, send_id)
        soon = now + dt.timedelta(minutes=storefront().least_minutes)
        mine = c.c.business_id == send.business_id
        tx.execute(
            sa.update(c)
            .where(mine, c.c.state.in_(RUNNING), c.c.expires_at <= soon)
            .values(state="expired", url=None, reason="its time was over")
        )
        if is_sold(tx, send.business_id):
            raise AlreadySold
        price = price_for(tx, send.business_id, send.campaign, now)
        checkout_id = uuid.uuid4()
        tx.execute(
            insert(c)
            .values(
                checkout_id=checkout_id, campaign=send.campaign, cohort_on=send.cohort_on, send_id=send_id,
                business_id=send.business_id, amount_cents=price.amount_cents, currency=price.currency, arm=price.arm,
                idempotency_key=f"checkout:{checkout_id}", terms_version=storefront().terms_version, state="claimed", claimed_at=now,
                expires_at=now + dt.timedelta(hours=storefront().claim_hours),
            )
            .on_conflict_do_nothing()
        )  # fmt: skip
        row = tx.execute(sa.select(c).where(mine, c.c.state.in_(RUNNING))).one()
        return Checkout(
            row.checkout_id, CampaignDay(row.campaign, row.cohort_on), row.send_id, row.business_id, row.amount_cents, row.currency,
            row.idempotency_key, row.state, row.url, _domain(send.site_host),
        )  # fmt: skip


def is_sold(tx: sa.Connection, business_id: uuid.UUID) -> bool:
    """Whether the business's report was bought and the money is not back: nobody else can buy it then."""
    p = purchases
    return tx.scalar(sa.select(sa.literal(1)).where(p.c.business_id == business_id, p.c.state.in_(SOLD)).limit(1)) == 1


def is_stopped(tx: sa.Connection, business_id: uuid.UUID) -> bool:
    """Whether the business asked to be left alone: nothing is offered to it any more, whatever page is still open somewhere."""
    s = suppressions
    found = sa.select(sa.literal(1)).where(s.c.kind == "business", s.c.subject_hmac == business_id.bytes)
    return tx.scalar(found) is not None


def _sellable(tx: sa.Connection, send_id: uuid.UUID) -> Any:
    s, a, e = email_sends, site_audits, enriched_businesses
    row = tx.execute(
        sa.select(s.c.campaign, s.c.cohort_on, s.c.business_id, e.c.site_host)
        .join(a, sa.and_(*(a.c[key] == s.c[key] for key in ("campaign", "cohort_on", "business_id"))))
        .join(e, sa.and_(*(e.c[key] == s.c[key] for key in ("campaign", "cohort_on", "business_id"))))
        .where(s.c.send_id == send_id, a.c.status == "ok")
    ).one_or_none()
    if row is None or is_stopped(tx, row.business_id):
        raise NotForSale(f"send {send_id} has no report to sell")
    return row


def _opened(db: Database, checkout_id: uuid.UUID, session: dict[str, Any]) -> str:
    """Settles a claim by Stripe's answer; an event that came first has said more."""
    c = checkout_sessions
    with db.begin() as tx:
        tx.execute(
            sa.update(c)
            .where(c.c.checkout_id == checkout_id, c.c.state == "claimed")
            .values(
                state="open", stripe_id=session["id"], url=session["url"],
                expires_at=dt.datetime.fromtimestamp(session["expires_at"], dt.UTC),
            )
        )  # fmt: skip
    return str(session["url"])


def _refused(db: Database, checkout_id: uuid.UUID, reason: str) -> None:
    c = checkout_sessions
    with db.begin() as tx:
        tx.execute(
            sa.update(c)
            .where(c.c.checkout_id == checkout_id, c.c.state == "claimed")
            .values(state="rejected", reason=reason)
        )


def _domain(host: str | None) -> str | None:
    return host.removeprefix("www.") if host else None
