"""What waits in the inbox, and whether a drain should start now. Reads only: the sensor asks this at every tick."""

from __future__ import annotations

import dataclasses
import json

import sqlalchemy as sa

from leadfactory.d06_reports import paid_work
from leadfactory.d09_delivery.folding import undecided
from leadfactory.inbox.tables import webhook_inbox

PAID = ("checkout.session.completed", "checkout.session.async_payment_succeeded")  # somebody waits for a report


@dataclasses.dataclass(frozen=True)
class Waiting:
    """Events that are not processed, the newest id of all, and what can be done now: sends that stored events would settle, refunds, reports and their mails.

    ``payments`` of the events say that somebody paid.
    """

    events: int
    newest: int
    undecided: int
    payments: int = 0

    @property
    def any(self) -> bool:
        """Whether a drain would find something to do."""
        return bool(self.events or self.undecided)


def look(tx: sa.Connection) -> Waiting:
    """What a drain would find: mail events, payment events, and what payments ask for."""
    t = webhook_inbox
    newest = sa.func.max(t.c.inbox_id).label("newest")
    paid = sa.func.count().filter(t.c.source == "stripe", t.c.kind.in_(PAID)).label("payments")
    row = tx.execute(sa.select(sa.func.count().label("events"), newest, paid).where(t.c.processed_at.is_(None)))
    found = row.one()
    open_sends = tx.scalar(sa.select(sa.func.count()).select_from(undecided().subquery()))
    return Waiting(found.events, found.newest or 0, int(open_sends or 0) + paid_work.count_due(tx), found.payments)


def payments(tx: sa.Connection) -> bool:
    """Whether somebody paid whose event waits."""
    t = webhook_inbox
    waits = sa.exists().where(t.c.processed_at.is_(None), t.c.source == "stripe", t.c.kind.in_(PAID))
    return bool(tx.scalar(sa.select(waits)))


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a tick decides: ``start`` a drain or wait, why, and the cursor that the next tick is handed."""

    start: bool
    why: str
    cursor: str


def plan(waiting: Waiting, cursor: str | None, *, busy: int, most_ticks: int) -> Plan:
    """Starts a drain when somebody paid, when events have stopped coming for a tick, or after ``most_ticks`` ticks of waiting. Pure.

    The cursor is a hint that bundles bursts: what is drained is decided by ``processed_at IS NULL``, so a lost, old or broken
    cursor costs a tick and loses nothing. Never starts one while another is queued or running.
    """
    newest, ticks = _read(cursor)
    if not waiting.any:
        return Plan(False, "nothing waits", _written(waiting.newest, 0))
    if busy:
        return Plan(False, f"{busy} drain is queued or running", _written(waiting.newest, ticks))
    if waiting.newest != newest and ticks + 1 < most_ticks and waiting.events and not waiting.payments:
        return Plan(False, f"{waiting.events} events wait and more are coming", _written(waiting.newest, ticks + 1))
    why = f"{waiting.events} events wait, {waiting.undecided} sends can be settled or paid things done"
    return Plan(True, why, _written(waiting.newest, 0))


def _read(cursor: str | None) -> tuple[int, int]:
    try:
        newest, ticks = json.loads(cursor or "[0, 0]")
        return int(newest), int(ticks)
    except (ValueError, TypeError):
        return 0, 0


def _written(newest: int, ticks: int) -> str:
    return json.dumps([newest, ticks])
