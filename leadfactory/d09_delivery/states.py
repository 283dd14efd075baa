"""The states of a send and the only moves between them; every move is a row of ``send_transitions``."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d09_delivery.tables import email_sends, send_transitions
from leadfactory.database import Moment

# planned → claimed before the vendor is called; claimed → planned only when the mail provably did not leave. What is unknown is
# settled by evidence (events that carry our send id), never by sending again, so nothing leads from it back to planned.
MOVES: Mapping[str, frozenset[str]] = {
    "planned": frozenset({"claimed", "expired", "refused"}),
    "claimed": frozenset({"accepted", "rejected", "unknown", "planned"}),
    "unknown": frozenset({"accepted", "rejected"}),
    "accepted": frozenset(),
    "rejected": frozenset(),
    "expired": frozenset(),
    "refused": frozenset(),
}
UNCLAIMED: Mapping[str, Any] = {"claimed_at": None, "claim_id": None, "claim_expires_at": None}
Reasons = Mapping[uuid.UUID, str | None]
_TOLD = ("from_state", "to_state", "reason", "happened_at")
_GIVEN = sa.func.unnest(
    sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("whys", type_=sa.ARRAY(sa.Text)),
    sa.bindparam("called", type_=sa.ARRAY(sa.Text)),
).table_valued(
    sa.column("send_id", sa.Uuid), sa.column("reason", sa.Text), sa.column("name", sa.Text), name="given", joins_implicitly=True).render_derived()  # fmt: skip


class ForbiddenMove(ValueError):
    """A send cannot go from one state to another; the message names both."""


def move(
    tx: sa.Connection,
    reasons: Reasons,
    from_state: str,
    to_state: str,
    now: dt.datetime,
    *,
    names: Mapping[uuid.UUID, str] | None = None,
    **columns: Any,
) -> list[uuid.UUID]:
    """Moves sends that are in ``from_state`` and records each move, in one statement; the ids moved (another may have been first).

    Args:
        reasons: send → why, or None where the state says it all.
        names: send → the id that the mailer gave it.
        columns: further columns of ``email_sends`` to set, the same for all.

    Raises:
        ForbiddenMove: when no rule leads from ``from_state`` to ``to_state``.
    """
    if to_state not in MOVES[from_state]:
        raise ForbiddenMove(f"a send cannot go from {from_state} to {to_state}")
    if not reasons:
        return []
    table, ids = email_sends, list(reasons)
    named = {} if names is None else {"sendgrid_id": _GIVEN.c.name}
    # arrays, not rows of VALUES: a statement that is the same for any number of sends is compiled once
    moved = (
        sa.update(table)
        .where(table.c.send_id == _GIVEN.c.send_id, table.c.state == from_state)
        .values(state=to_state, reason=_GIVEN.c.reason, **named, **columns)
        .returning(table.c.send_id, _GIVEN.c.reason)
        .cte("moved")
    )
    told = [sa.literal(from_state), sa.literal(to_state), moved.c.reason, sa.cast(sa.bindparam("moment"), Moment)]
    recorded = (
        insert(send_transitions)
        .from_select(["send_id", *_TOLD], sa.select(moved.c.send_id, *told))
        .returning(send_transitions.c.send_id)
    )
    given = {"ids": ids, "whys": [reasons[each] for each in ids], "called": [(names or {}).get(each) for each in ids]}
    return list(tx.scalars(recorded, given | {"moment": now}))


def record(tx: sa.Connection, reasons: Reasons, from_state: str | None, to_state: str, now: dt.datetime) -> None:
    """Appends transitions."""
    rows: Sequence[dict[str, Any]] = [
        {"send_id": send_id, "from_state": from_state, "to_state": to_state, "reason": reason, "happened_at": now}
        for send_id, reason in reasons.items()
    ]
    if rows:
        tx.execute(insert(send_transitions), rows)
