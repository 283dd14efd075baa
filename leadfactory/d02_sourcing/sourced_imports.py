"""Imported rows on their way: taken into a campaign-day once, read as listings, forgotten when the operator's time is over."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import places as geography
from leadfactory.d01_targeting.tables import targets
from leadfactory.d02_sourcing import chains, listings
from leadfactory.d02_sourcing.tables import import_files, imported_businesses, sourced_businesses
from leadfactory.keyed_hashes import KeyedHashes

_NAMESPACE = uuid.UUID("7c1f3c52-4a0c-4c7b-8f4e-2d1f6a9b3e10")


@dataclasses.dataclass(frozen=True)
class ImportedRow:
    """A row as the operator's file says it, with where it stands: ``evidence`` is ``import:<file>#<line>``."""

    fields: Mapping[str, Any]
    evidence: str


def take(tx: sa.Connection, unit: CampaignDay, most: int, hashes: KeyedHashes, now: dt.datetime) -> tuple[int, int]:
    """Takes up to ``most`` records that no campaign-day of the campaign has, oldest first; returns how many, and how many wait."""
    i, s = imported_businesses.c, sourced_businesses
    newest = (
        sa.select(imported_businesses)
        .distinct(i.record_key)
        .where(i.campaign == unit.campaign, i.fields.is_not(None))
        .order_by(i.record_key, i.version.desc())
        .subquery()
    )
    versions = imported_businesses.alias()
    taken = (
        sa.select(sa.literal(1))
        .select_from(s.join(versions, versions.c.import_id == s.c.import_id))
        .where(
            s.c.campaign == unit.campaign,
            versions.c.campaign == unit.campaign,
            versions.c.record_key == newest.c.record_key,
        )
    )
    waiting = sa.select(newest).where(~sa.exists(taken))
    rows = [
        dict(row)
        for row in tx.execute(waiting.order_by(newest.c.imported_at, newest.c.row_number).limit(most)).mappings()
    ]
    left = (tx.scalar(sa.select(sa.func.count()).select_from(waiting.subquery())) or 0) - len(rows)
    first = tx.scalar(sa.select(sa.func.count()).where(s.c.campaign == unit.campaign, s.c.cohort_on == unit.day)) or 0
    made = [_row(unit, row, first + rank, hashes, now) for rank, row in enumerate(rows)]
    if made:
        tx.execute(insert(s), made)
    return len(made), left


def count(tx: sa.Connection, unit: CampaignDay) -> int:
    """Imported rows that the campaign-day has."""
    s = sourced_businesses.c
    own = sa.and_(s.campaign == unit.campaign, s.cohort_on == unit.day, s.source == "import")
    return tx.scalar(sa.select(sa.func.count()).where(own)) or 0


def read(tx: sa.Connection, import_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, ImportedRow]:
    """Import id → its row, for those whose content is still kept."""
    i, f = imported_businesses.c, import_files.c
    ids = list(import_ids)
    query = (
        sa.select(i.import_id, i.fields, i.row_number, f.file_name)
        .join_from(imported_businesses, import_files, f.file_id == i.file_id)
        .where(i.import_id == sa.any_(sa.cast(ids, sa.ARRAY(sa.Uuid))), i.fields.is_not(None))
    )
    return (
        {
            row.import_id: ImportedRow(row.fields, f"import:{row.file_name}#{row.row_number}")
            for row in tx.execute(query)
        }
        if ids
        else {}
    )


def of_businesses(tx: sa.Connection, sourced_ids: Mapping[uuid.UUID, list[uuid.UUID]]) -> dict[uuid.UUID, ImportedRow]:
    """Business → the first imported row among its listings, for those that have one whose content is still kept."""
    s = sourced_businesses.c
    every = [each for ids in sourced_ids.values() for each in ids]
    rows = tx.execute(
        sa.select(s.sourced_id, s.import_id).where(
            s.sourced_id == sa.any_(sa.cast(every, sa.ARRAY(sa.Uuid))), s.import_id.is_not(None)
        )
    )
    import_of = {row.sourced_id: row.import_id for row in rows}
    known = read(tx, import_of.values())
    found = {
        business: next((known[import_of[each]] for each in ids if import_of.get(each) in known), None)
        for business, ids in sourced_ids.items()
    }
    return {business: row for business, row in found.items() if row is not None}


def place_of(
    tx: sa.Connection, unit: CampaignDay, kind: str | None, place: str | None, own: ImportedRow | None
) -> geography.Place:
    """Where a business was looked for: the target's place, or an imported row's own ZIP code, or the campaign's first target."""
    if kind is not None and place is not None:
        return geography.find(geography.PlaceSpec(kind, place))  # type: ignore[arg-type]  # cached
    if own is not None and own.fields.get("zip"):
        return geography.find(geography.PlaceSpec("zip", own.fields["zip"]))
    t = targets.c
    first = tx.execute(sa.select(t.kind, t.place).where(t.campaign == unit.campaign).order_by(t.place).limit(1)).one()
    return geography.find(geography.PlaceSpec(first.kind, first.place))


def listing(sourced_id: uuid.UUID, rank: int, fields: Mapping[str, Any]) -> listings.Listing:
    """An imported row as matching sees it."""
    return listings.Listing(
        sourced_id=sourced_id, rank=rank, name=fields["name"], city=fields["city"], street=fields["street"], zip_code=fields["zip"],
        phone=fields["phone"], latitude=fields["latitude"], longitude=fields["longitude"], state=fields["state"],
        domain=listings.own_domain(fields["website"]), site_path=listings.path_of(fields["website"]),
    )  # fmt: skip


def forget_expired(tx: sa.Connection, now: dt.datetime) -> int:
    """Empties rows whose keeping time is over; what was hashed, when and from which file stays. Says how many."""
    i = imported_businesses.c
    return tx.execute(
        sa.update(imported_businesses).where(i.keep_until <= now, i.fields.is_not(None)).values(fields=sa.null())
    ).rowcount


def _row(unit: CampaignDay, row: Mapping[str, Any], rank: int, hashes: KeyedHashes, now: dt.datetime) -> dict[str, Any]:
    sourced_id = uuid.uuid5(_NAMESPACE, f"{unit.key}:import:{row['record_key'].hex()}")
    seen = listing(sourced_id, rank, row["fields"])
    return {
        "campaign": unit.campaign, "cohort_on": unit.day, "sourced_id": sourced_id, "target_id": None, "source": "import", "yelp_id": None,
        "rank": rank, "name_hmac": hashes.name(seen.name), "phone_hmac": hashes.phone(seen.phone) if seen.phone else None,
        "address_hmac": hashes.postal(seen.postal) if seen.postal else None,
        "domain_hmac": hashes.domain(seen.domain) if seen.domain else None, "chain_hmac": chains.key(seen, hashes), "review_band": None,
        "excluded_reason": None, "fetched_at": row["imported_at"], "expires_at": row["keep_until"], "import_id": row["import_id"],
    }  # fmt: skip
