"""One transaction of the writer: reads and locks in one round trip, decides in memory, writes in a second one.

Locks are taken in one order by all processes: ledger rows, quotas, leases, budgets, breakers.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import time
import uuid
from collections import defaultdict
from typing import LiteralString

import psycopg
from psycopg.types.json import Jsonb

from leadfactory import pauses, reloading
from leadfactory.d00_gateway import breaker, budget, cache, granting, ledger, limiter, quotas
from leadfactory.d00_gateway.breaker import Breaker
from leadfactory.d00_gateway.budget import Budget
from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.held import Held, Start, look_up
from leadfactory.d00_gateway.ledger import BudgetKey, Ending, Hit, Permit
from leadfactory.d00_gateway.limiter import Lease, Quota
from leadfactory.d00_gateway.meanings import VendorWord
from leadfactory.d00_gateway.policies import Policies

log = logging.getLogger(__name__)
BREAKERS_STALE_S = 1.0
LANDING_LOOK_S = 0.05  # how often a look-up looks whether another process has the answer to the same one


class Batch:
    """The starts and endings of one transaction, and what it decides; memory changes only in ``apply`` after the commit."""

    def __init__(self, held: Held, policies: Policies, starts: list[Start], endings: list[Ending]) -> None:
        self.held, self.policies, self.starts, self.endings = held, policies, starts, endings
        self.began = time.monotonic()
        self.now = dt.datetime.now(dt.UTC)
        self.quotas: dict[str, list[Quota]] = defaultdict(list)
        self.budgets: dict[BudgetKey, Budget] = {}
        self.breakers: dict[str, Breaker] = dict(held.breakers)
        self.pauses: list[pauses.Pause] = held.pauses
        self.reload_id = held.reload_id
        self.sent: dict[str, int] = {}
        self.taken: dict[uuid.UUID, int] = defaultdict(int)
        self.new_leases: list[Lease] = []
        self.ended: set[uuid.UUID] = set()
        self.alive: set[uuid.UUID] = set()
        self.rows: list[tuple] = []
        self.granted: list[tuple[Start, Permit | Hit]] = []
        self.refused: list[tuple[Start, VendorUnavailable]] = []
        self.waiting: list[tuple[Start, float]] = []
        self.read_breakers = False
        for start in starts:
            start.probe_id = None  # of a try that was rolled back

    async def run(self, conn: psycopg.AsyncConnection) -> None:
        """All of it, inside the caller's transaction and pipeline."""
        hits = await self._read(conn)
        await self._vote(conn)
        open_starts = self._serve_hits(hits)
        open_starts = await self._pass_breakers(conn, self._pass_pauses(open_starts))
        for vendor in sorted({start.call.vendor for start in open_starts}):
            granting.grant(self, vendor, [start for start in open_starts if start.call.vendor == vendor])
        await self._write(conn)

    # -- first round trip: settle, read, lock ------------------------------------------------------------------------

    async def _read(self, conn: psycopg.AsyncConnection) -> dict[tuple[str, bytes], tuple]:
        settled = await self._settle(conn)
        look_ups = [start for start in self.starts if start.call.cache_for is not None]
        hits, taken_off = None, None
        if look_ups:
            wanted = {start.look_up for start in look_ups} - self.held.locked
            taken_off = await conn.execute(cache.TAKE_OFF, [list(wanted)])  # before the look: what landed since is seen
            hits = await conn.execute(cache.READ, {
                "vendors": [start.call.vendor for start in look_ups],
                "keys": [start.call.request_hash for start in look_ups], "nows": [start.now for start in look_ups],
            })  # fmt: skip
        self.read_breakers = self.began - self.held.breakers_read_at > BREAKERS_STALE_S
        look = self.read_breakers and self.starts
        breakers = await conn.execute(breaker.READ) if look else None
        paused = await conn.execute(pauses.READ) if look else None
        reload = await conn.execute(reloading.READ) if look else None
        counts = await quotas.lock(conn, self)
        budgets = await self._lock_budgets(conn)
        if taken_off is not None:  # held even if this transaction is rolled back: the lock is the session's
            self.held.locked |= {row[0] for row in await taken_off.fetchall() if row[1]}
        if breakers is not None:
            self.breakers = {row[0]: Breaker(*row) for row in await breakers.fetchall()}
        if paused is not None:
            self.pauses = [pauses.Pause(*row) for row in await paused.fetchall()]
        if reload is not None:
            (self.reload_id,) = await reload.fetchone() or (0,)
        if counts is not None:
            await quotas.take_in(self, counts)
        if budgets is not None:
            for row in await budgets.fetchall():
                self.budgets[row[0], row[1]] = Budget(*row)
        if settled is not None:
            self._book({row[0] for row in await settled.fetchall()})
        return {(row[0], bytes(row[1])): row for row in await hits.fetchall()} if hits is not None else {}

    async def _settle(self, conn: psycopg.AsyncConnection) -> psycopg.AsyncCursor | None:
        if not self.endings:
            return None
        columns = zip(*(ledger.settle_row(ending) for ending in self.endings), strict=True)
        cursor = await conn.execute(ledger.SETTLE, [list(column) for column in columns])
        for ending in self.endings:
            if ending.content is not None:
                await conn.execute(cache.WRITE, {
                    "vendor": ending.call.vendor, "key": ending.call.request_hash, "subject": ending.call.spec.subject,
                    "content": Jsonb(ending.content), "fetched_at": ending.fetched_at, "expires_at": ending.expires_at,
                })  # fmt: skip
        return cursor

    def words(self) -> list[tuple[str, VendorWord]]:
        """What vendors said with the answers that are settled now."""
        return [(ending.call.vendor, ending.word) for ending in self.endings if ending.word is not None]

    async def _lock_budgets(self, conn: psycopg.AsyncConnection) -> psycopg.AsyncCursor | None:
        keys = {key for start in self.starts for key in start.call.budget_keys}
        keys |= {key for ending in self.endings if ending.permit.reserved_microusd for key in ending.call.budget_keys}
        if not keys:
            return None
        columns = [list(column) for column in zip(*sorted(keys), strict=True)]
        return await conn.execute(budget.LOCK, columns)

    def _book(self, settled: set[uuid.UUID]) -> None:
        for ending in self.endings:
            if ending.permit.call_id not in settled:
                continue  # reaped in the meantime at its worst case: the money is booked
            for key in ending.call.budget_keys:
                unbooked = self.budgets[key].settle(ending.permit.reserved_microusd, ending.cost_microusd)
                if unbooked > 0:
                    log.error("%s %s cost more than its worst case: %d microusd over budget %s", ending.call.vendor,
                              ending.call.spec.endpoint, unbooked, "/".join(key))  # fmt: skip

    async def _vote(self, conn: psycopg.AsyncConnection) -> None:
        for vendor, endings in sorted(self.votes().items()):
            policy = self.policies.of(vendor).breaker
            row = self.breakers.get(vendor, Breaker(vendor))
            for sql, values in breaker.verdicts(row, policy, endings) if policy is not None else ():
                await self._update_breaker(conn, sql, {"vendor": vendor, **values})

    def votes(self) -> dict[str, list[Ending]]:
        """Endings by vendor, in order."""
        found: dict[str, list[Ending]] = defaultdict(list)
        for ending in self.endings:
            found[ending.call.vendor].append(ending)
        return found

    async def _update_breaker(self, conn: psycopg.AsyncConnection, sql: LiteralString, values: dict) -> bool:
        row = await (await conn.execute(sql, values)).fetchone()
        if row is not None:
            self.breakers[values["vendor"]] = Breaker(*row)
        return row is not None

    # -- decisions ---------------------------------------------------------------------------------------------------

    def _serve_hits(self, hits: dict[tuple[str, bytes], tuple]) -> list[Start]:
        left = []
        for start in self.starts:
            found = hits.get((start.call.vendor, start.call.request_hash)) if start.call.cache_for is not None else None
            if found is None:
                others = start.look_up is not None and start.look_up not in self.held.locked
                if others and self.began + LANDING_LOOK_S < start.call.deadline:
                    self.waiting.append((start, self.began + LANDING_LOOK_S))
                else:
                    left.append(start)
                continue
            call_id = uuid.uuid4()
            self.rows.append(
                ledger.insert_row(start.call, call_id, attempt=start.attempt, reserved=0, hit=True, lease_id=None)
            )
            self.granted.append((start, Hit(call_id, found[2], found[3], found[4])))
        return left

    def _pass_pauses(self, starts: list[Start]) -> list[Start]:
        left = []
        for start in starts:
            held = start.call.held_by(self.pauses)
            if held is None:
                left.append(start)
            else:
                error = VendorUnavailable(
                    start.call.vendor, start.call.spec.endpoint, "paused", detail=str(held), left_the_house=False
                )
                self.refused.append((start, error))
        return left

    async def _pass_breakers(self, conn: psycopg.AsyncConnection, starts: list[Start]) -> list[Start]:
        passed, probing = [], set()
        for start in starts:
            vendor = start.call.vendor
            row = self.breakers.get(vendor, Breaker(vendor))
            verdict = (
                "pass" if self.policies.of(vendor).breaker is None and row.forced is None else row.verdict(self.now)
            )
            if verdict == "probe" and vendor not in probing:
                verdict = "pass" if await self._claim_probe(conn, start) else "refuse"
                probing.add(vendor)
            if verdict == "pass":
                passed.append(start)
            else:
                self.refused.append((start, self.breakers.get(vendor, row).refusal(start.call)))
        return passed

    async def _claim_probe(self, conn: psycopg.AsyncConnection, start: Start) -> bool:
        start.probe_id = uuid.uuid4()
        for_s = self.policies.of(start.call.vendor).dead_after_s
        values = {"vendor": start.call.vendor, "probe": start.probe_id, "for_s": for_s}
        if await self._update_breaker(conn, breaker.CLAIM, values):
            return True
        start.probe_id = None  # another process was first, or an operator spoke: read again at the next turn
        self.read_breakers = False
        self.held.breakers_read_at = -math.inf
        return False

    # -- second round trip: write ------------------------------------------------------------------------------------

    async def _write(self, conn: psycopg.AsyncConnection) -> None:
        # The session commits asynchronously: our own death loses nothing. A crash of the server itself may lose its last
        # 0.6 s, so what guards money or hands out permits waits for the disk; a lost settlement is reaped at its worst case.
        if self.new_leases or any(row[9] for row in self.rows):
            await conn.execute("SET LOCAL synchronous_commit = on")
        for quota in (one for ones in self.quotas.values() for one in ones):
            await conn.execute(limiter.SAVE, limiter.save_row(quota))
        for lease in self.new_leases:
            windows = Jsonb(lease.windows)
            await conn.execute(limiter.TAKE, (lease.lease_id, lease.vendor, lease.units, windows, limiter.LEASE_S))
        changed = [one for one in self.budgets.values() if one.changed]
        if changed:
            columns = zip(*((one.scope, one.key, one.reserved, one.spent) for one in changed), strict=True)
            await conn.execute(budget.SAVE, [list(column) for column in columns])
        if self.rows:
            await conn.execute(ledger.INSERT, [list(column) for column in zip(*self.rows, strict=True)])
        for start in [start for start, _ in self.refused] + [start for start, _ in self.waiting]:
            if start.probe_id is not None:  # the probe found no permit or no budget: somebody else may be it
                await self._update_breaker(
                    conn, breaker.RELEASE, {"vendor": start.call.vendor, "probe": start.probe_id}
                )

    # -- after the commit --------------------------------------------------------------------------------------------

    def apply(self) -> list[tuple[Start, Permit]]:
        """Takes what was committed into memory and answers the callers; returns permits whose callers are gone."""
        held = self.held
        held.breakers, held.pauses, held.reload_id = self.breakers, self.pauses, self.reload_id
        if self.read_breakers and self.starts:
            held.breakers_read_at = self.began
        held.counted |= self.sent
        held.change_leases(self.new_leases, self.taken, self.ended)
        held.aloft -= {look_up(ending.call) for ending in self.endings}
        orphans = []
        for start, begun in self.granted:
            if isinstance(begun, Permit) and start.look_up is not None:
                held.aloft.add(start.look_up)
            if start.call.vendor in held.counted and isinstance(begun, Permit):
                held.counted[start.call.vendor] += start.call.spec.units
            if not start.future.done():
                start.future.set_result(begun)
            elif isinstance(begun, Permit):
                orphans.append((start, begun))
        for start, error in self.refused:
            if not start.future.done():
                start.future.set_exception(error)
        for start, due in self.waiting:
            start.due, start.probe_id = due, None
        return orphans
