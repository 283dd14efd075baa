"""Before a run sends: ends what can never be sent, decides about claims of dead processes, quarantines what stays unknown."""

from __future__ import annotations

import datetime as dt
import functools
from collections import Counter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningUpdate

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d09_delivery import caps, claiming, gates, journal, states, suppression
from leadfactory.d09_delivery.claiming import Desk
from leadfactory.d09_delivery.journal import Claim
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.statements import AnyUnit, any_unit, of

_DEAD = """SELECT s.send_id, s.campaign, s.cohort_on, s.claimed_at, s.claim_id FROM email_sends s
    WHERE s.state = 'claimed' AND s.claim_expires_at < now() AND {where} FOR UPDATE SKIP LOCKED"""  # the database's clock serves leases


def sweep(
    tx: sa.Connection, desk: Desk, unit: CampaignDay | None, now: dt.datetime, *, dry_run: bool = False
) -> Counter[str]:
    """Ends what can never be sent (expired, refused) and decides about claims of dead processes; counts by state.

    Of those the journal tells which cannot have left: they are planned again; and which were answered. The others are unknown.

    Raises:
        KeyMismatch: with another suppression key nothing can be decided.
    """
    suppression.check_key(tx, desk.hashes)
    done: Counter[str] = Counter()
    dead = _dead(tx, unit)
    claims = [Claim(row.send_id, row.claim_id, row.claimed_at) for row in dead]
    free = journal.release(desk.journal, claims, dry_run=dry_run)
    again: states.Reasons = dict.fromkeys(free, "the process that claimed it ended before it was handed over")
    done["planned"] = len(states.move(tx, again, "claimed", "planned", now, **states.UNCLAIMED))
    told = {send_id: said for send_id, said in journal.answers(desk.journal, claims).items() if send_id not in free}
    for state in {said.state for said in told.values()}:
        reasons = {send_id: said.reason for send_id, said in told.items() if said.state == state}
        names = {send_id: told[send_id].message_id or "" for send_id in reasons if told[send_id].message_id}
        done[state] = len(states.move(tx, reasons, "claimed", state, now, names=names, settled_at=now))
    lost = {
        row.send_id: "the process that claimed it ended before it was settled" for row in dead if row.send_id not in {*free, *told}
    }  # fmt: skip
    done["unknown"] = len(states.move(tx, lost, "claimed", "unknown", now, settled_at=now))
    rows = _stopped_for_good(tx, desk, unit, now) if gates.any_planned(tx, unit) else []
    for outcome in ("expired", "refused"):
        reasons = {row.send_id: row.gate for row in rows if gates.OUTCOMES[row.gate] == outcome}
        done[outcome] = len(states.move(tx, reasons, "planned", outcome, now, settled_at=now))
    lost_for_good = _quarantine(tx, unit, now)
    done["quarantined"] = len(lost_for_good)
    for row in {(row.campaign, row.cohort_on) for row in (*rows, *dead, *lost_for_good)}:
        campaign_days.mark_dirty(tx, CampaignDay(*row), "email_sends")
    return done


def _stopped_for_good(tx: sa.Connection, desk: Desk, unit: CampaignDay | None, now: dt.datetime) -> list[Any]:
    where, given = gates.scope(unit)
    final = [name for name, outcome in gates.OUTCOMES.items() if outcome != "waits"]
    judged = sa.text(
        f"""SELECT send_id, campaign, cohort_on, gate FROM (
              SELECT s.send_id, s.campaign, s.cohort_on, {gates.FIRST_STOP_FOR_GOOD} AS gate FROM {gates.FROM}
              WHERE s.state = 'planned' AND {where}) judged
            WHERE gate = ANY(:final) ORDER BY send_id"""  # noqa: S608 - constants of gates.py only
    )
    day = caps.of_today(tx, now, desk.days_known)
    return list(tx.execute(judged, claiming.parameters(tx, desk, now, day) | given | {"final": final}))


def _dead(tx: sa.Connection, unit: CampaignDay | None) -> list[Any]:
    where, given = gates.scope(unit)
    return list(tx.execute(sa.text(_DEAD.format(where=where)), given))


def _quarantine(tx: sa.Connection, unit: CampaignDay | None, now: dt.datetime) -> list[Any]:
    """Sends that are unknown past the deadline: no event named them. They stay unknown, say so, and evidence still settles them."""
    hours = policy().unknown_quarantine_after_hours
    given = {
        "now": now,
        "deadline": now - dt.timedelta(hours=hours),
        "why": f"; no event within {hours} hours: quarantined",
    }
    rows = list(tx.execute(_quarantined(any_unit(unit)), of(unit) | given))
    states.record(tx, {row.send_id: row.reason for row in rows}, "unknown", "unknown", now)
    return rows


@functools.cache
def _quarantined(unit: AnyUnit | None) -> ReturningUpdate[Any]:
    s = email_sends
    why = sa.func.coalesce(s.c.reason, "unknown").op("||")(sa.bindparam("why", type_=sa.Text))
    overdue = (
        sa.update(s)
        .where(s.c.state == "unknown", s.c.quarantined_at.is_(None), s.c.settled_at < sa.bindparam("deadline"))
        .values(quarantined_at=sa.bindparam("now"), reason=why)
    )
    if unit is not None:
        overdue = overdue.where(s.c.campaign == unit.campaign, s.c.cohort_on == unit.day)
    return overdue.returning(s.c.send_id, s.c.campaign, s.c.cohort_on, s.c.reason)
