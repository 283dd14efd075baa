"""The send fence: after a restore nothing is mailed until the send journal of the gap was replayed, or a person says so.

A restored database does not know what was sent since its backup. While a fence stands, the claim of every mail waits.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from leadfactory.database import Moment, cohort, metadata

send_fences = sa.Table(
    "send_fences",
    metadata,
    sa.Column("fence_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("restored_to", Moment, comment="of a restore: up to when the database knows what was sent"),
    sa.Column("raised_at", Moment, nullable=False),
    sa.Column("lifted_at", Moment, comment="NULL while nothing is mailed"),
    sa.Column("lifted_by", sa.Text, comment="the person, or `replay` when the whole gap was replayed"),
    sa.Column("lifted_why", sa.Text),
    sa.CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name="lifted_by_somebody"),
    comment="Fences around the mailer; while one stands, no mail is claimed.",
)
replayed_sends = sa.Table(
    "replayed_sends",
    metadata,
    *cohort(),
    sa.Column("send_id", sa.Uuid, primary_key=True, comment="of a letter, or the delivery_id of a sold report's mail"),
    sa.Column("address_hmac", sa.LargeBinary, nullable=False, index=True),
    sa.Column("claimed_at", Moment, nullable=False),
    sa.Column("replayed_at", Moment, nullable=False),
    comment="Mails that the send journal knew and a restored database did not: they are taken for sent.",
)
STANDS = "EXISTS (SELECT 1 FROM leadfactory.send_fences f WHERE f.lifted_at IS NULL)"  # SQL, for gates


def is_fenced(tx: sa.Connection) -> str | None:
    """Why nothing may be mailed now; None when no fence stands."""
    query = sa.select(send_fences.c.reason).where(send_fences.c.lifted_at.is_(None)).order_by(send_fences.c.fence_id)
    return tx.scalar(query.limit(1))


def standing(tx: sa.Connection) -> list[dict[str, Any]]:
    """The fences that stand, the oldest first."""
    query = sa.select(send_fences).where(send_fences.c.lifted_at.is_(None)).order_by(send_fences.c.fence_id)
    return [dict(row._mapping) for row in tx.execute(query)]


def put_up(tx: sa.Connection, *, reason: str, now: dt.datetime, restored_to: dt.datetime | None = None) -> int:
    """Fences the mailer; the fence's id."""
    values = {"reason": reason, "raised_at": now, "restored_to": restored_to}
    return int(tx.execute(sa.insert(send_fences).values(values).returning(send_fences.c.fence_id)).scalar_one())


def lift(tx: sa.Connection, *, by: str, why: str, now: dt.datetime) -> int:
    """Takes every fence down; how many stood.

    Raises:
        ValueError: nobody is named, or the reason says nothing.
    """
    if not by.strip() or len(why.strip()) < 10:
        raise ValueError(
            "a fence is lifted by a named person who says why in at least ten letters: give --by and --reason"
        )
    done = tx.execute(
        sa.update(send_fences)
        .where(send_fences.c.lifted_at.is_(None))
        .values(lifted_at=now, lifted_by=by.strip(), lifted_why=why.strip())
    )
    return int(done.rowcount)
