"""Brings report links to whoever paid: planned with the report, claimed, journalled, handed over once, settled.

The paying address is asked of Stripe at the moment of sending and stored nowhere. An answer that does not come leaves the mail
``unknown``: evidence (an event that carries its id) settles it, never a second mail. The success page shows the same links at once.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days, fence, mail_tokens
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.mail import SMTP, Mail
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d06_reports import links, report_mail
from leadfactory.d06_reports.tables import audit_reports, report_deliveries
from leadfactory.d07_storefront.purchase_states import ENTITLED
from leadfactory.d07_storefront.tables import purchases
from leadfactory.d09_delivery import journal, suppression
from leadfactory.d09_delivery.mailer import Mailer
from leadfactory.d09_delivery.tables import suppressions
from leadfactory.database import Database
from leadfactory.inbox.tables import webhook_inbox
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.settings import Settings
from leadfactory.tokens import Tokens

ASSET = "report_deliveries"
CLAIM = dt.timedelta(minutes=10)
EVIDENCE = "an event that carries its id came"
# Who asked us to write no letters and then bought still gets what was bought; whoever complained, bounced or was erased does not.
DESPITE = ("unsubscribe", "group_unsubscribe")
_LEFT = ("processed", "deferred", "delivered", "bounce", "open", "click")


@dataclasses.dataclass
class Delivered:
    """What a run did: deliveries by state, and the campaign-days that it changed."""

    states: Counter[str] = dataclasses.field(default_factory=Counter)
    units: Counter[CampaignDay] = dataclasses.field(default_factory=Counter)


def plan_lost(tx: sa.Connection, email_hmac: bytes, now: dt.datetime) -> bool:
    """Plans one mail with all links of an address to that very address; False when it has paid for nothing, or asked within the hour.

    The caller tells nobody which: what a page says must be the same.
    """
    p, r = purchases, audit_reports
    newest = tx.execute(
        sa.select(r.c.campaign, r.c.cohort_on, r.c.report_id, r.c.purchase_id, r.c.business_id)
        .join(p, p.c.purchase_id == r.c.purchase_id)
        .where(p.c.payer_hmac == email_hmac, p.c.state.in_(sorted(ENTITLED)))
        .order_by(r.c.sealed_at.desc(), r.c.report_id)
        .limit(1)
    ).one_or_none()
    if newest is None:
        return False
    delivery_id = uuid.uuid5(uuid.NAMESPACE_OID, f"lost:{email_hmac.hex()}:{now:%Y-%m-%dT%H}")
    values = {**newest._mapping, "delivery_id": delivery_id, "kind": "lost", "state": "planned", "planned_at": now}
    statement = insert(report_deliveries).values(values).on_conflict_do_nothing()
    return tx.scalar(statement.returning(report_deliveries.c.delivery_id)) is not None


def waiting(tx: sa.Connection, unit: CampaignDay | None = None) -> list[uuid.UUID]:
    """Mails that are planned, the oldest first."""
    d = report_deliveries
    where = [d.c.state == "planned"] + (
        [] if unit is None else [d.c.campaign == unit.campaign, d.c.cohort_on == unit.day]
    )
    return list(tx.scalars(sa.select(d.c.delivery_id).where(*where).order_by(d.c.planned_at, d.c.delivery_id)))


async def deliver_all(
    *,
    db: Database,
    clock: Clock,
    settings: Settings,
    stripe: StripeClient,
    mailer: Mailer,
    unit: CampaignDay | None = None,
) -> Delivered:
    """Sends every planned mail, of one campaign-day or of all; settles by evidence what nobody knew.

    Raises:
        KeyMismatch: nothing can be sent with another suppression key than the recorded one.
        OSError: the journal cannot be written; nothing was sent that is not in it.
    """
    done = Delivered()
    with db.begin() as tx:
        settle_by_evidence(tx, clock.now(), done)
        _settle_replayed(tx)
        planned = waiting(tx, unit) if fence.is_fenced(tx) is None else []
    sender = _Sender(db, clock, settings, stripe, mailer, done)
    for delivery_id in planned:
        await sender.send(delivery_id)
    return done


class _Sender:
    """The way of each mail."""

    def __init__(
        self, db: Database, clock: Clock, settings: Settings, stripe: StripeClient, mailer: Mailer, done: Delivered
    ) -> None:
        self._db, self._clock, self._settings, self._stripe, self._mailer = db, clock, settings, stripe, mailer
        self._hashes = KeyedHashes(settings.suppression_key.get_secret_value())
        self._tokens = Tokens(settings.signing_keys.get_secret_value())
        self._done = done

    async def send(self, delivery_id: uuid.UUID) -> None:
        with self._db.begin() as tx:
            row = _row(tx, delivery_id)
        unit = CampaignDay(row.campaign, row.cohort_on)
        try:
            async with self._stripe.gateway.running(unit=unit, asset=ASSET):
                session = await self._stripe.retrieve_checkout(row.session_id)
        except (VendorUnavailable, VendorRejected) as error:
            self._done.states["waits: the paying address cannot be asked for"] += 1
            with self._db.begin() as tx:
                tx.execute(sa.update(report_deliveries).where(report_deliveries.c.delivery_id == delivery_id, report_deliveries.c.state == "planned").values(reason=f"stripe: {error.reason}"))  # fmt: skip
            return
        address = (session.get("customer_details") or {}).get("email")
        with self._db.begin() as tx:
            mail = self._claim(tx, row, unit, address)
        if mail is None:  # refused with its reason, or another run was first
            with self._db.begin() as tx:
                refused = _row(tx, delivery_id).state == "refused"
            self._count("refused" if refused else "taken by another run", unit)
            return
        journal.write(
            self._settings.journal,
            [journal.Entry(delivery_id, unit, self._hashes.address(mail.to_email), self._clock.now())],
        )
        state, reason, message_id = await self._hand_over(mail, row, unit)
        with self._db.begin() as tx:
            _move(
                tx, delivery_id, ("claimed", "unknown"), state, self._clock.now(), reason=reason, message_id=message_id
            )
            campaign_days.mark_dirty(tx, unit, ASSET)
        self._count(state, unit)

    def _claim(self, tx: sa.Connection, row: Any, unit: CampaignDay, address: str | None) -> Mail | None:
        """Claims the mail, or refuses it with the reason; the last look before it leaves."""
        now, d = self._clock.now(), report_deliveries
        mine = tx.execute(
            sa.select(d.c.state, purchases.c.state.label("purchase"))
            .join(purchases, purchases.c.purchase_id == d.c.purchase_id)
            .where(d.c.delivery_id == row.delivery_id, d.c.state == "planned")
            .with_for_update(of=d, skip_locked=True)
        ).one_or_none()
        if mine is None:
            return None  # somebody else has it
        why = None
        if mine.purchase not in ENTITLED:
            why = f"the purchase is {mine.purchase}"
        elif not address:
            why = "Stripe knows no address of the payer"
        else:
            why = self._barred(tx, address)
        if why is not None or address is None:
            _move(tx, row.delivery_id, ("planned",), "refused", now, reason=why)
            campaign_days.mark_dirty(tx, unit, ASSET)
            return None
        whose = (
            links.of_purchase(tx, row.purchase_id, self._tokens, self._settings.public_url)
            if row.kind == "sold"
            else links.links_for_payer(tx, bytes(row.payer_hmac), self._tokens, self._settings.public_url)
        )
        expires = sa.func.now() + CLAIM  # the database's clock serves leases
        tx.execute(sa.update(d).where(d.c.delivery_id == row.delivery_id).values(state="claimed", reason=None, claimed_at=now, claim_expires_at=expires))  # fmt: skip
        mail = report_mail.compose(
            row.delivery_id, address, whose, row.kind, unit,
            sender_email=row.sender_email, sender_name=row.sender_name, postal_address=row.postal_address,
        )  # fmt: skip
        return self._by(mail, row.mailer)

    def _by(self, mail: Mail, mailer: str) -> Mail:
        """The mail as the campaign's mailer takes it; bounces of a relay come back to an address that names the delivery."""
        domain = self._settings.inbound_domain if mailer == SMTP else ""
        bounce_to = mail_tokens.address(self._tokens, "bounce", mail.send_id, domain) if domain else None
        return dataclasses.replace(mail, mailer=mailer, bounce_to=bounce_to)

    def _barred(self, tx: sa.Connection, address: str) -> str | None:
        """Why nothing may be sent to the address."""
        suppression.check_key(tx, self._hashes)
        try:
            own = (self._hashes.address(address), self._hashes.address_plus_stripped(address))
        except ValueError:
            return "what Stripe has for an address is none"
        s = suppressions
        found = sa.select(s.c.kind).where(
            s.c.kind.in_(("address", "address_plus_stripped")), s.c.subject_hmac.in_(own), s.c.reason.not_in(DESPITE)
        )
        return None if tx.scalar(found.limit(1)) is None else "the address is suppressed"

    async def _hand_over(self, mail: Mail, row: Any, unit: CampaignDay) -> tuple[str, str | None, str | None]:
        try:
            async with self._mailer.gateway.running(unit=unit, asset=ASSET):
                return "accepted", None, await self._mailer.send(mail)
        except VendorRejected as error:
            return "rejected", error.reason, None
        except VendorUnavailable as error:
            return ("unknown" if error.left_the_house else "planned"), error.reason, None

    def _count(self, state: str, unit: CampaignDay) -> None:
        self._done.states[state] += 1
        self._done.units[unit] += 1


def settle_by_evidence(tx: sa.Connection, now: dt.datetime, done: Delivered | None = None) -> int:
    """Sweeps claims of dead processes into ``unknown``, then settles by the mailer's events what carries a delivery's id."""
    d, t = report_deliveries, webhook_inbox
    dead = tx.scalars(
        sa.select(d.c.delivery_id).where(d.c.state == "claimed", d.c.claim_expires_at < sa.func.now()).with_for_update(skip_locked=True)
    ).all()  # fmt: skip
    for delivery_id in dead:
        _move(tx, delivery_id, ("claimed",), "unknown", now, reason="its process ended before the answer was stored")
    at = {kind: sa.func.min(t.c.occurred_at).filter(t.c.kind == kind) for kind in ("delivered", "bounce")}
    told = tx.execute(
        sa.select(d.c.delivery_id, d.c.state, d.c.campaign, d.c.cohort_on, at["delivered"].label("delivered_at"), at["bounce"].label("bounced_at"))
        .join(t, sa.and_(t.c.send_id == d.c.delivery_id, t.c.source.in_(("sendgrid", "smtp")), t.c.outcome == "unmatched", t.c.kind.in_(_LEFT)))
        .where(d.c.state.in_(("accepted", "unknown", "planned")), d.c.delivered_at.is_(None), d.c.bounced_at.is_(None))
        .group_by(d.c.delivery_id)
    ).all()  # fmt: skip
    for row in told:
        moments = {"delivered_at": row.delivered_at, "bounced_at": row.bounced_at}
        if row.state == "accepted":
            if row.delivered_at or row.bounced_at:
                tx.execute(sa.update(d).where(d.c.delivery_id == row.delivery_id).values(moments))
        else:
            _move(tx, row.delivery_id, (row.state,), "accepted", now, reason=EVIDENCE, **moments)
        campaign_days.mark_dirty(tx, CampaignDay(row.campaign, row.cohort_on), ASSET)
        if done is not None:
            done.units[CampaignDay(row.campaign, row.cohort_on)] += 1
    return len(told)


def _settle_replayed(tx: sa.Connection) -> None:
    """A mail that the send journal names, and that a restored database plans again, is not sent again."""
    d, r = report_deliveries, fence.replayed_sends
    values = {
        "state": "unknown",
        "reason": "it was mailed before the database was restored",
        "claimed_at": r.c.claimed_at,
    }
    tx.execute(sa.update(d).where(d.c.delivery_id == r.c.send_id, d.c.state == "planned").values(values))


def _row(tx: sa.Connection, delivery_id: uuid.UUID) -> Any:
    d, p, c = report_deliveries, purchases, campaigns
    return tx.execute(
        sa.select(d, p.c.session_id, p.c.payer_hmac, c.c.sender_email, c.c.sender_name, c.c.mailer, c.c.postal_address)
        .join(p, p.c.purchase_id == d.c.purchase_id)
        .join(c, c.c.campaign == d.c.campaign)
        .where(d.c.delivery_id == delivery_id)
    ).one()


def _move(
    tx: sa.Connection,
    delivery_id: uuid.UUID,
    from_states: tuple[str, ...],
    state: str,
    now: dt.datetime,
    **columns: Any,
) -> None:
    d = report_deliveries
    settled: Mapping[str, Any] = {"settled_at": None if state in ("planned", "unknown") else now}
    tx.execute(
        sa.update(d)
        .where(d.c.delivery_id == delivery_id, d.c.state.in_(from_states))
        .values(state=state, **settled, **columns)
    )
