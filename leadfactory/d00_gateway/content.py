"""Expiring vendor content that rooms keep by the vendor's own id, within its storage term; the table is UNLOGGED."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d00_gateway.tables import vendor_content


@dataclasses.dataclass(frozen=True)
class Content:
    """What a vendor said about ``subject`` (its own id) at ``fetched_at``, to be gone at ``expires_at``."""

    subject: str
    content: Any
    fetched_at: dt.datetime
    expires_at: dt.datetime


def store(tx: sa.Connection, vendor: str, rows: Sequence[Content]) -> None:
    """Stores the newest content of each subject; an older one is replaced."""
    newest = {row.subject: row for row in sorted(rows, key=lambda row: row.fetched_at)}
    if not newest:
        return
    statement = insert(vendor_content).values(
        [
            {"vendor": vendor, "content_key": _key(vendor, row.subject), "subject": row.subject, "content": row.content,
             "fetched_at": row.fetched_at, "expires_at": row.expires_at}
            for _, row in sorted(newest.items())
        ]
    )  # fmt: skip
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["vendor", "content_key"],
            set_={name: statement.excluded[name] for name in ("content", "fetched_at", "expires_at")},
        )
    )


def read(tx: sa.Connection, vendor: str, subjects: Iterable[str], now: dt.datetime) -> dict[str, Any]:
    """Subject → content for those of ``subjects`` whose content has not expired at ``now``."""
    keys = [_key(vendor, subject) for subject in subjects]
    rows = tx.execute(
        sa.select(vendor_content.c.subject, vendor_content.c.content).where(
            vendor_content.c.vendor == vendor,
            vendor_content.c.content_key == sa.any_(sa.cast(keys, sa.ARRAY(sa.LargeBinary))),
            vendor_content.c.expires_at > now,
        )
    )
    return {row.subject: row.content for row in rows}


def purge(tx: sa.Connection, now: dt.datetime) -> int:
    """Deletes what has expired at ``now``, cached answers among it, and says how many rows that was."""
    return tx.execute(sa.delete(vendor_content).where(vendor_content.c.expires_at <= now)).rowcount


def _key(vendor: str, subject: str) -> bytes:
    # Apart from the gateway's own cache, whose keys are hashes of requests.
    return hashlib.sha256(f"subject\n{vendor}\n{subject}".encode()).digest()
