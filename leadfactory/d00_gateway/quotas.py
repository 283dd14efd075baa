"""What permits come from, inside a batch's transaction: locks quotas, ends leases, counts what they used. Decides nothing."""

from __future__ import annotations

import dataclasses
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING

import psycopg

from leadfactory.d00_gateway import limiter
from leadfactory.d00_gateway.limiter import Quota

if TYPE_CHECKING:
    from leadfactory.d00_gateway.batch import Batch

_Cursor = psycopg.AsyncCursor


@dataclasses.dataclass
class Counts:
    """Answers under way: leases that live, and, where rows are locked, quotas and what goes with them."""

    alive: _Cursor | None
    locked: _Cursor | None = None
    clock: _Cursor | None = None
    used: _Cursor | None = None
    sent: _Cursor | None = None
    late: _Cursor | None = None
    gone: list[tuple] | _Cursor = dataclasses.field(default_factory=list)


async def lock(conn: psycopg.AsyncConnection, batch: Batch) -> Counts | None:
    """Asks for all that the batch must know of permits; None when it needs none."""
    held = batch.held
    heard = {one for one, word in batch.words() if limiter.is_news(word, batch.policies.of(one), held.counted.get(one))}
    short, live = _vendors_short_of_permits(batch, heard)
    unused = [ending for ending in batch.endings if ending.status == "not_sent"]
    returning = {one.call.vendor for one in unused if batch.policies.of(one.call.vendor).rates.day}
    names = sorted(short | heard | returning)
    if not names:
        return Counts(await conn.execute(limiter.HOLD, [live])) if live else None
    # A vendor that says stop ends every process's leases; one that counted more than we did ends ours.
    stopped = sorted({vendor for vendor, word in batch.words() if word.blocked_rate is not None and vendor in heard})
    over = [lease.lease_id for vendor in names for lease in held.over(vendor, batch.began)]
    over += [lease.lease_id for vendor in heard for lease in held.leases[vendor] if lease.lease_id not in over]
    locked = await conn.execute(limiter.LOCK, [names])
    clock = await conn.execute("SELECT clock_timestamp()")
    # Before our own leases end: those that are gone here were ended by others, who took these attempts for sent.
    late = await conn.execute(limiter.LATE, [[one.permit.call_id for one in unused]]) if returning else None
    ending = await conn.execute(limiter.END, [over, stopped])
    gone: list[tuple] | _Cursor = ending
    if stopped:
        gone = await ending.fetchall()
        over += [row[0] for row in gone if row[0] not in over]
    batch.ended = set(over)
    used, sent = await conn.execute(limiter.USED, [over]), await conn.execute(limiter.SENT, [names])
    alive = await conn.execute(limiter.HOLD, [live]) if live else None
    return Counts(alive, locked, clock, used, sent, late, gone)


def _vendors_short_of_permits(batch: Batch, heard: set[str]) -> tuple[set[str], list[uuid.UUID]]:
    """Vendors whose leases do not cover what waits, and the leases of the others; leases of ``heard`` end now."""
    needed: dict[str, int] = defaultdict(int)
    for start in batch.starts:
        if batch.policies.of(start.call.vendor).rates.limits():
            needed[start.call.vendor] += start.call.spec.units
    usable = {vendor: [] if vendor in heard else batch.held.usable(vendor, batch.began) for vendor in needed}
    short = {vendor for vendor, units in needed.items() if units > sum(lease.left for lease in usable[vendor])}
    return short, [lease.lease_id for leases in usable.values() for lease in leases]


async def take_in(batch: Batch, counts: Counts) -> None:
    """Brings the batch's quotas to now: days that began, leases that ended, what the vendor says."""
    batch.alive = {row[0] for row in await counts.alive.fetchall()} if counts.alive is not None else set()
    if counts.locked is None or counts.clock is None or counts.used is None or counts.sent is None:
        return
    rows = await counts.locked.fetchall()
    (batch.now,) = await counts.clock.fetchone() or (batch.now,)
    for row in rows:
        quota = Quota.of_row(row)
        quota.roll(batch.now, batch.policies.of(quota.vendor))
        batch.quotas[quota.vendor].append(quota)
    gone = counts.gone if isinstance(counts.gone, list) else await counts.gone.fetchall()
    spent: dict[uuid.UUID, int] = dict(await counts.used.fetchall())
    limiter.give_back(batch.quotas, gone, spent)
    open_units: dict[str, int] = dict(await counts.sent.fetchall())
    for vendor, started_at, units in await counts.late.fetchall() if counts.late is not None else ():
        for quota in batch.quotas[vendor]:
            quota.return_late(started_at, units)
    for vendor, quotas in batch.quotas.items():
        for quota in quotas:
            # What other processes and we may have sent: closed leases, and the ledger rows of open ones.
            known = quota.used + (int(open_units.get(vendor, 0)) if quota.rate == "day" else 0)
            for said_by, word in batch.words():
                if said_by == vendor:
                    known += limiter.listen(quota, quotas, word, known, batch.now)
            if quota.rate == "day":
                batch.sent[vendor] = known
