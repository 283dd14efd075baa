"""After a restore: every mail that the send journal knows and the database does not is taken for sent, whatever the rows say.

A claim that the database knows has a transition of that very moment. What it does not know was mailed in the gap: a planned send becomes
``unknown``, and where there is no row any more the recipient's slot is held as if there were. Repeating it changes nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days, fence
from leadfactory.d06_reports.tables import report_deliveries
from leadfactory.d09_delivery import journal, states
from leadfactory.d09_delivery.journal import Entry
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.tables import contact_slots, email_sends, send_transitions
from leadfactory.fence import replayed_sends

CHUNK = 1000
WHY = "the send journal names it and the restored database does not know that claim"
BY = "replay"


class JournalUnreadable(RuntimeError):
    """What was mailed since the restored moment cannot be known; only a person may let mail leave. The message says why."""


@dataclasses.dataclass
class Replayed:
    """What a replay found: entries read, those that the database did not know, and what became of them."""

    entries: int = 0
    unknown: int = 0
    held: int = 0
    reports: int = 0
    lifted: int = 0


def replay(tx: sa.Connection, folder: Path, now: dt.datetime) -> Replayed:
    """Takes every mail of the journal that the database does not know for sent, and takes the fence of a restore down.

    Raises:
        JournalUnreadable: nothing was changed, and the fence stands.
    """
    check(tx, folder)
    done = Replayed()
    for entries in _chunks(folder):
        done.entries += len(entries)
        _replay(tx, entries, now, done)
    if fence.is_fenced(tx) is not None:
        why = f"the whole journal was replayed: {done.entries} entries, {done.unknown + done.held + done.reports} of them unknown"
        done.lifted = fence.lift(tx, by=BY, why=why, now=now)
    return done


def check(tx: sa.Connection, folder: Path) -> None:
    """Looks whether the journal can tell the gap: it is there, every line of it reads, and it has the last claim that the database knows.

    Raises:
        JournalUnreadable: it cannot.
    """
    if not folder.is_dir():
        raise JournalUnreadable(f"{folder} is gone, and with it what was mailed since the backup")
    for path in sorted(folder.glob("*.jsonl")):
        try:
            lines = path.read_text().split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise JournalUnreadable(f"{path} cannot be read ({error})") from None
        for number, line in enumerate(lines, 1):
            if line and not line.startswith('{"send_id"'[: len(line)]):
                raise JournalUnreadable(f"{path}, line {number} is damaged")
    s = email_sends
    last = tx.execute(
        sa.select(s.c.send_id, s.c.claimed_at)
        .where(s.c.claimed_at.is_not(None))
        .order_by(s.c.claimed_at.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return
    hour = folder / f"{last.claimed_at.astimezone(dt.UTC):%Y-%m-%dT%H}.jsonl"
    if not hour.is_file() or str(last.send_id) not in hour.read_text():
        raise JournalUnreadable(
            f"{folder} does not have the last mail that the database knows ({last.send_id}): it is another or an older journal"
        )


def _chunks(folder: Path) -> Iterator[list[Entry]]:
    chunk: list[Entry] = []
    for entry in journal.read(folder):
        chunk.append(entry)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _replay(tx: sa.Connection, entries: list[Entry], now: dt.datetime, done: Replayed) -> None:
    ids = {each.send_id for each in entries}
    t, d = send_transitions, report_deliveries
    known = {
        (row.send_id, row.happened_at)
        for row in tx.execute(
            sa.select(t.c.send_id, t.c.happened_at).where(t.c.to_state == "claimed", t.c.send_id.in_(ids))
        )
    }
    reported = set(tx.scalars(sa.select(d.c.delivery_id).where(d.c.delivery_id.in_(ids), d.c.claimed_at.is_not(None))))
    fresh = [each for each in entries if (each.send_id, each.claimed_at) not in known and each.send_id not in reported]
    if not fresh:
        return
    _record(tx, fresh, now)
    there = {row.send_id: row.state for row in tx.execute(sa.select(email_sends.c.send_id, email_sends.c.state).where(email_sends.c.send_id.in_(ids)))}  # fmt: skip
    planned = {each.send_id: WHY for each in fresh if there.get(each.send_id) == "planned"}
    for entry in fresh:
        if entry.send_id in planned:
            moment = entry.claimed_at
            states.move(tx, {entry.send_id: WHY}, "planned", "claimed", moment, claimed_at=moment)
    done.unknown += len(states.move(tx, planned, "claimed", "unknown", now, settled_at=now))
    waiting = sa.update(d).where(d.c.delivery_id.in_([each.send_id for each in fresh]), d.c.state == "planned")
    done.reports += int(tx.execute(waiting.values(state="unknown", reason=WHY, claimed_at=now)).rowcount)
    done.held += _hold(tx, fresh, now)
    for unit in {each.unit for each in fresh if each.send_id in planned}:
        campaign_days.mark_dirty(tx, unit, "email_sends")


def _hold(tx: sa.Connection, entries: list[Entry], now: dt.datetime) -> int:
    """Holds the recipients' slots for as long as if the sends were known; how many."""
    cooldown, c = dt.timedelta(days=policy().recontact_cooldown_days), contact_slots
    rows = {
        each.address_hmac: {
            "slot_hmac": each.address_hmac, "kind": "address", "campaign": each.unit.campaign, "send_id": each.send_id,
            "held_until": each.claimed_at + cooldown,
        }
        for each in sorted(entries, key=lambda each: each.claimed_at)
        if each.claimed_at + cooldown > now
    }  # fmt: skip
    if not rows:
        return 0
    statement = insert(c).values([rows[slot] for slot in sorted(rows)])
    free = c.c.held_until < now
    changed = statement.on_conflict_do_update(
        index_elements=["slot_hmac"],
        set_={
            "held_until": sa.func.greatest(c.c.held_until, statement.excluded.held_until),
            "send_id": sa.case((free, statement.excluded.send_id), else_=c.c.send_id),
            "campaign": sa.case((free, statement.excluded.campaign), else_=c.c.campaign),
        },
    )
    return len(tx.execute(changed.returning(c.c.slot_hmac)).all())


def _record(tx: sa.Connection, entries: list[Entry], now: dt.datetime) -> None:
    rows = [
        {
            "send_id": each.send_id, "campaign": each.unit.campaign, "cohort_on": each.unit.day,
            "address_hmac": each.address_hmac, "claimed_at": each.claimed_at, "replayed_at": now,
        }
        for each in entries
    ]  # fmt: skip
    tx.execute(insert(replayed_sends).values(rows).on_conflict_do_nothing())
