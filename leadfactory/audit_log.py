"""The audit log: who asked for or did what, with ids only. Rows are only added, and each is chained to the one before it.

A trigger of the database links a row at its transaction's end (`audit_chain`: position, and a hash over the hash before and the
row), where no code of ours can skip it or write into it. What a row that was changed or taken out leaves behind is found by
``verify``, which computes every hash again here.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from leadfactory.database import Json, Moment, metadata

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("audit_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("happened_at", Moment, nullable=False),
    sa.Column("actor", sa.Text, nullable=False, comment="recipient, or an operator and who"),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("send_id", sa.Uuid, index=True),
    sa.Column("subject", sa.Text, nullable=False, server_default="", comment="what it was done to, by id or slug"),
    sa.Column("detail", Json, nullable=False, server_default=sa.text("'{}'::jsonb")),
    sa.Index(None, "happened_at"),
    comment="Append-only: what people asked of us and what operators did; ids only, never an address. Chained in audit_chain.",
)
audit_chain = sa.Table(
    "audit_chain",
    metadata,
    sa.Column("link", sa.BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 …: never a gap"),
    sa.Column("audit_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("hash", sa.LargeBinary, nullable=False, comment="SHA-256 over the hash before and the row's fields"),
    comment="One row per row of audit_log, in the order of commits, written by a trigger: what was changed or removed breaks it.",
)
_ROWS = sa.text(
    """SELECT c.link, c.audit_id, c.hash, a.audit_id IS NOT NULL AS present,
              ARRAY[a.audit_id::text, to_char(a.happened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), a.actor, a.action,
                    coalesce(a.send_id::text, ''), a.subject, a.detail::text] AS fields
       FROM audit_chain c LEFT JOIN audit_log a USING (audit_id) ORDER BY c.link"""
)
_UNLINKED = sa.text(
    "SELECT audit_id FROM audit_log a WHERE NOT EXISTS (SELECT FROM audit_chain c WHERE c.audit_id = a.audit_id) ORDER BY audit_id"
)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What verifying found: how many rows are chained, the last link's hash, and one sentence per fault, the first ones only."""

    rows: int
    head: str
    problems: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing was changed, removed or put in."""
        return not self.problems


def record(
    tx: sa.Connection,
    *,
    actor: str,
    action: str,
    subject: str,
    detail: dict[str, Any],
    now: dt.datetime,
    send_id: uuid.UUID | None = None,
) -> None:
    """Appends a row in the caller's transaction. ``subject`` and ``detail`` hold ids, slugs and counts, never an address or a key."""
    tx.execute(
        sa.insert(audit_log).values(
            happened_at=now, actor=actor, action=action, send_id=send_id, subject=subject, detail=detail
        )
    )


def rows(
    tx: sa.Connection, *, since: dt.datetime | None = None, actor: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """The newest rows, newest first; of an actor whose name begins as ``actor`` does."""
    t = audit_log
    found = sa.select(t.c.audit_id, t.c.happened_at, t.c.actor, t.c.action, t.c.subject, t.c.send_id, t.c.detail)
    if since is not None:
        found = found.where(t.c.happened_at >= since)
    if actor is not None:
        found = found.where(t.c.actor.startswith(actor, autoescape=True))
    return [dict(row) for row in tx.execute(found.order_by(t.c.audit_id.desc()).limit(limit)).mappings()]


def verify(tx: sa.Connection, *, most: int = 20) -> Verdict:
    """Computes the whole chain again; reads row by row, so that a long log needs no memory."""
    problems: list[str] = []
    before, last = b"", 0
    for row in _stream(tx):
        link, audit_id, kept, present, fields = row.link, row.audit_id, row.hash, row.present, row.fields
        if link != last + 1:
            problems.append(f"links {last + 1} to {link - 1} are missing")
        if not present:
            problems.append(f"row {audit_id} (link {link}) was removed")
        elif link == last + 1 and chained(before, fields) != bytes(kept):
            problems.append(f"row {audit_id} (link {link}) is not what was written")
        before, last = bytes(kept), link
        if len(problems) >= most:
            break
    problems += [f"row {audit_id} was put in beside the chain" for audit_id in tx.scalars(_UNLINKED)][:most]
    return Verdict(last, before.hex(), tuple(problems[:most]))


def chained(before: bytes, fields: list[str]) -> bytes:
    """The hash of a row after the link whose hash is ``before``: the same as leadfactory.audit_hash() in the database."""
    digest = hashlib.sha256(before)
    for field in fields:
        said = field.encode()
        digest.update(b"%d:" % len(said) + said)
    return digest.digest()


def _stream(tx: sa.Connection) -> Iterator[sa.Row[Any]]:
    with tx.execution_options(yield_per=1000).execute(_ROWS) as found:
        yield from found
