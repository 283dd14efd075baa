"""Erases a person: rows of every declared place in one transaction, then lake and marts, then a look whether anything is left.

Killed anywhere, the request still waits and the next call ends the work: the person's rows are found by keyed hashes, which stay.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from leadfactory import blobs, campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.tables import vendor_content
from leadfactory.d02_sourcing.tables import imported_businesses, sourced_businesses, unique_businesses
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d06_reports.tables import audit_reports
from leadfactory.d09_delivery import opt_outs
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.d10_analytics import export
from leadfactory.database import Database
from leadfactory.erasure import remains
from leadfactory.erasure.places import PERSONAL, Place
from leadfactory.erasure.requests import store
from leadfactory.erasure.tables import erasure_requests
from leadfactory.inbox import audit
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.settings import Settings
from leadfactory.tables import metadata

BLOB_WAITS = dt.timedelta(hours=1)  # by the clock on the wall, as the store's own times are
Marts = Callable[[Settings], Any]


@dataclasses.dataclass(frozen=True)
class Person:
    """Somebody by the hashes of their address, and the rows that lead to them."""

    email_hmac: bytes
    email_plus_hmac: bytes
    businesses: tuple[uuid.UUID, ...]
    sends: tuple[uuid.UUID, ...]
    units: tuple[CampaignDay, ...]


@dataclasses.dataclass(frozen=True)
class Proof:
    """What was removed by place, what was written anew, and what a look at everything found after; ``left`` must be empty.

    ``blobs_removed`` are those that no sold report names; the others are the record of a sale, by as many rows as name them.
    """

    places: dict[str, int]
    lake_files: int
    marts: str
    looked_at: dict[str, int]
    left: list[str]
    blobs_removed: int = 0
    blobs_kept: int = 0


class NotErased(RuntimeError):
    """Something of the person is left; the message names the places, and the request stays open."""


def erase(
    email: str, *, db: Database, clock: Clock, settings: Settings, marts: Marts | None, dry_run: bool = False
) -> Proof:
    """Erases whoever has this address. With ``dry_run`` everything is counted and nothing kept.

    Raises:
        ValueError: no address.
        NotErased: a look after the work still finds the address.
    """
    hashes = KeyedHashes(settings.suppression_key.get_secret_value())
    pair = hashes.address(email), hashes.address_plus_stripped(email)
    if dry_run:
        with db.begin() as tx:
            places = _scrub(tx, hashes, find(tx, *pair))
            tx.rollback()
        return Proof(places, 0, "not touched", {}, [])
    now = clock.now()
    with db.begin() as tx:
        store(tx, *pair, "operator", now)
    return complete(*pair, db=db, clock=clock, settings=settings, marts=marts)


def waiting(tx: sa.Connection) -> list[tuple[bytes, bytes]]:
    """The requests that nobody has worked off, the oldest first."""
    r = erasure_requests
    rows = tx.execute(
        sa.select(r.c.email_hmac, r.c.email_plus_hmac).where(r.c.completed_at.is_(None)).order_by(r.c.requested_at)
    )
    return [(bytes(row[0]), bytes(row[1] or row[0])) for row in rows]


def complete(
    email_hmac: bytes, email_plus_hmac: bytes, *, db: Database, clock: Clock, settings: Settings, marts: Marts | None
) -> Proof:
    """Works one waiting request off and stores its proof.

    Raises:
        NotErased: a look after the work still finds the address; the request stays open.
    """
    pair = email_hmac, email_plus_hmac
    places, files = _remove(*pair, db=db, clock=clock, settings=settings)
    return _prove(*pair, Proof(places, files, _built(settings, marts), {}, []), db=db, clock=clock, settings=settings)


def complete_all(
    *, db: Database, clock: Clock, settings: Settings, marts: Marts | None
) -> tuple[list[Proof], list[str]]:
    """Works all waiting requests off, the marts built once for all: the proofs, and of those that stay open why."""
    with db.begin() as tx:
        pairs = waiting(tx)
    removed = [(pair, _remove(*pair, db=db, clock=clock, settings=settings)) for pair in pairs]
    built = _built(settings, marts) if removed else ""
    proofs, why = [], []
    for pair, (places, files) in removed:
        try:
            proofs.append(_prove(*pair, Proof(places, files, built, {}, []), db=db, clock=clock, settings=settings))
        except NotErased as error:
            why.append(str(error))
    return proofs, why


def _remove(
    email_hmac: bytes, email_plus_hmac: bytes, *, db: Database, clock: Clock, settings: Settings
) -> tuple[dict[str, int], int]:
    """Empties the rows and writes the lake anew: rows by place, files."""
    hashes = KeyedHashes(settings.suppression_key.get_secret_value())
    now = clock.now()
    with db.begin() as tx:
        person = find(tx, email_hmac, email_plus_hmac)
        subjects = [("address", email_hmac), ("address_plus_stripped", email_plus_hmac)]
        opt_outs.stop(tx, subjects, reason="erased", source="erase-person", now=now)
        places = _scrub(tx, hashes, person)
        if any(places.values()):  # of a call that is killed before its proof this is what tells
            audit.note(tx, "operator", "erasing", now, rows=places)
    written = export.export_lake(db=db, clock=clock, settings=settings, units=person.units) if person.units else None
    return places, written.files if written else 0


def _built(settings: Settings, marts: Marts | None) -> str:
    if marts is None or not settings.warehouse.is_file():
        return "none published"
    marts(settings)
    return "built anew"


def _prove(
    email_hmac: bytes, email_plus_hmac: bytes, done: Proof, *, db: Database, clock: Clock, settings: Settings
) -> Proof:
    """Looks whether anything is left, and stores the proof that nothing is."""
    hashes = KeyedHashes(settings.suppression_key.get_secret_value())
    with db.begin() as tx:
        looked_at, left = remains.look(tx, hashes, {email_hmac, email_plus_hmac}, settings)
        removed, kept = _unused_blobs(tx, settings)
        proof = dataclasses.replace(done, looked_at=looked_at, left=left, blobs_removed=removed, blobs_kept=kept)
        if left:
            raise NotErased(
                f"the address is still in {', '.join(left)}: nothing is marked as done; mend that and run again"
            )
        _settle(tx, email_hmac, proof, clock.now())
    return proof


def _unused_blobs(tx: sa.Connection, settings: Settings) -> tuple[int, int]:
    """Removes blobs whose last row is gone, or that never got one: a call that was killed between the two leaves them."""
    r = audit_reports
    used = {
        digest for row in tx.execute(sa.select(r.c.html_sha256, r.c.pdf_sha256, r.c.evidence_sha256)) for digest in row
    }
    return blobs.remove_unused(settings.blobs, {each for each in used if each}, dt.datetime.now(dt.UTC) - BLOB_WAITS)


def find(tx: sa.Connection, email_hmac: bytes, email_plus_hmac: bytes) -> Person:
    """Every row that leads to the person: sends by their hashes, businesses by the contact's."""
    s, e = email_sends, enriched_businesses
    both = (email_hmac, email_plus_hmac)
    sends = tx.execute(
        sa.select(s.c.send_id, s.c.business_id).where(
            sa.or_(s.c.address_hmac.in_(both), s.c.address_plus_hmac.in_(both))
        )
    ).all()
    known = set(tx.scalars(sa.select(e.c.business_id).where(e.c.contact_email_hmac.in_(both))))
    businesses = tuple(sorted(known | {row.business_id for row in sends}, key=str))
    days = tx.execute(sa.select(e.c.campaign, e.c.cohort_on).distinct().where(e.c.business_id.in_(businesses)))
    units = tuple(sorted(CampaignDay(row.campaign, row.cohort_on) for row in days))
    return Person(email_hmac, email_plus_hmac, businesses, tuple(row.send_id for row in sends), units)


def _scrub(tx: sa.Connection, hashes: KeyedHashes, person: Person) -> dict[str, int]:
    """Empties every declared place; table → rows."""
    done = _imports_and_content(tx, hashes, person)  # first: it follows ids and the address that the others remove
    dirty = set()
    for place in PERSONAL:
        if place.table not in done:
            done[place.table] = _empty(tx, place, person)
            dirty |= {place.table} if place.lake and done[place.table] else set()
    for unit in person.units:
        if dirty:
            campaign_days.mark_dirty(tx, unit, *sorted(dirty))
    return done


def _empty(tx: sa.Connection, place: Place, person: Person) -> int:
    table = metadata.tables[f"{metadata.schema}.{place.table}"]
    if place.by == "business":
        mine: sa.ColumnElement[bool] = table.c.business_id.in_(person.businesses)
    else:
        assert place.hmac is not None
        mine = sa.or_(
            table.c.send_id.in_(person.sends), table.c[place.hmac].in_((person.email_hmac, person.email_plus_hmac))
        )
    values = {name: sa.null() if value is None else value for name, value in place.columns.items()}
    full = sa.or_(*(table.c[name].is_distinct_from(value) for name, value in values.items()))
    return tx.execute(sa.update(table).where(mine, full).values(**values)).rowcount


def _imports_and_content(tx: sa.Connection, hashes: KeyedHashes, person: Person) -> dict[str, int]:
    """What the operator imported and what vendors lent us: found by the address inside, and by the ids of the businesses."""
    i, u, so, v, e = imported_businesses, unique_businesses, sourced_businesses, vendor_content, enriched_businesses
    wanted = {person.email_hmac, person.email_plus_hmac}
    rows = tx.execute(
        sa.select(i.c.import_id, i.c.fields["email"].astext).where(i.c.fields["email"].astext.is_not(None))
    )
    imports = {row[0] for row in rows if remains.is_of(row[1], hashes, wanted)}
    sourced = sa.select(u.c.sourced_id).where(u.c.business_id.in_(person.businesses))
    found = tx.execute(sa.select(so.c.import_id, so.c.yelp_id).where(so.c.sourced_id.in_(sourced))).all()
    imports |= {row.import_id for row in found if row.import_id is not None}
    emptied = tx.execute(
        sa.update(i).where(i.c.import_id.in_(imports), i.c.fields.is_not(None)).values(fields=sa.null())
    ).rowcount
    lent = {row.yelp_id for row in found if row.yelp_id}
    lent |= set(
        tx.scalars(sa.select(e.c.place_id).where(e.c.business_id.in_(person.businesses), e.c.place_id.is_not(None)))
    )
    removed = tx.execute(sa.delete(v).where(v.c.subject.in_(lent))).rowcount
    text = sa.cast(v.c.content, sa.Text)
    holding = tx.execute(sa.select(v.c.vendor, v.c.content_key, text).where(text.contains("@")))
    keys = [(row[0], row[1]) for row in holding if remains.is_of(row[2], hashes, wanted)]
    removed += tx.execute(sa.delete(v).where(sa.tuple_(v.c.vendor, v.c.content_key).in_(keys))).rowcount if keys else 0
    return {"imported_businesses": emptied, "vendor_content": removed}


def _settle(tx: sa.Connection, email_hmac: bytes, proof: Proof, now: dt.datetime) -> None:
    r = erasure_requests
    open_ones: Iterable[uuid.UUID] = tx.scalars(
        sa.update(r)
        .where(r.c.email_hmac == email_hmac, r.c.completed_at.is_(None))
        .values(completed_at=now, proof=dataclasses.asdict(proof))
        .returning(r.c.request_id)
    ).all()
    for request_id in open_ones:
        audit.note(tx, "operator", "erased", now, request_id=str(request_id), rows=sum(proof.places.values()))
