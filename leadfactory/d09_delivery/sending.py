"""Sends what is due: plan, claim, journal, hand over, settle. ``dry_run`` goes the same way and takes everything back."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections import Counter, defaultdict, deque
from pathlib import Path

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d08_personalization import follow_ups
from leadfactory.d09_delivery import claiming, halting, journal, mailing, planning, settling, sweeping
from leadfactory.d09_delivery.claiming import Desk
from leadfactory.d09_delivery.mailer import Mailer
from leadfactory.d09_delivery.mailing import Letter
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.reporting import ASSET, Tally, Waiting, active, rehearsal_reports, report, states
from leadfactory.d09_delivery.settling import Outcome
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database
from leadfactory.flow import Progress, each, quiet
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
    drafts = sa.select(sa.func.count()).select_from(planning.plannable(None, now).order_by(None).subquery())
    unwritten = follow_ups.count_due(tx, now, policy().follow_up_delays)
    return int(tx.scalar(planned) or 0) + int(tx.scalar(drafts) or 0) + unwritten


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
    sender = _Sender(db, desk, clock, settings, mailer, progress)
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


class _Sender:
    """The claim loop of one process."""

    def __init__(
        self, db: Database, desk: Desk, clock: Clock, settings: Settings, mailer: Mailer, progress: Progress
    ) -> None:
        self._db, self._desk, self._clock, self._settings = db, desk, clock, settings
        self._mailer, self._progress = mailer, progress
        self.tallies: dict[CampaignDay, Tally] = defaultdict(Tally)
        self._done = 0

    async def send(self, unit: CampaignDay | None, limit: int | None) -> dict[uuid.UUID, str]:
        """Claims and sends until nothing more passes the gates; the sends looked at in vain, with what stopped them."""
        stopped: dict[uuid.UUID, str] = {}
        while limit is None or self._done < limit:
            with self._db.begin() as tx:
                ready = deque(claiming.ready(tx, self._desk, unit, self._clock.now(), leave=list(stopped)))
            took = False
            while ready and (limit is None or self._done < limit):
                most = policy().claim_batch if limit is None else min(policy().claim_batch, limit - self._done)
                among = [ready.popleft() for _ in range(min(most, len(ready)))]
                with self._db.begin() as tx:
                    claimed = claiming.claim(tx, self._desk, unit, self._clock.now(), most=most, among=among)
                stopped |= claimed.stopped
                took = took or bool(claimed.letters or claimed.stopped)
                outcomes = await self._hand_over(claimed.letters)
                stopped |= {each.letter.send_id: f"not sent: {each.reason}" for each in outcomes if not each.left}
                self._done += sum(each.left for each in outcomes)
                if outcomes and not any(each.left for each in outcomes):
                    return stopped  # the mailer takes nothing now; the rest waits for the next run
            if not took:
                break
        return stopped

    async def _hand_over(self, letters: list[Letter]) -> list[Outcome]:
        """Calls for each letter; whatever stops this process in between, a letter that was not begun is planned again."""
        outcomes: list[Outcome] = []
        by_unit: dict[CampaignDay, list[Letter]] = defaultdict(list)
        for letter in letters:
            by_unit[letter.unit].append(letter)
        begun = _Begun(self._desk.journal, [letter for mine in by_unit.values() for letter in mine])
        try:
            for unit, mine in by_unit.items():
                await self._of_unit(unit, mine, begun, outcomes)
        finally:
            self._settle(
                [Outcome(each, "planned", "the run ended before it was handed over") for each in begun.untouched]
            )
        return outcomes

    async def _of_unit(self, unit: CampaignDay, letters: list[Letter], begun: _Begun, outcomes: list[Outcome]) -> None:
        async def work(letter: Letter) -> Outcome | None:
            if not begun.may_leave(letter):
                return None
            with self._mailer.gateway.about(letter.business_id):
                return await self._call(letter)

        def store(found: list[Outcome | None]) -> None:
            done = [outcome for outcome in found if outcome is not None]
            self._settle(done)
            outcomes.extend(done)

        async with self._mailer.gateway.running(unit=unit, asset=ASSET) as scope:
            await each(
                letters,
                work,
                store,
                at_once=policy().calls_at_once,
                batch=policy().settle_batch,
                told=lambda done, total: self._progress(ASSET, self._done + done, self._done + total),
            )
        tally = self.tallies[unit]
        tally.handed_over += sum(each.letter.unit == unit and each.left for each in outcomes)
        tally.calls += scope.calls
        tally.spend_microusd += scope.spend_microusd

    def _settle(self, outcomes: list[Outcome]) -> None:
        if outcomes:
            journal.returned(self._desk.journal, [each.letter.entry for each in outcomes if not each.left])
            with self._db.begin() as tx:
                settling.settle(tx, outcomes, self._clock.now())

    async def _call(self, letter: Letter) -> Outcome:
        """One attempt. What it may have done decides the state, never hope."""
        mail = mailing.message(letter, self._desk.public_url, self._desk.tokens, self._desk.inbound_domain)
        try:
            message_id = await self._mailer.send(mail)
        except VendorRejected as error:
            return Outcome(letter, "rejected", error.reason)
        except VendorUnavailable as error:
            return Outcome(letter, "unknown" if error.left_the_house else "planned", error.reason)
        return Outcome(letter, "accepted", None, message_id)


class _Begun:
    """Which letters of a claim may leave: those whose beginning the journal has, written for as many at once as are called at once.

    A letter that a sweep has released meanwhile, because this process seemed dead, may not: it is another's now.
    """

    def __init__(self, folder: Path, letters: list[Letter]) -> None:
        self._folder, self._waiting = folder, deque(letters)
        self._begun: dict[uuid.UUID, Letter] = {}
        self._released: set[uuid.UUID] = set()

    def may_leave(self, letter: Letter) -> bool:
        """Whether the letter may be handed over, now and once. Letters are asked for in the order of the claim.

        Raises:
            OSError: the journal cannot be written, so it may not.
        """
        if letter.send_id not in self._begun and letter.send_id not in self._released:
            most = min(policy().calls_at_once, len(self._waiting))
            chosen = [self._waiting[n] for n in range(most)]
            may = journal.begin(self._folder, [each.entry for each in chosen])
            for each in chosen:
                self._waiting.popleft()
                if each.send_id in may:
                    self._begun[each.send_id] = each
                else:
                    self._released.add(each.send_id)
        return self._begun.pop(letter.send_id, None) is not None

    @property
    def untouched(self) -> list[Letter]:
        """Letters of ours that were not handed over."""
        return [*self._begun.values(), *self._waiting]


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
