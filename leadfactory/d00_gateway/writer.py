"""The ledger's writer: collects what waits in one event loop and commits it as one transaction after the other.

One connection, one coroutine. While a transaction is on its way the next one fills up, so that a busy loop pays for a
permit and a ledger row a small part of what the call itself costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import Counter
from collections.abc import Callable

import psycopg

from leadfactory import crash_points, flow
from leadfactory.clock import Clock
from leadfactory.d00_gateway import breaker, budget, cache, express, limiter, upkeep
from leadfactory.d00_gateway.batch import Batch
from leadfactory.d00_gateway.held import Held, Start
from leadfactory.d00_gateway.ledger import Call, Ending, Hit, Permit
from leadfactory.d00_gateway.policies import Policies
from leadfactory.database import SCHEMA, Database, DatabaseUnavailable

log = logging.getLogger(__name__)
_AT_ONCE = 256  # rows in one transaction
UPKEEP_S = 5.0
_TRIES = 5
# This connection only ever touches rows by their keys; a planner without statistics would now and then scan the ledger.
_POINT_LOOKUPS = "-cenable_hashjoin=off -cenable_mergejoin=off -cenable_seqscan=off -cenable_bitmapscan=off"


class Writer:
    """Leave to start, and settlements, for one event loop."""

    def __init__(
        self, db: Database, *, clock: Clock, policies: Policies, reloaded: Callable[[int], Policies] | None = None
    ) -> None:
        """``reloaded``: told the number of the newest configuration, answers the policies that hold."""
        self._db, self._clock, self._policies, self._reloaded = db, clock, policies, reloaded
        self._reload_id = 0
        self._held = Held()
        self._conn: psycopg.AsyncConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._starts: list[Start] = []
        self._endings: list[Ending] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._broken: DatabaseUnavailable | None = None
        self._upkeep_at = 0.0
        self.unusable_headers: Counter[tuple[str, str]] = Counter()

    async def open(self) -> None:
        """Connects, makes missing rows, clears up after dead processes and starts writing; repeating it changes nothing.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        if self._task is not None and not self._task.done():
            return
        self._broken = None
        await self._connect()
        crash_points.reached(crash_points.BEFORE_COMMIT)
        await self._prepare()
        crash_points.reached(crash_points.AFTER_COMMIT)
        await self._upkeep()
        crash_points.reached(crash_points.AFTER_COMMIT)
        # In turn nothing may come by the clock on the wall: an ending that waits for upkeep would share the next commit.
        self._upkeep_at = math.inf if flow.takes_turns() else time.monotonic() + UPKEEP_S
        self._task = asyncio.create_task(self._work(), name="ledger-writer")

    async def start(self, call: Call, attempt: int) -> Permit | Hit:
        """Waits for leave to make an attempt; when it returns a permit, its ledger row and reservation are committed.

        Raises:
            VendorUnavailable: ``daily_limit``, ``rate_limited``, ``budget``, ``breaker_open`` or ``paused``; nothing was sent.
            VendorRejected: the call takes more units than a limit has.
            DatabaseUnavailable: the ledger cannot be written; nothing was sent.
        """
        if self._broken is not None:
            raise self._broken
        now = time.monotonic()
        future: asyncio.Future[Permit | Hit] = asyncio.get_running_loop().create_future()
        self._starts.append(Start(call, attempt, future, now, now, self._clock.now()))
        self._wake.set()
        return await future

    def settle(self, ending: Ending) -> None:
        """Notes how an attempt ended; written with the next transaction."""
        if ending.call.scope is not None:
            ending.call.scope.count_spend(ending.cost_microusd)
        if ending.word is not None:
            for header in ending.word.unusable:
                self.unusable_headers[ending.call.vendor, header] += 1
                if self.unusable_headers[ending.call.vendor, header] == 1:
                    log.warning("%s sends a header %s that cannot be read; it is ignored", ending.call.vendor, header)
        self._endings.append(ending)
        self._idle.clear()
        self._wake.set()

    async def flush(self) -> None:
        """Waits until every settlement is written.

        Raises:
            DatabaseUnavailable: it could not be.
        """
        await self._idle.wait()
        if self._broken is not None and self._endings:
            raise self._broken

    async def close(self) -> None:
        """Writes what is left, gives unused permits back and disconnects."""
        with contextlib.suppress(DatabaseUnavailable):
            await self.flush()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._conn is not None:
            with contextlib.suppress(psycopg.Error):  # leases that cannot be ended now expire
                own = [lease.lease_id for leases in self._held.leases.values() for lease in leases]
                crash_points.reached(crash_points.BEFORE_COMMIT)
                await upkeep.end_leases(self._conn, own)
                crash_points.reached(crash_points.AFTER_COMMIT)
            await self._conn.close()
            self._conn = None
        self._held = Held()

    # -- the loop ----------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._seconds_to_wait())
            self._wake.clear()
            await asyncio.sleep(0)  # whoever is ready in this turn of the loop joins the transaction
            try:
                await self._turn()
            except psycopg.Error as error:
                if not await self._recovered(error):
                    self._give_up(error)
                    return
            except Exception as error:
                log.exception("the ledger's writer failed")
                self._give_up(error)
                return

    def _seconds_to_wait(self) -> float:
        if self._endings:
            return 0.0
        now = time.monotonic()
        due = min((start.due for start in self._starts), default=now + UPKEEP_S)
        return max(0.0, min(due, self._upkeep_at) - now)

    async def _turn(self) -> None:
        now = time.monotonic()
        self._starts = [start for start in self._starts if not start.future.done()]
        due = [start for start in self._starts if start.due <= now][:_AT_ONCE]
        endings = self._endings[:_AT_ONCE]
        if due or endings:
            batch = await self._commit(due, endings)
            del self._endings[: len(endings)]
            waiting = {start for start, _ in batch.waiting}
            done = set(due) - waiting
            self._starts = [start for start in self._starts if start not in done]
            for start, permit in batch.apply():
                self.settle(Ending(start.call, permit, status="not_sent", reason="interrupted"))
            if not self._endings:
                self._idle.set()
            await self._land()
            self._take_over()
        if now >= self._upkeep_at:
            self._upkeep_at = now + UPKEEP_S
            await self._upkeep()

    async def _commit(self, starts: list[Start], endings: list[Ending]) -> Batch:
        conn = self._conn
        assert conn is not None
        await self._ensure_budgets(starts)
        crash_points.reached(crash_points.BEFORE_COMMIT)
        batch = Batch(self._held, self._policies, starts, endings)
        if await express.commit(conn, batch):
            crash_points.reached(crash_points.AFTER_COMMIT)
            return batch
        for left in reversed(range(_TRIES)):
            batch = Batch(self._held, self._policies, starts, endings)
            try:
                async with conn.pipeline(), conn.transaction():
                    await batch.run(conn)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                if left == 0:
                    raise
            else:
                crash_points.reached(crash_points.AFTER_COMMIT)
                return batch
        raise AssertionError("unreachable: the last try returns or raises")

    def _take_over(self) -> None:
        """Goes on by a configuration that was announced since; caps of budgets are brought to it at their next use."""
        if self._held.reload_id > self._reload_id and self._reloaded is not None:
            self._reload_id = self._held.reload_id
            self._policies = self._reloaded(self._reload_id)
            self._held.budgets.clear()

    async def _land(self) -> None:
        """Frees look-ups that are answered, failed or given up; those that still wait for leave stay ours."""
        held = self._held
        over = held.locked - held.aloft - {start.look_up for start in self._starts} if held.locked else None
        if over:
            assert self._conn is not None
            await self._conn.execute(cache.LAND, [list(over)])
            held.locked -= over

    async def _ensure_budgets(self, starts: list[Start]) -> None:
        keys = {key for start in starts for key in start.call.budget_keys} - self._held.budgets
        if not keys:
            return
        rows = [(scope, key, budget.default_cap((scope, key), self._policies.budgets)) for scope, key in sorted(keys)]
        assert self._conn is not None
        crash_points.reached(crash_points.BEFORE_COMMIT)
        await self._conn.execute(budget.ENSURE, [list(column) for column in zip(*rows, strict=True)])
        self._held.budgets |= keys

    async def _recovered(self, error: psycopg.Error) -> bool:
        """Reconnects and repeats what was not committed."""
        log.warning("the ledger's connection failed (%s); trying again", error.__class__.__name__)
        for pause in (0.1, 0.5, 2.0):
            self._held = Held()  # leases of ours that are still open expire and return
            try:
                await self._connect()
                await self._turn()
            except (psycopg.Error, DatabaseUnavailable):
                await asyncio.sleep(pause)
            else:
                return True
        return False

    def _give_up(self, error: Exception) -> None:
        """Tells every caller; settlements stay here for the next ``open``, and the reaper has them if there is none."""
        first_line = (str(error).strip().splitlines() or [""])[0]
        self._broken = DatabaseUnavailable(
            f"the ledger of vendor calls cannot be written ({error.__class__.__name__}: {first_line}): see whether the "
            "database runs; nothing leaves without a ledger row"
        )
        for start in self._starts:
            if not start.future.done():
                start.future.set_exception(self._broken)
        self._starts.clear()
        self._idle.set()

    # -- connection and upkeep ---------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        if self._conn is not None:
            await self._conn.close()
        url = self._db.url
        try:
            self._conn = await psycopg.AsyncConnection.connect(
                url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True, connect_timeout=5,
                application_name="leadfactory-ledger",
                options=f"-csearch_path={SCHEMA} -ctimezone=UTC -csynchronous_commit=off {_POINT_LOOKUPS}",
            )  # fmt: skip
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable(
                f"the database at {url.host}:{url.port}/{url.database} does not answer "
                f"({str(error).strip().splitlines()[0]}): start it; vendors are not called without a ledger"
            ) from None

    async def _prepare(self) -> None:
        assert self._conn is not None
        quotas = [
            (vendor, rate, limit)
            for vendor, policy in sorted(self._policies.vendors.items())
            for rate, limit in sorted(policy.rates.limits().items())
        ]
        if quotas:
            await self._conn.execute(limiter.ENSURE, [list(column) for column in zip(*quotas, strict=True)])
        breakers = [vendor for vendor, policy in self._policies.vendors.items() if policy.breaker is not None]
        await self._conn.execute(breaker.ENSURE, [breakers])

    async def _upkeep(self) -> None:
        """What any process does for all, and its own leases that lapsed."""
        assert self._conn is not None
        now = time.monotonic()
        lapsed = [lease for leases in self._held.leases.values() for lease in leases if lease.use_before <= now]
        await upkeep.end_expired(self._conn, [lease.lease_id for lease in lapsed])
        for lease in lapsed:
            self._held.leases[lease.vendor].remove(lease)
        await upkeep.reap(self._conn, self._policies)
