"""Replays the send journal after a restore: what was perhaps sent and the restored ledger does not know of is unknown, never sent again.

Run it before anything is claimed. It can be run again: what the ledger knows is left alone.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.d06_reports.tables import report_deliveries
from leadfactory.d09_delivery import journal, slots, states
from leadfactory.d09_delivery.identity import send_id
from leadfactory.d09_delivery.journal import Entry
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.slots import Conversation
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database

BATCH = 500
NEW = "the journal names it and the restored database had no row of it"
FORGOTTEN = "the journal says that it was handed over, the restored database said planned"


@dataclasses.dataclass(frozen=True)
class Replayed:
    """Entries that were read, by what became of them; ``incomplete`` are ids of which the journal holds no more than a hash."""

    counts: dict[str, int]
    incomplete: list[str]


def replay(
    db: Database, folder: Path, now: dt.datetime, *, since: dt.datetime | None = None, dry_run: bool = False
) -> Replayed:
    """Brings the ledger up to the journal, from ``since`` on or from its beginning; with ``dry_run`` it only counts.

    Counted as ``known`` (the ledger has it), ``forgotten`` (planned again by the restore; now unknown), ``new`` (a row was
    made, unknown) and ``incomplete`` (no row can be made: its recipient's slot is held, so that nobody writes there).
    """
    counts: Counter[str] = Counter()
    incomplete: list[str] = []
    batch: list[Entry] = []

    def work() -> None:
        with db.engine.connect() as tx, tx.begin() as transaction:
            found, lacking = _replay_batch(tx, batch, now)
            if dry_run:
                transaction.rollback()
        counts.update(found)
        incomplete.extend(lacking)
        batch.clear()

    for entry in journal.read(folder):
        if since is not None and entry.claimed_at < since:
            continue
        batch.append(entry)
        if len(batch) >= BATCH:
            work()
    work()
    return Replayed(dict(counts), incomplete)


def _replay_batch(tx: sa.Connection, entries: Iterable[Entry], now: dt.datetime) -> tuple[Counter[str], list[str]]:
    by_id = {entry.send_id: entry for entry in entries}  # the last claim of a send speaks
    s, r = email_sends, report_deliveries
    rows = tx.execute(sa.select(s.c.send_id, s.c.state).where(s.c.send_id.in_(by_id)).with_for_update())
    state_of = {row.send_id: row.state for row in rows}
    mails = set(tx.scalars(sa.select(r.c.delivery_id).where(r.c.delivery_id.in_(by_id))))
    counts: Counter[str] = Counter()
    forgotten = [each for each in by_id if state_of.get(each) == "planned"]
    missing = [each for each in by_id if each not in state_of and each not in mails]
    made = [each for each in missing if by_id[each].row is not None]
    counts["known"] = len(by_id) - len(forgotten) - len(missing)
    for each in forgotten:
        entry = by_id[each]
        states.move(
            tx, {each: FORGOTTEN}, "planned", "claimed", now, claimed_at=entry.claimed_at, claim_id=entry.claim_id
        )
    counts["forgotten"] = len(
        states.move(tx, dict.fromkeys(forgotten, FORGOTTEN), "claimed", "unknown", now, settled_at=now)
    )
    if made:
        tx.execute(insert(s).on_conflict_do_nothing(), [_row(by_id[each]) for each in made])
        states.record(tx, dict.fromkeys(made, NEW), None, "unknown", now)
    counts["new"], counts["incomplete"] = len(made), len(missing) - len(made)
    _hold_slots(tx, [by_id[each] for each in (*forgotten, *missing)], now)
    for unit in sorted({by_id[each].unit for each in (*forgotten, *made)}):
        campaign_days.open_day(tx, unit, now)
        campaign_days.mark_dirty(tx, unit, "email_sends")
    return counts, [str(each) for each in missing if by_id[each].row is None]


def _row(entry: Entry) -> dict[str, Any]:
    known = entry.row or {}
    return {
        "campaign": entry.unit.campaign, "cohort_on": entry.unit.day, "send_id": entry.send_id,
        "business_id": uuid.UUID(known["business_id"]), "step": known["step"], "draft_id": uuid.UUID(known["draft_id"]),
        "address_hmac": entry.address_hmac, "address_plus_hmac": bytes.fromhex(known["address_plus_hmac"]),
        "domain_hmac": _bytes(known["domain_hmac"]), "mail_provider": known["mail_provider"],
        "sender_email": known["sender_email"], "state": "unknown", "reason": NEW, "timezone": None, "due_at": entry.claimed_at,
        "expires_at": entry.claimed_at + policy().expires_after_hours.of(known["step"]), "planned_at": entry.claimed_at,
        "claimed_at": entry.claimed_at, "claim_id": entry.claim_id, "settled_at": entry.claimed_at,
    }  # fmt: skip


def _hold_slots(tx: sa.Connection, entries: Iterable[Entry], now: dt.datetime) -> None:
    """The recipients hear from no other conversation: as after any claim, for as long."""
    wanted = [_conversation(entry) for entry in entries]
    until = now + dt.timedelta(days=policy().recontact_cooldown_days)
    slots.take(tx, wanted, until=until, now=now)


def _conversation(entry: Entry) -> Conversation:
    known = entry.row or {}
    # of a line that makes no row the slot is nobody's: the send itself, planned anew, must not get it either
    nobody = uuid.uuid5(entry.send_id, "perhaps sent before the restore")
    first = send_id(entry.unit.campaign, uuid.UUID(known["business_id"]), 1) if known else nobody
    return Conversation(entry.send_id, entry.unit.campaign, entry.address_hmac, _bytes(known.get("domain_hmac")), first)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
