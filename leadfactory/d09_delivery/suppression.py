"""Who is never mailed: global over all campaigns, asked again in the transaction that claims a send.

Addresses and domains are keyed hashes; a business is its own random id, which names nobody.
"""

from __future__ import annotations

import datetime as dt
import uuid

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d04_enrichment.contacts import registrable_domain
from leadfactory.d09_delivery.tables import email_sends, key_fingerprints, suppressions
from leadfactory.keyed_hashes import FREE_MAIL, KeyedHashes, normalise_address

KEY_NAME = "suppression"


class KeyMismatch(RuntimeError):
    """The database's hashes were made with another suppression key; both fingerprints are named, neither key is."""


def domain_hmac(hashes: KeyedHashes, address: str) -> bytes | None:
    """The hash of an address's registrable domain; None for free mail, whose domain says nothing about its owner."""
    return None if mail_provider(address) is not None else hashes.domain(_domain(address))


def mail_provider(address: str) -> str | None:
    """The domain of an address that is free mail; None for a domain of somebody's own."""
    domain = _domain(address)
    return domain if domain in FREE_MAIL else None


def _domain(address: str) -> str:
    return registrable_domain(normalise_address(address).rpartition("@")[2])


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
    """Suppresses an address (with every ``+tag`` of it), a domain or a business; how many rows are new.

    From the commit of ``tx`` on, no claim can contain what was suppressed.

    Raises:
        ValueError: when nothing, no address, or a free-mail provider's whole domain is named.
        KeyMismatch: the hashes here belong to another key.
    """
    establish_key(tx, hashes, now)
    rows: list[tuple[str, bytes]] = []
    if address is not None:
        rows += [
            ("address", hashes.address(address)),
            ("address_plus_stripped", hashes.address_plus_stripped(address)),
        ]
    if domain is not None:
        registrable = registrable_domain(domain.strip().lower().rstrip("."))
        if registrable in FREE_MAIL:
            raise ValueError(f"domain={registrable!r} belongs to a mail provider: suppress the address instead")
        rows.append(("domain", hashes.domain(registrable)))
    if business_id is not None:
        rows.append(("business", business_id.bytes))
    if not rows:
        raise ValueError("nothing to suppress: name an address, a domain or a business")
    done = tx.execute(
        insert(suppressions).on_conflict_do_nothing().returning(suppressions.c.kind),
        [
            {"kind": kind, "subject_hmac": subject, "reason": reason, "source": source, "suppressed_at": now}
            for kind, subject in rows
        ],
    )
    return len(done.all())


def is_suppressed(
    tx: sa.Connection,
    hashes: KeyedHashes,
    *,
    address: str | None = None,
    domain: str | None = None,
    business_id: uuid.UUID | None = None,
) -> bool:
    """Whether mail to this address, domain or business is barred.

    Raises:
        KeyMismatch: nothing can be said with another key, which the caller must take for a yes.
    """
    check_key(tx, hashes)
    wanted: list[tuple[str, bytes]] = []
    if address is not None:
        own = (hashes.address(address), hashes.address_plus_stripped(address))
        wanted += [(kind, subject) for kind in ("address", "address_plus_stripped") for subject in own]
        of_domain = domain_hmac(hashes, address)
        wanted += [("domain", of_domain)] if of_domain is not None else []
    if domain is not None:
        wanted.append(("domain", hashes.domain(registrable_domain(domain.strip().lower().rstrip(".")))))
    if business_id is not None:
        wanted.append(("business", business_id.bytes))
    if not wanted:
        return False
    found = sa.select(sa.literal(1)).where(sa.tuple_(suppressions.c.kind, suppressions.c.subject_hmac).in_(wanted))
    return tx.scalar(found.limit(1)) is not None


def establish_key(tx: sa.Connection, hashes: KeyedHashes, now: dt.datetime) -> None:
    """Records the key's fingerprint where nothing was hashed yet for mail; afterwards the same as ``check_key``.

    Raises:
        KeyMismatch: when another key was recorded, or hashes exist whose key nobody recorded.
    """
    if tx.scalar(sa.select(key_fingerprints.c.fingerprint).where(key_fingerprints.c.key_name == KEY_NAME)) is None:
        used = tx.scalar(sa.select(sa.exists().select_from(suppressions) | sa.exists().select_from(email_sends)))
        if used:
            raise KeyMismatch(
                "the database holds suppressions or sends but no fingerprint of their key: restore the table key_fingerprints, "
                "nothing can be sent before"
            )
        tx.execute(
            insert(key_fingerprints)
            .values(key_name=KEY_NAME, fingerprint=hashes.fingerprint, recorded_at=now)
            .on_conflict_do_nothing()
        )
    check_key(tx, hashes)


def check_key(tx: sa.Connection, hashes: KeyedHashes) -> None:
    """Fails closed unless the recorded fingerprint is this key's.

    Raises:
        KeyMismatch: names both fingerprints and the remedy.
    """
    recorded = tx.scalar(sa.select(key_fingerprints.c.fingerprint).where(key_fingerprints.c.key_name == KEY_NAME))
    if recorded != hashes.fingerprint:
        raise KeyMismatch(
            f"LEADFACTORY_SUPPRESSION_KEY has the fingerprint {hashes.fingerprint}, the database's hashes were made with "
            f"{recorded or 'none that is recorded'}: set the original key; nothing can be sent with another"
        )
