"""What races are made of: many light processes that begin together, and a vendor that counts what reaches it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import multiprocessing
import os
import signal
import time
import urllib.request
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.vendor_terms import VendorTerms

FORK = multiprocessing.get_context("fork")
CLOCK = Clock(start=dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC))
PATIENCE_S = 120  # a process that says nothing for so long hangs
Body = Callable[..., Any]


def policies_of(*, budgets: dict[str, Any] | None = None, **fields: object) -> Policies:
    """Policies of vendor yelp with these fields; everything else is wide open."""
    row: dict[str, Any] = {
        "concurrency": 16, "timeout_s": 10, "deadline_s": 30, "retry": {"attempts": 1}, "caches": True,
        "bills": {"rejected": False, "unavailable": False, "source": "test"},
    }  # fmt: skip
    caps = {
        "vendor_month_cents": {"yelp": 10**6}, "campaign_cents": 10**6, "day_cents": 10**6, "lead_cents": 15,
        "qualified_lead_cents": 40,
    }  # fmt: skip
    found = Policies.parse({"vendors": {"yelp": row | fields}, "budgets": caps | (budgets or {})}, "test")
    return found.model_copy(update={"terms": VendorTerms.load()})


def gateway_over(url: str, policies: Policies) -> Gateway:
    """A gateway for one forked process; nothing is shared with its parent."""
    return Gateway(Database(url), clock=CLOCK, settings=Settings(), policies=policies)


async def call(gateway: Gateway, address: str, spec: CallSpec) -> str:
    """One call inside ``running()``: ``ok``, ``hit`` or the reason why not."""
    try:
        with gateway.calling(spec):
            answer = await gateway.http("yelp").get(address)
    except VendorError as error:
        return error.reason
    return "hit" if answer.extensions["cache_hit"] else "ok"


class Member:
    """One forked process: ``body(seat, *arguments)`` runs in it and talks through the seat."""

    def __init__(self, body: Body, arguments: tuple[Any, ...]) -> None:
        self._ours, theirs = FORK.Pipe()
        self.process = FORK.Process(target=_run, args=(body, theirs, self._ours, arguments))
        self.process.start()
        theirs.close()

    def hears(self, word: object = None) -> None:
        """Says something to the process."""
        self._ours.send(word)

    def says(self) -> Any:
        """What the process says next.

        Raises:
            AssertionError: it said nothing, or ended.
        """
        assert self._ours.poll(PATIENCE_S), f"process {self.process.pid} says nothing"
        return self._ours.recv()

    def kill(self) -> None:
        """SIGKILL, and waits until it is gone."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()

    def ends(self) -> None:
        """Waits for its end.

        Raises:
            AssertionError: it failed.
        """
        self.process.join(PATIENCE_S)
        assert self.process.exitcode == 0, f"process {self.process.pid} ended with {self.process.exitcode}"

    def close(self) -> None:
        """Whatever happened, it is gone."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self._ours.close()


def _run(body: Body, seat: Connection, others_end: Connection, arguments: tuple[Any, ...]) -> None:
    others_end.close()
    body(seat, *arguments)


class Crew:
    """Processes of one test."""

    def __init__(self) -> None:
        self.members: list[Member] = []

    def of(self, count: int, body: Body, *arguments: Any) -> list[Member]:
        """Forks ``count`` processes of ``body``, each of which has said "ready" by now."""
        made = [Member(body, arguments) for _ in range(count)]
        self.members += made
        for member in made:
            assert member.says() == "ready"
        return made

    def at_once(self, count: int, body: Body, *arguments: Any) -> list[Any]:
        """Forks, starts them all together, and returns what each said last before it ended well."""
        made = self.of(count, body, *arguments)
        for member in made:
            member.hears("go")
        said = [member.says() for member in made]
        for member in made:
            member.ends()
        return said


class Vendor:
    """A vendor in a process of its own, which answers after ``delay_s`` with ``status`` and knows when what arrived."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def behaves(self, *, status: int = 200, delay_s: float = 0.0) -> None:
        """Changes what it answers from now on."""
        self._ask(f"/_behave/{status}/{delay_s}")

    @property
    def arrivals(self) -> list[float]:
        """When requests arrived, in seconds since the epoch."""
        return list(json.loads(self._ask("/_arrivals")))

    def _ask(self, path: str) -> bytes:
        with urllib.request.urlopen(self.base_url + path, timeout=30) as answer:
            return bytes(answer.read())


def serve_vendor(seat: Connection) -> None:
    arrivals: list[float] = []
    behaviour: dict[str, float] = {"status": 200, "delay_s": 0.0}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode()
                body, status = b"{}", 200
                if path == "/_arrivals":
                    body = json.dumps(arrivals).encode()
                elif path.startswith("/_behave/"):
                    _, _, said, delay = path.split("/")
                    behaviour.update(status=int(said), delay_s=float(delay))
                else:
                    arrivals.append(time.time())
                    status = int(behaviour["status"])
                    await asyncio.sleep(behaviour["delay_s"])
                writer.write(b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
                             % (status, len(body), body))  # fmt: skip
                await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
        seat.send("ready")
        seat.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())
