"""Why a business was mailed, or not: its sends, every move with its reason, and what became of them. No address is shown."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa

from leadfactory import archives
from leadfactory.campaign_day import CampaignDay
from leadfactory.d09_delivery import claiming
from leadfactory.d09_delivery.claiming import Desk
from leadfactory.d09_delivery.tables import SEND_STATES, email_events, email_sends, send_outcomes, send_transitions


def listed(tx: sa.Connection, *, state: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Sends with their state, reason and outcome, the youngest plan first.

    Raises:
        ValueError: a state that there is not.
    """
    if state is not None and state not in SEND_STATES:
        raise ValueError(f"state={state!r} is unknown: choose from {', '.join(SEND_STATES)}")
    query = _sends().order_by(email_sends.c.planned_at.desc(), email_sends.c.send_id).limit(limit)
    if state is not None:
        query = query.where(email_sends.c.state == state)
    return [dict(row._mapping) for row in tx.execute(query)]


def why(tx: sa.Connection, business_id: uuid.UUID, desk: Desk, now: dt.datetime) -> list[dict[str, Any]]:
    """Each send of a business with its moves and events in order of time; empty when nothing was ever planned for it.

    ``archived`` says that its letter and events left Postgres; None of most. ``gate`` is what stops a planned send now: the first gate that does, or ``ready``; None of a send that is not planned.
    """
    found = []
    waiting = claiming.waiting(tx, desk, None, now, business_id=business_id)
    t, e = send_transitions, email_events
    for row in tx.execute(_sends().where(email_sends.c.business_id == business_id).order_by(email_sends.c.step)):
        moves = tx.execute(
            sa.select(t.c.happened_at, t.c.from_state, t.c.to_state, t.c.reason)
            .where(t.c.send_id == row.send_id)
            .order_by(t.c.transition_id)
        )
        events = tx.execute(
            sa.select(e.c.occurred_at, e.c.kind, e.c.bot_reason)
            .where(e.c.send_id == row.send_id)
            .order_by(e.c.occurred_at, e.c.event_id)
        )
        found.append(
            dict(row._mapping)
            | {"gate": waiting[row.send_id][1] if row.send_id in waiting else None}
            | {"archived": _archived(tx, row)}
            | {"moves": [dict(each._mapping) for each in moves], "events": [dict(each._mapping) for each in events]}
        )
    return found


def _archived(tx: sa.Connection, send: Any) -> str | None:
    at = archives.archived(tx, CampaignDay(send.campaign, send.cohort_on)).get("mail")
    return None if at is None else archives.told("mail", at)


def _sends() -> sa.Select[Any]:
    s, o = email_sends, send_outcomes
    return sa.select(
        s.c.campaign, s.c.cohort_on, s.c.send_id, s.c.business_id, s.c.step, s.c.state, s.c.reason, s.c.planned_at,
        s.c.claimed_at, s.c.settled_at, s.c.quarantined_at, o.c.state.label("outcome"),
    ).outerjoin(o, o.c.send_id == s.c.send_id)  # fmt: skip
