"""Asks SendGrid for its suppression lists: what a push lost is taken over as events, and a list that was not read for long stops mail.

What is on a list and was not heard of becomes an event of the inbox like any other, so that suppression, the fold, the end of
conversations and auto-pause follow as if the push had come. Nothing is ever taken off a list of ours.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d00_gateway.mail import SENDGRID
from leadfactory.d00_gateway.sendgrid import SUPPRESSION_LISTS, Listed, SendGridClient
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d09_delivery import list_age, suppression
from leadfactory.d09_delivery.list_matching import KIND_OF_LIST, Difference, Said, match
from leadfactory.d09_delivery.tables import email_events, email_sends, suppression_polls, suppressions
from leadfactory.database import Database
from leadfactory.inbox.receiving import Receiver
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.settings import Settings

FIRST = dt.timedelta(days=90)  # how far back the first poll looks
OVERLAP = dt.timedelta(days=2)  # what each later one looks at again
MATCHED = dt.timedelta(days=30)
SETTLED = dt.timedelta(minutes=15)  # a push may take so long
_EVENT = {
    "bounces": {"event": "bounce", "type": "bounce"},
    "blocks": {"event": "bounce", "type": "blocked"},
    "spam_reports": {"event": "spamreport"},
    "unsubscribes": {"event": "unsubscribe"},
    "invalid_emails": {"event": "dropped", "reason": "Invalid"},
}


@dataclasses.dataclass(frozen=True)
class Polled:
    """What a poll found: entries on the lists, events that no push had brought, addresses that are suppressed by it."""

    listed: int
    unheard: int
    suppressed: int


async def poll(*, db: Database, clock: Clock, settings: Settings, sendgrid: SendGridClient) -> Polled:
    """Reads the lists since the last whole poll and stores as events what was not heard of; the drain folds them.

    Raises:
        KeyMismatch: with another suppression key nothing can be compared. VendorRejected, VendorUnavailable: a list could
            not be read; that the poll failed is stored.
    """
    began = clock.now()
    hashes = KeyedHashes(settings.suppression_key.get_secret_value())
    with db.begin() as tx:
        suppression.establish_key(tx, hashes, began)
        before = list_age.last_whole(tx)
    since = began - FIRST if before is None else before - OVERLAP
    try:
        listed = await _read(sendgrid, since)
    except VendorError as error:
        with db.begin() as tx:
            _record(tx, began, clock.now(), reason=f"{error.endpoint}: {error.reason}")
        raise
    with db.begin() as tx:
        events = _unheard(tx, hashes, listed)
    taken = Receiver(db, settings, clock).listed(events)
    found = Polled(len(listed), taken.stored, taken.suppressed)
    with db.begin() as tx:
        _record(tx, began, clock.now(), listed=found.listed, unheard=found.unheard, suppressed=found.suppressed)
    return found


async def differences(*, db: Database, clock: Clock, settings: Settings, sendgrid: SendGridClient) -> list[Difference]:
    """What does not agree over the last days; nothing is changed."""
    now = clock.now()
    hashes = KeyedHashes(settings.suppression_key.get_secret_value())
    listed = await _read(sendgrid, now - MATCHED - OVERLAP)
    said = [each for each in (_said(hashes, entry) for entry in listed) if each is not None]
    addresses = {each.address for each in said}
    with db.begin() as tx:
        heard, mailed = _heard(tx, addresses, now - MATCHED)
        x = suppressions
        barred = sa.select(x.c.subject_hmac).where(x.c.kind == "address", x.c.subject_hmac.in_(addresses))
        suppressed = {bytes(each) for each in tx.scalars(barred)}
    return match(said, heard, mailed=mailed, suppressed=suppressed, since=now - MATCHED, until=now - SETTLED)


async def _read(sendgrid: SendGridClient, since: dt.datetime) -> list[Listed]:
    async with sendgrid.gateway.running(asset="suppressions"):
        return [entry for name in SUPPRESSION_LISTS for entry in await sendgrid.suppressed(name, since=since)]


def _unheard(tx: sa.Connection, hashes: KeyedHashes, listed: Sequence[Listed]) -> list[dict[str, Any]]:
    """Events for the entries of which none came; of an address that we never mailed only what suppresses it."""
    said = [(entry, _said(hashes, entry)) for entry in listed]
    addresses = {each.address for _, each in said if each is not None}
    heard = {(each.address, each.kind) for each in _heard(tx, addresses)[0]}
    sends = _last_sends(tx, addresses)
    events = []
    for entry, each in said:
        if each is None or (each.address, each.kind) in heard:
            continue
        send_id = sends.get(each.address)
        if send_id is None and each.kind == "blocked":
            continue
        event = {
            **_EVENT[entry.name], "email": entry.email, "timestamp": entry.created, "status": entry.status,
            "sg_event_id": f"list:{entry.name}:{each.address.hex()[:32]}:{entry.created}",
        }  # fmt: skip
        if entry.reason and entry.name != "invalid_emails":
            event["reason"] = entry.reason[:200]
        events.append(event if send_id is None else event | {"send_id": str(send_id)})
    return events


def _said(hashes: KeyedHashes, entry: Listed) -> Said | None:
    try:
        address = hashes.address(entry.email)
    except ValueError:
        return None  # no address: nothing of ours can have gone there
    return Said(address, KIND_OF_LIST[entry.name], dt.datetime.fromtimestamp(entry.created, dt.UTC))


def _heard(
    tx: sa.Connection, addresses: Collection[bytes], since: dt.datetime | None = None
) -> tuple[list[Said], set[bytes]]:
    """What events told of these addresses ever, and since ``since`` of any; and which of the addresses were mailed."""
    s, e = email_sends, email_events
    kind = sa.case((sa.and_(e.c.kind == "bounce", e.c.bounce_type == "blocked"), "blocked"), else_=e.c.kind)
    of_these = s.c.address_hmac.in_(addresses)
    rows = tx.execute(
        sa.select(s.c.address_hmac, kind.label("kind"), sa.func.max(e.c.occurred_at).label("at"))
        .join_from(e, s, s.c.send_id == e.c.send_id)
        .where(
            e.c.kind.in_(("bounce", "spamreport", "unsubscribe", "dropped")),
            e.c.event_id.not_like("dsn:%"),  # of an own relay, which SendGrid knows nothing of
            of_these if since is None else sa.or_(of_these, e.c.occurred_at >= since),
        )
        .group_by(s.c.address_hmac, kind)
    )
    heard = [Said(bytes(row.address_hmac), row.kind, row.at) for row in rows]
    return heard, set(_last_sends(tx, addresses))


def _last_sends(tx: sa.Connection, addresses: Collection[bytes]) -> dict[bytes, uuid.UUID]:
    """The last send to each address that SendGrid may have taken."""
    s, c = email_sends, campaigns
    rows = tx.execute(
        sa.select(s.c.address_hmac, s.c.send_id)
        .distinct(s.c.address_hmac)
        .join_from(s, c, c.c.campaign == s.c.campaign)
        .where(s.c.address_hmac.in_(addresses), s.c.state.in_(("accepted", "unknown")), c.c.mailer == SENDGRID)
        .order_by(s.c.address_hmac, s.c.claimed_at.desc())
    )
    return {bytes(row.address_hmac): row.send_id for row in rows}


def _record(tx: sa.Connection, began: dt.datetime, ended: dt.datetime, *, reason: str | None = None, **counts: int) -> None:  # fmt: skip
    row = {"mailer": SENDGRID, "began_at": began, "ended_at": ended, "whole": reason is None, "reason": reason}
    tx.execute(sa.insert(suppression_polls).values(row | counts))
