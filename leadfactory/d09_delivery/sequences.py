"""Sequences: a first letter and its follow-ups are one conversation, which ends for good as soon as the recipient answers it.

A stop is a row of ``sequence_stops`` by (campaign, business): it ends the follow-ups that are planned, keeps further ones from being
planned, and is asked again by the gate ``sequence_stopped`` in the claim. An out-of-office reply is no stop: do not call this.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d09_delivery import states
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.tables import email_sends, send_outcomes, sequence_stops

FIRST = 1  # the step that opens a conversation
# A letter before this one that was turned away or never tried: SQL over the alias s. No stop, for a delivery that is told later takes
# it back; without one the follow-up is not written, not planned and not claimed, and expires.
UNDELIVERED_BEFORE = """EXISTS (SELECT 1 FROM email_sends p JOIN send_outcomes o ON o.send_id = p.send_id
    WHERE (p.business_id, p.campaign) = (s.business_id, s.campaign) AND p.step < s.step AND o.delivery IN ('blocked', 'dropped'))"""
Reason = Literal["erased", "complaint", "unsubscribe", "not_me", "bounce", "purchase", "reply", "click"]
REASONS: tuple[Reason, ...] = get_args(
    Reason
)  # the strongest first: of several that are told, it is the one that stays


def stop(tx: sa.Connection, send_id: uuid.UUID, reason: Reason, now: dt.datetime) -> int:
    """Ends the follow-ups of a send's conversation, in the caller's transaction; how many planned ones ended.

    From the commit on no claim contains a follow-up of it. A first letter that waits is not touched: who must not be written to at
    all is suppressed. A send that does not exist stops nothing.
    """
    return stop_each(tx, {send_id: reason}, now)


def stop_each(tx: sa.Connection, reasons: Mapping[uuid.UUID, Reason], now: dt.datetime) -> int:
    """The same for the conversations of several sends at once."""
    if not reasons:
        return 0
    s = email_sends
    told: dict[tuple[str, uuid.UUID], tuple[Reason, uuid.UUID]] = {}
    for row in tx.execute(sa.select(s.c.send_id, s.c.campaign, s.c.business_id).where(s.c.send_id.in_(reasons))):
        mine = (reasons[row.send_id], row.send_id)
        known = told.setdefault((row.campaign, row.business_id), mine)
        if (_rank(mine[0]), mine[1]) < (_rank(known[0]), known[1]):
            told[row.campaign, row.business_id] = mine
    if not told:
        return 0
    _store(tx, told, now)
    businesses = {business for _, business in told}
    found = tx.execute(
        sa.select(s.c.send_id, s.c.campaign, s.c.cohort_on, s.c.business_id)
        .where(s.c.state == "planned", s.c.step > FIRST, s.c.business_id.in_(businesses))
        .order_by(s.c.send_id)
        .with_for_update()
    )
    waiting = [row for row in found if (row.campaign, row.business_id) in told]
    why = {row.send_id: f"sequence stopped: {told[row.campaign, row.business_id][0]}" for row in waiting}
    ended = states.move(tx, why, "planned", "refused", now, settled_at=now)
    for unit in sorted({CampaignDay(row.campaign, row.cohort_on) for row in waiting}):
        campaign_days.mark_dirty(tx, unit, "email_sends")
    return len(ended)


def undelivered(send_id: sa.ColumnElement[uuid.UUID]) -> sa.Exists:
    """Whether the letter ``send_id`` was blocked or dropped, and nobody has told of its delivery."""
    o = send_outcomes
    return sa.exists().where(o.c.send_id == send_id, o.c.delivery.in_(("blocked", "dropped")))


def due_at(
    step: int, after: dt.datetime | None, timezone: str | None, now: dt.datetime, send_time: str | None = None
) -> dt.datetime:
    """When a step may leave: a first letter at once, a follow-up so many days ``after`` its predecessor, in the recipient's window.

    With a ``send_time``, the arm of an experiment, that window is the arm's, and a first letter waits for it too.

    A follow-up lives for hours only, so it begins when a window opens: one that fell on a Saturday would never leave. One that is
    planned too late begins with the next window too.
    """
    window = policy().window_of(send_time)
    if step == FIRST or after is None:
        return now if send_time is None else window.next_open(timezone, now) or now
    wanted = max(after + policy().follow_up_delay(step), now)
    return window.next_open(timezone, wanted) or wanted


def _store(tx: sa.Connection, told: Mapping[tuple[str, uuid.UUID], tuple[Reason, uuid.UUID]], now: dt.datetime) -> None:
    t = sequence_stops
    rows = [
        {"campaign": campaign, "business_id": business, "reason": reason, "send_id": send_id, "stopped_at": now}
        for (campaign, business), (reason, send_id) in sorted(told.items())  # one order everywhere: no two stops wait for each other
    ]  # fmt: skip
    statement = insert(t)
    ranks = {reason: _rank(reason) for reason in REASONS}
    stronger = sa.case(ranks, value=statement.excluded.reason) < sa.case(ranks, value=t.c.reason)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["campaign", "business_id"],
            set_={"reason": statement.excluded.reason, "send_id": statement.excluded.send_id},
            where=stronger,
        ),
        rows,
    )


def _rank(reason: Reason) -> int:
    return REASONS.index(reason)
