"""Drains waiting mail events from the inbox into ``email_events`` and folds what they say of each send.

Folding is one at a time (an advisory lock), so that the last one to fold a send sees all its events; it locks no send but those
that evidence settles, and passes over those that a sender holds.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import archives, campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d09_delivery import halting, sequences, states
from leadfactory.d09_delivery.mail_events import KINDS, MailEvent, Outcome, fold
from leadfactory.d09_delivery.tables import email_events, email_sends, send_outcomes
from leadfactory.database import Database
from leadfactory.inbox.rules import rules
from leadfactory.inbox.tables import MAIL_SOURCES, webhook_inbox

OF_A_REPORT = "of a mail with a report: purchases show tells what became of it"
LATE = "came after its mail had left; a wish to hear no more holds all the same"
EVIDENCE = "an event that carries its send id came"
FOLD_LOCK = 0x1EADF01D
_MACHINE = ("sg_machine_open", "machine_agent")


@dataclasses.dataclass
class Drained:
    """What a drain did: rows by outcome, events by campaign-day, sends settled by evidence."""

    outcomes: Counter[str] = dataclasses.field(default_factory=Counter)
    units: Counter[CampaignDay] = dataclasses.field(default_factory=Counter)
    settled: int = 0
    batches: int = 0


def drain(*, db: Database, clock: Clock) -> Drained:
    """Takes all that waits, a batch a transaction; a killed drain leaves whole batches done and the rest waiting."""
    done = Drained()
    while True:
        with db.begin() as tx:
            taken = _drain_batch(tx, clock.now(), done)
        if not taken:
            break
        done.batches += 1
    with db.begin() as tx:
        late = settle_by_evidence(tx, _undecided(tx), clock.now())
        done.settled += len(late)
        done.units.update(dict.fromkeys(late.values(), 0))
    return done


def _drain_batch(tx: sa.Connection, now: dt.datetime, done: Drained) -> int:
    t = webhook_inbox
    _one_at_a_time(tx)
    rows = tx.execute(
        sa.select(t.c.inbox_id, t.c.event_id, t.c.kind, t.c.send_id, t.c.occurred_at, t.c.received_at, t.c.payload)
        .where(t.c.source.in_(MAIL_SOURCES), t.c.processed_at.is_(None))
        .order_by(t.c.inbox_id)
        .limit(rules().drain_batch)
        .with_for_update(skip_locked=True)
    ).all()
    if not rows:
        return 0
    named = {row.send_id for row in rows if row.send_id is not None}
    sends = _sends(tx, named)
    reports = _mails_of_reports(tx, named - sends.keys())
    left = archives.left(tx, {_unit(send) for send in sends.values()}, "mail")
    outcomes: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    events, late = [], []
    for row in rows:
        if row.kind not in KINDS:
            told: tuple[str, str | None] = "kept", "a kind that nothing reads"
        elif row.send_id in sends and (archived_at := left.get(_unit(sends[row.send_id]))) is not None:
            told = "kept", f"{LATE}: {archives.told('mail', archived_at)}"
            late.append(_event(row, sends[row.send_id]))
        elif row.send_id in sends:
            told = "folded", None
            events.append(_event(row, sends[row.send_id]))
        else:
            told = "unmatched", OF_A_REPORT if row.send_id in reports else "no send of ours"
        outcomes[told].append(row.inbox_id)
    if events:
        tx.execute(insert(email_events).on_conflict_do_nothing(), events)
    touched = {event["send_id"] for event in events}
    fold_sends(tx, touched, now)
    _honour(tx, late, now)
    done.settled += len(settle_by_evidence(tx, touched | {event["send_id"] for event in late}, now))
    for (outcome, reason), ids in outcomes.items():
        tx.execute(sa.update(t).where(t.c.inbox_id.in_(ids)).values(processed_at=now, outcome=outcome, reason=reason))
        done.outcomes[outcome] += len(ids)
    for event in events:
        done.units[CampaignDay(event["campaign"], event["cohort_on"])] += 1
    return len(rows)


def fold_sends(tx: sa.Connection, send_ids: Collection[uuid.UUID], now: dt.datetime) -> int:
    """Folds all stored events of these sends into their outcomes; how many. The caller folds alone.

    A click by a person, a bounce, a complaint or an unsubscribe ends the conversation.
    """
    if not send_ids:
        return 0
    e = email_events
    by_send: dict[uuid.UUID, list[Any]] = defaultdict(list)
    for row in tx.execute(sa.select(e).where(e.c.send_id.in_(send_ids))):
        by_send[row.send_id].append(row)
    results, marks = [], []
    ends: dict[uuid.UUID, sequences.Reason] = {}
    for send_id, rows in by_send.items():
        outcome = fold((_of_row(row) for row in rows), rules().bots)
        own = {name: getattr(rows[0], name) for name in ("campaign", "cohort_on", "business_id")}
        if (told := _ends(outcome)) is not None:
            ends[send_id] = told
        results.append({"send_id": send_id, **own, **outcome.columns()})
        marks += [
            {"id": row.event_id, "why": outcome.bots.get(row.event_id)}
            for row in rows
            if row.bot_reason != outcome.bots.get(row.event_id)
        ]
    if marks:
        tx.execute(sa.update(e).where(e.c.event_id == sa.bindparam("id")).values(bot_reason=sa.bindparam("why")), marks)
    if results:
        statement = insert(send_outcomes)
        names = [column.name for column in send_outcomes.columns if column.name != "send_id"]
        tx.execute(
            statement.on_conflict_do_update(
                index_elements=["send_id"], set_={name: statement.excluded[name] for name in names}
            ),
            results,
        )
    sequences.stop_each(tx, ends, now)
    harmed = [send_id for send_id, reason in ends.items() if reason in ("complaint", "bounce")]
    if harmed:
        s = email_sends
        hit = tx.execute(sa.select(s.c.sender_email, s.c.campaign).distinct().where(s.c.send_id.in_(harmed))).all()
        halting.judge(tx, {row.sender_email for row in hit}, {row.campaign for row in hit}, now)
    latest: dict[CampaignDay, dt.datetime] = {}
    for row in (row for rows in by_send.values() for row in rows):
        unit = CampaignDay(row.campaign, row.cohort_on)
        latest[unit] = max(latest.get(unit, row.occurred_at), row.occurred_at)
    for unit in sorted(latest):
        campaign_days.mark_dirty(tx, unit, "email_events", "send_outcomes")
        _note_event(tx, unit, latest[unit])
    return len(results)


def _honour(tx: sa.Connection, late: list[dict[str, Any]], now: dt.datetime) -> None:
    """Ends the conversations that events of archived mail end. They are not folded: what they would be folded with is in the lake."""
    by_send: dict[uuid.UUID, list[MailEvent]] = defaultdict(list)
    for event in late:
        by_send[event["send_id"]].append(_of_row(SimpleNamespace(**event)))
    told = {send_id: _ends(fold(events, rules().bots)) for send_id, events in by_send.items()}
    sequences.stop_each(tx, {send_id: reason for send_id, reason in told.items() if reason is not None}, now)


def refold(tx: sa.Connection, unit: CampaignDay, now: dt.datetime) -> tuple[int, int]:
    """Folds a campaign-day again from its stored events; (events, sends). Buys nothing, sends nothing, repeats nothing."""
    e = email_events
    _one_at_a_time(tx)
    ids = set(tx.scalars(sa.select(e.c.send_id).where(e.c.campaign == unit.campaign, e.c.cohort_on == unit.day)))
    sends = fold_sends(tx, ids, now)
    settle_by_evidence(tx, ids, now)
    count = sa.select(sa.func.count()).where(e.c.campaign == unit.campaign, e.c.cohort_on == unit.day)
    return int(tx.scalar(count) or 0), sends


def settle_by_evidence(
    tx: sa.Connection, send_ids: Collection[uuid.UUID], now: dt.datetime
) -> dict[uuid.UUID, CampaignDay]:
    """Calls accepted what SendGrid speaks of: sends that are unknown, and claimed ones whose process is dead.

    A send that is planned again although its mail left is settled too: evidence stands above what its process believed, and a
    second mail must not go out. A live claim is left to its process.
    """
    if not send_ids:
        return {}
    s = email_sends
    rows = tx.execute(
        sa.select(s.c.send_id, s.c.campaign, s.c.cohort_on, s.c.state)
        .where(s.c.send_id.in_(send_ids), _open())
        .order_by(s.c.send_id)
        .with_for_update(skip_locked=True)
    ).all()
    of_state: dict[str, dict[uuid.UUID, str | None]] = defaultdict(dict)
    for row in rows:
        of_state[row.state][row.send_id] = EVIDENCE
    states.move(tx, of_state["planned"], "planned", "claimed", now, claimed_at=now)
    states.move(tx, of_state["planned"] | of_state["claimed"], "claimed", "accepted", now, settled_at=now)
    states.move(tx, of_state["unknown"], "unknown", "accepted", now, settled_at=now)
    found = {row.send_id: CampaignDay(row.campaign, row.cohort_on) for row in rows}
    e = email_events
    named = sa.select(sa.func.min(e.c.message_id)).where(e.c.send_id == s.c.send_id).scalar_subquery()
    unnamed = sa.func.concat("unnamed:", s.c.send_id)
    tx.execute(
        sa.update(s)
        .where(s.c.send_id.in_(found), s.c.sendgrid_id.is_(None))
        .values(sendgrid_id=sa.func.coalesce(named, unnamed))
    )
    for unit in sorted(set(found.values())):
        campaign_days.mark_dirty(tx, unit, "email_sends")
    return found


def _undecided(tx: sa.Connection) -> set[uuid.UUID]:
    """Sends of which events are stored and which are not settled: their state changed after the events were folded."""
    return set(tx.scalars(undecided()))


def undecided() -> sa.Select[Any]:
    """Sends that evidence would settle now."""
    s = email_sends
    return sa.select(s.c.send_id).where(_open(), sa.exists().where(email_events.c.send_id == s.c.send_id))


def _open() -> sa.ColumnElement[bool]:
    s = email_sends
    dead = sa.and_(s.c.state == "claimed", s.c.claim_expires_at < sa.func.now())  # the database's clock serves leases
    return sa.or_(s.c.state.in_(("unknown", "planned")), dead)


def _one_at_a_time(tx: sa.Connection) -> None:
    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(FOLD_LOCK)))


def _sends(tx: sa.Connection, send_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Any]:
    s = email_sends
    rows = tx.execute(
        sa.select(s.c.send_id, s.c.campaign, s.c.cohort_on, s.c.business_id).where(s.c.send_id.in_(list(send_ids)))
    )
    return {row.send_id: row for row in rows}


def _mails_of_reports(tx: sa.Connection, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Which of these name a mail with a report: the shop's, whose own room reads what the inbox keeps of it."""
    known = sa.text("SELECT delivery_id FROM report_deliveries WHERE delivery_id = ANY(:ids)")
    return set(tx.scalars(known, {"ids": list(ids)})) if ids else set()


def _event(row: Any, send: Any) -> dict[str, Any]:
    payload = row.payload
    return {
        "campaign": send.campaign, "cohort_on": send.cohort_on, "event_id": row.event_id, "send_id": send.send_id,
        "business_id": send.business_id, "kind": row.kind, "occurred_at": row.occurred_at,
        "bounce_type": _text(payload.get("type")), "bounce_classification": _text(payload.get("bounce_classification")),
        "url_hash": _text(payload.get("url_hash")), "machine": any(payload.get(name) is True for name in _MACHINE),
        "message_id": (_text(payload.get("sg_message_id")) or "").split(".")[0] or None, "received_at": row.received_at,
    }  # fmt: skip


def _unit(row: Any) -> CampaignDay:
    return CampaignDay(row.campaign, row.cohort_on)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _ends(outcome: Outcome) -> sequences.Reason | None:
    """Why the conversation is over, the strongest reason first; only what no later event takes back."""
    if outcome.complained_at is not None:
        return "complaint"
    if outcome.unsubscribed_at is not None:
        return "unsubscribe"
    if outcome.delivery == "bounced":
        return "bounce"
    return None if outcome.clicked_at is None else "click"


def _of_row(row: Any) -> MailEvent:
    return MailEvent(row.event_id, row.kind, row.occurred_at, row.bounce_type, row.url_hash, row.machine)


def _note_event(tx: sa.Connection, unit: CampaignDay, at: dt.datetime) -> None:
    t = campaign_days.campaign_days
    tx.execute(
        sa.update(t)
        .where(t.c.campaign == unit.campaign, t.c.cohort_on == unit.day)
        .values(last_event_at=sa.func.greatest(t.c.last_event_at, at))
    )
