"""What leave to call costs: microseconds per permit + ledger row + settlement beside a bare loopback httpx call.

Run: ``python -m bench.permit_cost [--calls 1000] [--at-once 1 8 16 32]``. The baseline is an httpx GET of a 30 KB page from
a server in a process of its own, the same number at once. The measured side asks the gateway's writer for the same number
of permits (two rates, leases) with a durable ``started`` row each, and settles them; a
second time with three budgets reserved and settled too. Prints ratios and writes bench/results/permit_cost.json.

Read the levels together: httpx itself grows dearer with the number of connections, and a permit cheaper, since all that
wait share a transaction. A caller alone pays the whole of it.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path

import httpx

from bench import results
from leadfactory import migrate
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.ledger import Call, Ending, Permit
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.scope import CallScope, CallSpec
from leadfactory.d00_gateway.writer import Writer
from leadfactory.database import Database
from leadfactory.embedded import ensure_running, stop
from leadfactory.settings import Settings

PAGE = b"x" * 30_000
GOAL = 0.1
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\ncontent-type: text/html\r\n\r\n%s" % (len(PAGE), PAGE)
UNIT = CampaignDay("bench", dt.date(2026, 10, 6))


def serve(told: Connection) -> None:
    """A minimal HTTP server that tells its port and answers every request with the page."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def timed(work: Callable[[], Awaitable[None]], calls: int, at_once: int) -> float:
    """Microseconds per call of ``work``, ``at_once`` together."""
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            await work()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return (time.perf_counter() - began) / calls * 1e6


async def http_calls(port: int, calls: int, at_once: int) -> float:
    """The baseline."""
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=at_once), trust_env=False) as client:

        async def work() -> None:
            (await client.get(f"http://127.0.0.1:{port}/")).raise_for_status()

        await timed(work, at_once * 2, at_once)
        return await timed(work, calls, at_once)


def policies(at_once: int) -> Policies:
    """One vendor with a minute's and a day's rate that the bench does not exhaust."""
    vendor = {
        "rates": {"minute": 10_000_000, "day": 10_000_000}, "concurrency": at_once, "timeout_s": 60, "deadline_s": 60,
        "breaker": {"faults": 5, "open_s": 30}, "bills": {"rejected": False, "unavailable": False, "source": "bench"},
    }  # fmt: skip
    caps = {
        "vendor_month_cents": {"bench": 10**9}, "campaign_cents": 10**9, "day_cents": 10**9, "lead_cents": 15,
        "qualified_lead_cents": 40,
    }  # fmt: skip
    return Policies.parse({"vendors": {"bench": vendor}, "budgets": caps}, "bench")


async def permits(db: Database, calls: int, at_once: int, *, worst_case: int) -> float:
    """Permit, started row, settlement."""
    writer = Writer(db, clock=Clock(), policies=policies(at_once))
    await writer.open()
    spec, scope = CallSpec("bench", worst_case_microusd=worst_case), CallScope(unit=UNIT, asset="bench")

    async def work() -> None:
        call = Call("bench", spec, scope, None, UNIT.day, os.urandom(32), None, math.inf)
        permit = await writer.start(call, 1)
        assert isinstance(permit, Permit)
        writer.settle(
            Ending(call, permit, status="ok", http_status=200, cost=worst_case // 2, latency_ms=1, breaker="ok")
        )

    try:
        await timed(work, at_once * 2, at_once)
        began = time.perf_counter()
        await timed(work, calls, at_once)
        await writer.flush()
        return (time.perf_counter() - began) / calls * 1e6
    finally:
        await writer.close()


def measure(calls: int, levels: list[int]) -> list[dict[str, float]]:
    """All sides at each level of concurrency, interleaved three times; the best of each, in microseconds per call."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()
    with tempfile.TemporaryDirectory(prefix="lf-bench-") as home:
        migrate.upgrade(Settings(env="test", home=Path(home)))
        db = Database(ensure_running(Path(home)).url("app"))
        try:
            return [measure_level(db, port, calls, at_once) for at_once in levels]
        finally:
            db.dispose()
            stop(Path(home))
            server.terminate()
            server.join()


def measure_level(db: Database, port: int, calls: int, at_once: int) -> dict[str, float]:
    """One level of concurrency."""
    rounds = [
        (
            asyncio.run(http_calls(port, calls, at_once)),
            asyncio.run(permits(db, calls, at_once, worst_case=0)),
            asyncio.run(permits(db, calls, at_once, worst_case=10)),
        )
        for _ in range(3)
    ]
    call_us, free_us, paid_us = (round(min(column), 1) for column in zip(*rounds, strict=True))
    return {"at_once": at_once, "http_call_us": call_us, "permit_us": free_us, "paid_permit_us": paid_us}


def main() -> None:
    """Prints the figures and writes them beside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 8, 16, 32])
    asked = parser.parse_args()
    found = measure(asked.calls, asked.at_once)
    ratios = []
    for level in found:
        at_once, call_us = int(level["at_once"]), level["http_call_us"]
        for name, key in (("free", "permit_us"), ("paid", "paid_permit_us")):
            ratio = round(level[key] / call_us, 3)
            ratios.append({"name": f"{name} permit / loopback call, {at_once} at once", "ratio": ratio, "goal": GOAL})
            print(
                f"{at_once:>3} at once: httpx call {call_us:6.0f} µs, {name} permit + row {level[key]:6.0f} µs, ratio {ratio:.3f}"
            )
    results.write("permit_cost", ratios, calls=asked.calls, levels=found)


if __name__ == "__main__":
    main()
