"""Clearing up after processes that died: their permits return, their attempts become unknown at the worst case.

Every writer does it for all, at its opening and every few seconds. Locks are taken in the order of batch.py.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from uuid import UUID

import psycopg

from leadfactory.d00_gateway import breaker, budget, ledger, limiter
from leadfactory.d00_gateway.budget import Budget
from leadfactory.d00_gateway.limiter import Quota
from leadfactory.d00_gateway.policies import Policies

log = logging.getLogger(__name__)
_VENDORS_OF = "SELECT DISTINCT vendor FROM vendor_leases WHERE lease_id = ANY(%s::uuid[])"


async def end_expired(conn: psycopg.AsyncConnection, own: list[UUID]) -> None:
    """Ends every lease that has expired, and the caller's ``own`` that it will not use again; heeds a clock set back."""
    await conn.execute(breaker.SET_BACK)
    rows = await (await conn.execute(limiter.EXPIRED)).fetchall()
    await end_leases(conn, [row[0] for row in rows] + own)


async def end_leases(conn: psycopg.AsyncConnection, lease_ids: list[UUID]) -> None:
    """Ends leases: what their ledger rows did not use returns to the day; a lease ends once, whoever ends it."""
    if not lease_ids:
        return
    async with conn.transaction():
        vendors = await (await conn.execute(_VENDORS_OF, [lease_ids])).fetchall()
        quotas: dict[str, list[Quota]] = defaultdict(list)
        locked = await conn.execute(limiter.LOCK, [[row[0] for row in vendors]])
        for row in await locked.fetchall():
            quotas[row[0]].append(Quota.of_row(row))
        # A holder that is inserting rows keeps its lease locked until it commits; the count below sees those rows.
        ended = await (await conn.execute(limiter.END, [lease_ids, []])).fetchall()
        used = await (await conn.execute(limiter.USED, [lease_ids])).fetchall()
        limiter.give_back(quotas, ended, dict(used))
        for quota in (one for ones in quotas.values() for one in ones if one.rate == "day"):
            await conn.execute(limiter.SAVE, limiter.save_row(quota))


async def reap(conn: psycopg.AsyncConnection, policies: Policies) -> None:
    """Settles attempts whose process died and books their worst case."""
    names = list(policies.vendors)
    ages = [policies.vendors[name].dead_after_s for name in names]
    async with conn.transaction():
        dead = await (await conn.execute(ledger.REAP, [names, ages])).fetchall()
        owed: dict[ledger.BudgetKey, int] = defaultdict(int)
        for vendor, occurred_on, campaign, business_id, reserved in dead:
            if reserved > 0:
                for key in ledger.budget_keys(vendor, occurred_on, campaign, business_id):
                    owed[key] += reserved
        if owed:
            columns = [list(column) for column in zip(*sorted(owed), strict=True)]
            budgets = [Budget(*row) for row in await (await conn.execute(budget.LOCK, columns)).fetchall()]
            for one in budgets:
                one.settle(owed[one.scope, one.key], owed[one.scope, one.key])
            saved = zip(*((one.scope, one.key, one.reserved, one.spent) for one in budgets), strict=True)
            await conn.execute(budget.SAVE, [list(column) for column in saved])
    if dead:
        log.warning("%d attempts of processes that died are settled as unknown at their worst case", len(dead))
