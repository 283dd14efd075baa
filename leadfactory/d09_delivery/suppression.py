"""Who is never mailed. Keyed hashes only; global over campaigns; asked again in the transaction that claims a send."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d09_delivery.tables import key_fingerprints, suppressions
from leadfactory.keyed_hashes import KeyedHashes

KEY_NAME = "LEADFACTORY_SUPPRESSION_KEY"


def suppress(
    tx: sa.Connection,
    hashes: KeyedHashes,
    *,
    reason: str,
    source: str,
    now: dt.datetime,
    address: str | None = None,
    domain: str | None = None,
    business_id: uuid.UUID | None = None,
) -> int:
    """Suppresses an address (and its form without +tag), a domain or a business; returns how many entries are new.

    Raises:
        ValueError: when nothing is named, or the address is none.
    """
    subjects: list[tuple[str, bytes]] = []
    if address is not None:
        subjects += [
            ("address", hashes.address(address)),
            ("address_plus_stripped", hashes.address_plus_stripped(address)),
        ]
    if domain is not None:
        subjects.append(("domain", hashes.domain(domain)))
    if business_id is not None:
        subjects.append(("business", business_id.bytes))
    if not subjects:
        raise ValueError("nothing to suppress: name an address, a domain or a business")
    rows = [
        {"kind": kind, "subject_hmac": subject, "reason": reason, "source": source, "suppressed_at": now}
        for kind, subject in subjects
    ]
    statement = insert(suppressions).values(rows).on_conflict_do_nothing()
    return tx.execute(statement).rowcount


def is_suppressed(tx: sa.Connection, subjects: Sequence[tuple[str, bytes]]) -> bool:
    """Whether any of the (kind, hash) pairs is suppressed."""
    if not subjects:
        return False
    pairs = sa.tuple_(suppressions.c.kind, suppressions.c.subject_hmac).in_(list(subjects))
    return tx.scalar(sa.select(sa.literal(1)).select_from(suppressions).where(pairs).limit(1)) is not None


def key_problem(tx: sa.Connection, hashes: KeyedHashes, now: dt.datetime) -> str | None:
    """Why nothing may be sent with this key: the hashes here were made under another. The first key is recorded."""
    tx.execute(
        insert(key_fingerprints)
        .values(key_name=KEY_NAME, fingerprint=hashes.fingerprint, recorded_at=now)
        .on_conflict_do_nothing()
    )
    stored = tx.scalar(sa.select(key_fingerprints.c.fingerprint).where(key_fingerprints.c.key_name == KEY_NAME))
    if stored == hashes.fingerprint:
        return None
    return f"{KEY_NAME} has fingerprint {hashes.fingerprint}, suppressions here were made under {stored}: restore the old key"
