"""Sends what is due: plan, claim, journal, hand over, settle. ``dry_run`` goes the same way and takes everything back."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections import Counter

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d08_personalization import follow_ups
from leadfactory.d09_delivery import claiming, halting, planning, settling, sweeping
from leadfactory.d09_delivery.claim_loop import ClaimLoop
from leadfactory.d09_delivery.claiming import Desk
from leadfactory.d09_delivery.mailer import Mailer
from leadfactory.d09_delivery.mailing import Letter
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.reporting import Waiting, active, rehearsal_reports, report, states
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database
from leadfactory.flow import Progress, quiet
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport


async def send_due(
    unit: CampaignDay,
    *,
    db: Database,
    clock: Clock,
    settings: Settings,
    mailer: Mailer,
    dry_run: bool = True,
    limit: int | None = None,
    progress: Progress = quiet,
) -> StageReport:
    """Sends what is due of one campaign-day, or with ``dry_run`` lists what would be sent and what stops the rest.

    Raises:
        KeyMismatch: nothing can be sent with another suppression key than the recorded one.
        OSError: the journal cannot be written; nothing was sent that is not in it.
    """
    (told,) = await _run(
        unit, db=db, clock=clock, settings=settings, mailer=mailer, dry_run=dry_run, limit=limit, progress=progress
    )
    return told


async def send_all_due(
    *,
    db: Database,
    clock: Clock,
    settings: Settings,
    mailer: Mailer,
    dry_run: bool = True,
    limit: int | None = None,
    progress: Progress = quiet,
) -> list[StageReport]:
    """The same over all cohorts: one report for each campaign-day that has sends waiting or was changed.

    Raises:
        KeyMismatch, OSError: as ``send_due``.
    """
    return await _run(
        None, db=db, clock=clock, settings=settings, mailer=mailer, dry_run=dry_run, limit=limit, progress=progress
    )


def count_due(tx: sa.Connection, now: dt.datetime) -> int:
    """Sends that are planned, due and not expired, drafts that wait to be planned, follow-ups to write: what the schedule asks."""
    s = email_sends
    planned = sa.select(sa.func.count()).where(s.c.state == "planned", s.c.due_at <= now, s.c.expires_at > now)
    drafts = sa.select(sa.func.count()).select_from(planning.plannable(None).order_by(None).subquery())
    unwritten = follow_ups.count_due(tx, now, policy().follow_up_delays)
    return int(tx.scalar(planned) or 0) + int(tx.scalar(drafts, planning.plannable_at(None, now)) or 0) + unwritten


async def _run(
    unit: CampaignDay | None,
    *,
    db: Database,
    clock: Clock,
    settings: Settings,
    mailer: Mailer,
    dry_run: bool,
    limit: int | None,
    progress: Progress,
) -> list[StageReport]:
    began, started_at = time.monotonic(), clock.now()
    desk = Desk.of(settings)
    if dry_run:
        would, waiting, before = _rehearsed(db, desk, unit, clock, limit)
        return rehearsal_reports(db, unit, would, waiting, before, time.monotonic() - began)
    with db.begin() as tx:
        if unit is not None:
            campaign_days.open_day(tx, unit, started_at)
        before = states(tx, unit)
        follow_ups.write_due(tx, desk.tokens, desk.public_url, unit, started_at, policy().follow_up_delays)
        planning.plan_sends(tx, unit, started_at, desk.hashes)
        halting.judge_lists(tx, desk.env, started_at)
        sweeping.sweep(tx, desk, unit, started_at)
    sender = ClaimLoop(db, desk, clock, mailer, progress)
    stopped = await sender.send(unit, limit)
    with db.begin() as tx:
        waiting = claiming.waiting(tx, desk, unit, clock.now())
        after = states(tx, unit)
        units = [unit] if unit is not None else sorted(active(before, after) | set(sender.tallies))
        for each_unit in units:
            settling.end_mailing(tx, each_unit, clock.now())
    waiting = {send_id: (of, stopped.get(send_id, gate)) for send_id, (of, gate) in waiting.items()}
    seconds = time.monotonic() - began
    return [
        report(db, each_unit, before[each_unit], after[each_unit], waiting, sender.tallies[each_unit], seconds)
        for each_unit in units
    ]


def _rehearsed(
    db: Database, desk: Desk, unit: CampaignDay | None, clock: Clock, limit: int | None
) -> tuple[list[Letter], Waiting, dict[CampaignDay, Counter[str]]]:
    """The same planning, sweeping and claiming in a transaction that is rolled back: nothing is written, nothing leaves."""
    now = clock.now()
    letters: list[Letter] = []
    stopped: dict[uuid.UUID, str] = {}
    with db.engine.connect() as tx, tx.begin() as transaction:
        before = states(tx, unit)
        follow_ups.write_due(tx, desk.tokens, desk.public_url, unit, now, policy().follow_up_delays)
        planning.plan_sends(tx, unit, now, desk.hashes)
        halting.judge_lists(tx, desk.env, now)
        judged = claiming.waiting(tx, desk, unit, now)
        sweeping.sweep(tx, desk, unit, now, dry_run=True)
        while limit is None or len(letters) < limit:
            most = policy().claim_batch if limit is None else min(policy().claim_batch, limit - len(letters))
            claimed = claiming.claim(tx, desk, unit, now, most=most, leave=list(stopped), dry_run=True)
            letters += claimed.letters
            stopped |= claimed.stopped
            if not claimed.letters and not claimed.stopped:
                break
        transaction.rollback()
    taken = {letter.send_id for letter in letters}
    waiting = {s: (of, stopped.get(s, gate)) for s, (of, gate) in judged.items() if s not in taken}
    return letters, waiting, before
