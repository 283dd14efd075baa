"""The claim loop of one sending process: claim a batch, hand it over, settle it, and the next.

While a batch is handed over the next is claimed on another thread, so that the mailer does not wait for the database. One gateway
serves all batches: connections, the ledger's among them, outlive a claim.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import defaultdict, deque
from pathlib import Path

from leadfactory import flow
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d09_delivery import claiming, journal, mailing, settling
from leadfactory.d09_delivery.claiming import Claimed, Desk
from leadfactory.d09_delivery.journal import Answer
from leadfactory.d09_delivery.mailer import Mailer
from leadfactory.d09_delivery.mailing import Letter
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.reporting import ASSET, Tally
from leadfactory.d09_delivery.settling import Outcome
from leadfactory.database import Database
from leadfactory.flow import Progress


class ClaimLoop:
    """Sends until nothing more passes the gates; ``tallies`` says by campaign-day what that came to."""

    def __init__(self, db: Database, desk: Desk, clock: Clock, mailer: Mailer, progress: Progress) -> None:
        self._db, self._desk, self._clock, self._mailer, self._progress = db, desk, clock, mailer, progress
        self.tallies: dict[CampaignDay, Tally] = defaultdict(Tally)
        self._done, self._is_open = 0, False

    async def send(self, unit: CampaignDay | None, limit: int | None) -> dict[uuid.UUID, str]:
        """Claims and sends; the sends looked at in vain, with what stopped them."""
        stopped: dict[uuid.UUID, str] = {}
        async with contextlib.AsyncExitStack() as office:
            goes_on = True
            while goes_on and (limit is None or self._done < limit):
                with self._db.begin() as tx:
                    ready = deque(claiming.ready(tx, self._desk, unit, self._clock.now(), leave=list(stopped)))
                goes_on = await self._send_ready(unit, limit, ready, stopped, office)
        return stopped

    async def _send_ready(
        self,
        unit: CampaignDay | None,
        limit: int | None,
        ready: deque[uuid.UUID],
        stopped: dict[uuid.UUID, str],
        office: contextlib.AsyncExitStack,
    ) -> bool:
        """Claims and sends those that are ready; whether it is worth looking for more."""
        took = False
        ahead: asyncio.Task[Claimed] | None = None
        try:
            while ahead is not None or (ready and (limit is None or self._done < limit)):
                claimed = await (ahead or self._claiming(unit, limit, ready))
                alone = limit is not None or flow.takes_turns()  # how many may follow is known when these have left
                ahead = None if alone or not ready else self._claiming(unit, limit, ready)
                stopped |= claimed.stopped
                took = took or bool(claimed.letters or claimed.stopped)
                if claimed.letters and not self._is_open:
                    await office.enter_async_context(self._mailer.gateway.running(asset=ASSET))
                    self._is_open = True
                outcomes = await self._hand_over(claimed.letters)
                stopped |= {each.letter.send_id: f"not sent: {each.reason}" for each in outcomes if not each.left}
                self._done += sum(each.left for each in outcomes)
                if outcomes and not any(each.left for each in outcomes):
                    return False  # the mailer takes nothing now; the rest waits for the next run
        finally:
            if ahead is not None:
                self._give_back((await ahead).letters)
        return took

    def _claiming(self, unit: CampaignDay | None, limit: int | None, ready: deque[uuid.UUID]) -> asyncio.Task[Claimed]:
        most = policy().claim_batch if limit is None else min(policy().claim_batch, limit - self._done)
        among = [ready.popleft() for _ in range(min(most, len(ready)))]

        def claim() -> Claimed:
            with self._db.begin() as tx:
                return claiming.claim(tx, self._desk, unit, self._clock.now(), most=most, among=among)

        return asyncio.create_task(asyncio.to_thread(claim), name="claim")

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
            self._give_back(begun.untouched)
        return outcomes

    async def _of_unit(self, unit: CampaignDay, letters: list[Letter], begun: _Begun, outcomes: list[Outcome]) -> None:
        async def work(letter: Letter) -> Outcome | None:
            if not begun.may_leave(letter):
                return None
            with self._mailer.gateway.about(letter.business_id):
                outcome = await self._call(letter)
            if outcome.state in ("accepted", "rejected"):  # all else is settled as if this process had died
                answer = Answer(outcome.state, outcome.reason, outcome.sendgrid_id)
                journal.answered(self._desk.journal, letter.entry, answer)
            return outcome

        def store(found: list[Outcome | None]) -> None:
            done = [outcome for outcome in found if outcome is not None]
            self._settle(done)
            outcomes.extend(done)

        async with self._mailer.gateway.running(unit=unit, asset=ASSET) as scope:
            await flow.each(
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

    def _give_back(self, letters: list[Letter]) -> None:
        """Letters that were claimed and did not leave are planned again."""
        self._settle([Outcome(each, "planned", "the run ended before it was handed over") for each in letters])

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
    """Which letters of a claim may leave: those whose beginning the journal has, written for as many at once as are settled together.

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
            chosen = [self._waiting[n] for n in range(min(policy().settle_batch, len(self._waiting)))]
            may = journal.begin(self._folder, [each.entry for each in chosen])
            for each in chosen:
                self._waiting.popleft()
                if each.send_id in may:
                    self._begun[each.send_id] = each
                else:
                    self._released.add(each.send_id)
        if letter.send_id not in self._begun:
            return False
        may_leave = journal.call(self._folder, letter.entry)
        del self._begun[letter.send_id]
        return may_leave

    @property
    def untouched(self) -> list[Letter]:
        """Letters of ours that were not handed over."""
        return [*self._begun.values(), *self._waiting]
