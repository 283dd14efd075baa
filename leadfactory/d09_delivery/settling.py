"""What became of a claimed send, written at once: accepted, rejected, unknown, or planned again when it provably did not leave."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d09_delivery import states
from leadfactory.d09_delivery.mailing import Letter
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.statements import ANY_UNIT, of


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one handing-over ended. ``sendgrid_id`` with accepted only; every other state has a reason."""

    letter: Letter
    state: str
    reason: str | None = None
    sendgrid_id: str | None = None

    @property
    def left(self) -> bool:
        """Whether the mail may be on its way."""
        return self.state != "planned"


def settle(tx: sa.Connection, outcomes: Iterable[Outcome], now: dt.datetime) -> None:
    """Moves claimed sends to what became of them. One that a sweep has called unknown meanwhile takes the evidence."""
    by_state: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_state[outcome.state].append(outcome)
    for state, found in by_state.items():
        reasons = {each.letter.send_id: each.reason for each in found}
        if state == "planned":  # the slot stays with the send, so that nobody else writes to the recipient meanwhile
            ours = _of_our_claim(tx, found)
            states.move(tx, {each: reasons[each] for each in ours}, "claimed", "planned", now, **states.UNCLAIMED)
            continue
        names = {each.letter.send_id: each.sendgrid_id for each in found if each.sendgrid_id}
        moved = set(states.move(tx, reasons, "claimed", state, now, names=names, settled_at=now))
        late = {send_id: reason for send_id, reason in reasons.items() if send_id not in moved}
        if state != "unknown":
            states.move(tx, late, "unknown", state, now, names=names, settled_at=now)
    for unit in sorted(
        {each.letter.unit for found in by_state.values() for each in found}
    ):  # in one order everywhere: locks
        campaign_days.mark_dirty(tx, unit, "email_sends")


def _of_our_claim(tx: sa.Connection, outcomes: Iterable[Outcome]) -> list[uuid.UUID]:
    """Those that are still held by the claim they were read under; a sweep may have let one go and another claimed it."""
    s = email_sends
    claims = [(each.letter.send_id, each.letter.claim_id) for each in outcomes]
    held = sa.select(s.c.send_id).where(sa.tuple_(s.c.send_id, s.c.claim_id).in_(claims)).order_by(s.c.send_id)
    return list(tx.scalars(held.with_for_update()))


def end_mailing(tx: sa.Connection, unit: CampaignDay, now: dt.datetime) -> str:
    """Moves a campaign-day of which nothing is due or under way any more from mailing to listening; its state.

    Follow-ups that are planned for later do not keep it; the claim of one makes it mail again.
    """
    state = campaign_days.state_of(tx, unit)
    if state == "mailing" and tx.scalar(_busy(), of(unit) | {"now": now}) is None:
        campaign_days.set_state(tx, unit, "listening")
        return "listening"
    return state


@functools.cache
def _busy() -> sa.Select[Any]:
    return (
        sa.select(sa.literal(1))
        .where(
            email_sends.c.campaign == ANY_UNIT.campaign,
            email_sends.c.cohort_on == ANY_UNIT.day,
            sa.or_(
                email_sends.c.state == "claimed",
                sa.and_(email_sends.c.state == "planned", email_sends.c.due_at <= sa.bindparam("now")),
            ),
        )
        .limit(1)
    )
