"""The states of a send and the only moves between them; every move is a row of ``send_transitions``."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d09_delivery.tables import email_sends, send_transitions

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


class ForbiddenMove(ValueError):
    """A send cannot go from one state to another; the message names both."""


def move(
    tx: sa.Connection, reasons: Reasons, from_state: str, to_state: str, now: dt.datetime, **columns: Any
) -> list[uuid.UUID]:
    """Moves sends that are in ``from_state`` and records each move; the ids moved (another process may have been first).

    Args:
        reasons: send → why, or None where the state says it all.
        columns: further columns of ``email_sends`` to set, the same for all.

    Raises:
        ForbiddenMove: when no rule leads from ``from_state`` to ``to_state``.
    """
    if to_state not in MOVES[from_state]:
        raise ForbiddenMove(f"a send cannot go from {from_state} to {to_state}")
    if not reasons:
        return []
    table = email_sends
    given = sa.values(sa.column("send_id", sa.Uuid), sa.column("reason", sa.Text), name="given").data(
        [(send_id, reason) for send_id, reason in reasons.items()]
    )
    moved = list(
        tx.scalars(
            sa.update(table)
            .where(table.c.send_id == given.c.send_id, table.c.state == from_state)
            .values(state=to_state, reason=given.c.reason, **columns)
            .returning(table.c.send_id)
        )
    )
    record(tx, {send_id: reasons[send_id] for send_id in moved}, from_state, to_state, now)
    return moved


def record(tx: sa.Connection, reasons: Reasons, from_state: str | None, to_state: str, now: dt.datetime) -> None:
    """Appends transitions."""
    rows: Sequence[dict[str, Any]] = [
        {"send_id": send_id, "from_state": from_state, "to_state": to_state, "reason": reason, "happened_at": now}
        for send_id, reason in reasons.items()
    ]
    if rows:
        tx.execute(insert(send_transitions), rows)
