"""Processes that are killed while they hold permits and money: what they did not use returns, what they may have used does not."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from multiprocessing.connection import Connection

import pytest
import sqlalchemy as sa

from leadfactory.d00_gateway import limiter, tables, writer
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.database import Database
from tests.races.processes import Crew, Vendor, call, gateway_over, policies_of

PROCESSES, KILLED = 64, 12
WORST = 1_000  # microusd
DAY = 700


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the real times, for the processes that are forked from here on."""
    monkeypatch.setattr(limiter, "LEASE_S", limiter.LEASE_S / 10)
    monkeypatch.setattr(limiter, "LEASE_USE_S", limiter.LEASE_USE_S / 10)
    monkeypatch.setattr(writer, "UPKEEP_S", writer.UPKEEP_S / 10)


def holder(seat: Connection, url: str, policies: Policies, address: str) -> None:
    """Makes calls until it is told to stop or nothing is left of the day; what it made."""
    spec = CallSpec("x", worst_case_microusd=WORST)

    async def run() -> Counter[str]:
        gateway, ended = gateway_over(url, policies), Counter[str]()

        async def worker() -> None:
            while "daily_limit" not in ended:
                ended[await call(gateway, address, spec)] += 1

        async with gateway.running():
            seat.send("ready")
            await asyncio.to_thread(seat.recv)
            ended[await call(gateway, address, spec)] += 1  # now it holds a lease
            seat.send("holds")
            await asyncio.to_thread(seat.recv)
            await asyncio.gather(worker(), worker())
        return ended

    seat.send(asyncio.run(run()))


def units_left(database: Database) -> int:
    """Permits that are leased and of which no ledger row knows."""
    leases, calls = tables.vendor_leases.c, tables.vendor_calls.c
    with database.begin() as tx:
        used = sa.select(sa.func.sum(calls.units)).where(calls.lease_id.is_not(None), calls.lease_id.in_(sa.select(leases.lease_id)))  # fmt: skip
        return int(tx.scalar(sa.select(sa.func.sum(leases.units))) or 0) - int(tx.scalar(used) or 0)


@pytest.mark.usefixtures("short_leases")
def test_what_the_killed_held_is_used_by_the_survivors_and_not_a_call_more(
    crew: Crew, vendor: Vendor, url: str, database: Database
) -> None:
    policies = policies_of(rates={"day": DAY}, concurrency=4, timeout_s=2)
    made = crew.of(PROCESSES, holder, url, policies, vendor.base_url + "/x")
    for member in made:
        member.hears("take a lease")
    for member in made:
        assert member.says() == "holds"
    vendor.behaves(delay_s=0.05)
    for member in made:
        member.hears("go on")
    dead = random.Random(7).sample(made, KILLED)
    for member in dead:
        member.kill()
    survivors = [member for member in made if member not in dead]
    said = sum((member.says() for member in survivors), Counter())
    for member in survivors:
        member.ends()
    with database.begin() as tx:
        calls = tables.vendor_calls.c
        sent = Counter(tx.scalars(sa.select(calls.status).where(calls.status != "not_sent")))
        day = tx.execute(sa.select(tables.vendor_quotas)).one()
    assert units_left(database) == 0
    assert (sent.total(), day.leased_units) == (day.used_units, 0)
    assert sent.total() == DAY
    assert DAY - sent["started"] - sent["unknown"] <= len(vendor.arrivals) <= DAY
    assert said["ok"] < sent["ok"]


def test_a_killed_processs_lease_is_back_within_thirty_seconds():
    assert limiter.LEASE_USE_S < limiter.LEASE_S
    assert limiter.LEASE_S + writer.UPKEEP_S < 30
