"""Sixty-four processes on one budget row and one quota row: never a cent and never a call over, and little under."""

from __future__ import annotations

import asyncio
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any

import sqlalchemy as sa

from leadfactory.d00_gateway import tables
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.database import Database
from tests.races.processes import Crew, Vendor, call, gateway_over, policies_of

PROCESSES = 64
WORST = 1_000  # microusd: ten calls are a cent


def half_of_the_worst(_: object) -> int:
    """What the vendor charges in the end."""
    return WORST // 2


def caller(seat: Connection, url: str, policies: Policies, address: str, calls: int, cheaper: bool) -> None:
    """Makes that many calls, four at a time, and counts how they ended."""
    spec = CallSpec("x", worst_case_microusd=WORST, cost_of=half_of_the_worst if cheaper else None)

    async def run() -> Counter[str]:
        gateway, left, ended = gateway_over(url, policies), iter(range(calls)), Counter[str]()

        async def worker() -> None:
            for _ in left:
                ended[await call(gateway, address, spec)] += 1

        async with gateway.running():
            seat.send("ready")
            await asyncio.to_thread(seat.recv)
            await asyncio.gather(*(worker() for _ in range(4)))
        return ended

    seat.send(asyncio.run(run()))


def quota_of(database: Database) -> Any:
    """The day's row."""
    quotas = tables.vendor_quotas
    with database.begin() as tx:
        return tx.execute(sa.select(quotas).where(quotas.c.rate == "day")).one()


def money_of(database: Database) -> set[tuple[int, int, int]]:
    """Cap, reserved and spent of the vendor's month and of the day."""
    one = tables.budgets.c
    with database.begin() as tx:
        rows = tx.execute(sa.select(one.cap_microusd, one.reserved_microusd, one.spent_microusd))
        return {(row[0], row[1], row[2]) for row in rows}


def test_all_calls_of_a_day_are_made_and_none_beyond(crew: Crew, vendor: Vendor, url: str, database: Database) -> None:
    said = crew.at_once(PROCESSES, caller, url, policies_of(rates={"day": 200}), vendor.base_url + "/x", 5, False)
    assert sum(said, Counter()) == {"ok": 200, "daily_limit": 5 * PROCESSES - 200}
    assert len(vendor.arrivals) == 200
    assert (quota_of(database).used_units, quota_of(database).leased_units) == (200, 0)


def test_a_budget_is_spent_to_the_last_call_that_it_can_pay(
    crew: Crew, vendor: Vendor, url: str, database: Database
) -> None:
    caps, address = {"vendor_month_cents": {"yelp": 20}, "day_cents": 20}, vendor.base_url + "/x"
    said = sum(crew.at_once(PROCESSES, caller, url, policies_of(budgets=caps), address, 8, True), Counter())
    (_, reserved, spent), *others = money_of(database)
    assert (reserved, others) == (0, [])
    assert spent == said["ok"] * WORST // 2 <= 200_000
    (after,) = crew.at_once(1, caller, url, policies_of(budgets=caps), address, 60, True)
    assert said["ok"] + after["ok"] == len(vendor.arrivals) == 399  # 500 are left, and a call may cost 1,000
    assert money_of(database) == {(200_000, 0, 199_500)}
