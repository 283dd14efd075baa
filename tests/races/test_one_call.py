"""Sixty-four processes want the same thing of a vendor at the same moment: one of them asks."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
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
BREAKER = {"faults": 3, "open_s": 60}
LOOK_UP = CallSpec("x", cache_for=dt.timedelta(hours=1))
PLAIN = CallSpec("x", safe_to_retry=False)


def asker(seat: Connection, url: str, policies: Policies, address: str, spec: CallSpec) -> None:
    """Asks once when it is told to; how that ended, and once more, alone, when told again."""

    async def run() -> None:
        gateway = gateway_over(url, policies)
        async with gateway.running():
            seat.send("ready")
            while await asyncio.to_thread(seat.recv) == "go":
                seat.send(await call(gateway, address, spec))

    asyncio.run(run())


def told(members: list[Any]) -> Counter[str]:
    """What all say that are told to ask now."""
    for member in members:
        member.hears("go")
    return Counter(member.says() for member in members)


def dismissed(members: list[Any]) -> None:
    for member in members:
        member.hears("stop")
        member.ends()


def test_a_stampede_of_equal_look_ups_is_one_call(crew: Crew, vendor: Vendor, url: str) -> None:
    vendor.behaves(delay_s=0.3)
    made = crew.of(PROCESSES, asker, url, policies_of(), vendor.base_url + "/x", LOOK_UP)
    assert told(made) == {"ok": 1, "hit": PROCESSES - 1}
    assert len(vendor.arrivals) == 1
    dismissed(made)


def test_when_the_one_who_asks_is_killed_another_one_asks(crew: Crew, vendor: Vendor, url: str) -> None:
    vendor.behaves(delay_s=1.0)
    first, *others = crew.of(4, asker, url, policies_of(), vendor.base_url + "/x", LOOK_UP)
    first.hears("go")
    while not vendor.arrivals:
        time.sleep(0.01)
    for member in others:
        member.hears("go")
    first.kill()
    assert Counter(member.says() for member in others) == {"ok": 1, "hit": 2}
    assert len(vendor.arrivals) == 2
    dismissed(others)


def test_when_the_one_who_asks_fails_another_one_asks(crew: Crew, vendor: Vendor, url: str) -> None:
    vendor.behaves(status=500, delay_s=0.2)
    made = crew.of(3, asker, url, policies_of(), vendor.base_url + "/x", LOOK_UP)
    assert told(made) == {"server_error": 3}
    vendor.behaves(status=200, delay_s=0.2)
    assert told(made) == {"ok": 1, "hit": 2}
    dismissed(made)


def test_a_half_open_breaker_lets_one_of_sixty_four_through(
    crew: Crew, vendor: Vendor, url: str, database: Database
) -> None:
    made = crew.of(PROCESSES, asker, url, policies_of(breaker=BREAKER), vendor.base_url + "/x", PLAIN)
    row = {
        "state": "open",
        "failures": 3,
        "retry_at": sa.func.clock_timestamp(),
        "changed_at": sa.func.clock_timestamp(),
    }
    with database.begin() as tx:
        tx.execute(sa.update(tables.vendor_breakers).values(**row))
    time.sleep(1.1)  # every process looks at the row at most once a second
    vendor.behaves(delay_s=1.0)
    assert told(made) == {"ok": 1, "breaker_open": PROCESSES - 1}
    assert len(vendor.arrivals) == 1
    time.sleep(1.1)
    assert told(made) == {"ok": PROCESSES}
    dismissed(made)
