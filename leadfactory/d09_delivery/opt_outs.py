"""A recipient's no: suppression, the end of what is planned, and the audit row, all in the caller's transaction.

Works from the hashes that the send itself stores, so that it needs neither the address nor the suppression key.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d09_delivery import states
from leadfactory.d09_delivery.tables import email_sends, suppressions

Subject = tuple[str, bytes]


@dataclasses.dataclass(frozen=True)
class Recipient:
    """What a send knows of the person it went to, and where the address was found. No address."""

    send_id: uuid.UUID
    business_id: uuid.UUID
    address_hmac: bytes
    address_plus_hmac: bytes
    planned_at: dt.datetime
    mailed_at: dt.datetime | None
    site_host: str | None
    found_url: str | None
    found_at: dt.datetime | None
    sender_name: str | None
    postal_address: str | None
    stopped: bool

    @property
    def address_subjects(self) -> tuple[Subject, ...]:
        """The rows that suppress the address and every ``+tag`` of it."""
        return (("address", self.address_hmac), ("address_plus_stripped", self.address_plus_hmac))


def recipient(tx: sa.Connection, send_id: uuid.UUID) -> Recipient | None:
    """The recipient of a send; None when there is no such send."""
    s, e, c, x = email_sends, enriched_businesses, campaigns, suppressions
    stopped = sa.exists().where(
        x.c.kind.in_(("address", "address_plus_stripped")),
        x.c.subject_hmac.in_((s.c.address_hmac, s.c.address_plus_hmac)),
    )
    row = tx.execute(
        sa.select(
            s.c.send_id, s.c.business_id, s.c.address_hmac, s.c.address_plus_hmac, s.c.planned_at,
            s.c.claimed_at.label("mailed_at"), e.c.site_host, e.c.contact_email_url.label("found_url"),
            e.c.fetched_at.label("found_at"), c.c.sender_name, c.c.postal_address, stopped.label("stopped"),
        )
        .outerjoin(e, sa.and_(*(e.c[key] == s.c[key] for key in ("campaign", "cohort_on", "business_id"))))
        .outerjoin(c, c.c.campaign == s.c.campaign)
        .where(s.c.send_id == send_id)
    ).first()  # fmt: skip
    if row is None:
        return None
    hashes = {name: bytes(getattr(row, name)) for name in ("address_hmac", "address_plus_hmac")}
    return Recipient(**{**row._mapping, **hashes})


def stop(
    tx: sa.Connection, subjects: Collection[Subject], *, reason: str, source: str, now: dt.datetime
) -> tuple[int, int]:
    """Suppresses ``subjects`` and refuses every planned send that they meet; (new suppressions, sends ended).

    From the commit on, no claim can contain what was suppressed. A claim that is under way finishes first.
    """
    if not subjects:
        return 0, 0
    rows = [
        {"kind": kind, "subject_hmac": subject, "reason": reason, "source": source, "suppressed_at": now}
        for kind, subject in sorted(set(subjects))  # one order everywhere, so that two posts cannot wait for each other
    ]
    new = tx.execute(insert(suppressions).on_conflict_do_nothing().returning(suppressions.c.kind), rows).all()
    s = email_sends
    addresses = [subject for kind, subject in subjects if kind != "business"]
    businesses = [uuid.UUID(bytes=subject) for kind, subject in subjects if kind == "business"]
    met = tx.execute(
        sa.select(s.c.send_id, s.c.campaign, s.c.cohort_on)
        .where(
            s.c.state == "planned",
            sa.or_(
                s.c.address_hmac.in_(addresses), s.c.address_plus_hmac.in_(addresses), s.c.business_id.in_(businesses)
            ),
        )
        .order_by(s.c.send_id)
        .with_for_update()
    ).all()
    ended = states.move(tx, {row.send_id: reason for row in met}, "planned", "refused", now, settled_at=now)
    for unit in sorted({(row.campaign, row.cohort_on) for row in met}):
        campaign_days.mark_dirty(tx, CampaignDay(*unit), "email_sends")
    return len(new), len(ended)
