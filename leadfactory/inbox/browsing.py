"""Looks through the inbox for operators, and lets chosen events wait again. Nothing here shows an address."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import sqlalchemy as sa

from leadfactory.inbox import audit
from leadfactory.inbox.tables import webhook_inbox

STATES = ("waiting", "folded", "unmatched", "kept", "quarantined")


@dataclasses.dataclass(frozen=True)
class Filter:
    """Which events: received from ``since`` on and before ``before``, of a source, a kind, a state."""

    since: dt.datetime | None = None
    before: dt.datetime | None = None
    source: str | None = None
    kind: str | None = None
    state: str | None = None
    inbox_id: int | None = None

    def __post_init__(self) -> None:
        """Refuses a state that there is not."""
        if self.state is not None and self.state not in STATES:
            raise ValueError(f"state={self.state!r} is unknown: choose from {', '.join(STATES)}")
        if self.since and self.before and self.since >= self.before:
            raise ValueError(
                f"since={self.since.isoformat()} is not before before={self.before.isoformat()}: swap them"
            )

    def where(self) -> list[sa.ColumnElement[bool]]:
        """The conditions over the table."""
        t = webhook_inbox
        state = None
        if self.state is not None:
            state = t.c.processed_at.is_(None) if self.state == "waiting" else t.c.outcome == self.state
        chosen = (
            None if self.since is None else t.c.received_at >= self.since,
            None if self.before is None else t.c.received_at < self.before,
            None if self.source is None else t.c.source == self.source,
            None if self.kind is None else t.c.kind == self.kind,
            None if self.inbox_id is None else t.c.inbox_id == self.inbox_id,
            state,
        )
        return [each for each in chosen if each is not None]


def found(tx: sa.Connection, chosen: Filter, *, limit: int) -> list[dict[str, Any]]:
    """The newest events first, without their content."""
    t = webhook_inbox
    names = ("inbox_id", "source", "kind", "event_id", "send_id", "occurred_at", "received_at", "stale", "reason")
    state = sa.func.coalesce(t.c.outcome, "waiting").label("state")
    query = sa.select(*(t.c[name] for name in names), state).where(*chosen.where())
    return [dict(row._mapping) for row in tx.execute(query.order_by(t.c.inbox_id.desc()).limit(limit))]


def counts(tx: sa.Connection, chosen: Filter) -> dict[str, int]:
    """How many events of each state the filter meets."""
    state = sa.func.coalesce(webhook_inbox.c.outcome, "waiting").label("state")
    query = sa.select(state, sa.func.count().label("n")).where(*chosen.where()).group_by(state).order_by(state)
    return {row.state: row.n for row in tx.execute(query)}


def shown(tx: sa.Connection, inbox_id: int) -> dict[str, Any]:
    """One event with its content.

    Raises:
        LookupError: there is none of that id.
    """
    row = tx.execute(sa.select(webhook_inbox).where(webhook_inbox.c.inbox_id == inbox_id)).first()
    if row is None:
        raise LookupError(f"inbox id {inbox_id} is not in the inbox: `leadfactory inbox list` shows what is")
    kept = dict(row._mapping)
    hashed = kept.pop("address_hmac")
    return kept | {"address": None if hashed is None else "kept as a keyed hash"}


def replay(tx: sa.Connection, chosen: Filter, now: dt.datetime) -> int:
    """Lets processed events wait again; how many. Folding them again changes nothing that is right.

    Quarantined events stay where they are unless they are asked for by state or id: what could not be read cannot be folded.
    """
    t = webhook_inbox
    where = [*chosen.where(), t.c.processed_at.is_not(None)]
    if chosen.state != "quarantined" and chosen.inbox_id is None:
        where.append(t.c.outcome != "quarantined")
    done = tx.execute(sa.update(t).where(*where).values(processed_at=None, outcome=None, reason=None))
    told = {
        field.name: str(value)
        for field in dataclasses.fields(chosen)
        if (value := getattr(chosen, field.name)) is not None
    }
    audit.note(tx, "operator", "inbox_replay", now, events=int(done.rowcount), filter=told)
    return int(done.rowcount)
