"""A real local vendor over HTTP and a gateway over a real Postgres, for the tests of D0."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import http.server
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import sqlalchemy as sa

from leadfactory.clock import Clock
from leadfactory.d00_gateway import tables
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.policies import Policies
from leadfactory.settings import Settings
from leadfactory.vendor_terms import VendorTerms

CLOCK = Clock(start=dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC))
Reply = tuple[int, dict[str, str], object]


@dataclasses.dataclass
class Vendor:
    """A local HTTP server: ``answers`` are served in order (the last one for ever); each is a reply, or what to do."""

    base_url: str = ""
    answers: list[Reply | str | Callable[[bytes], Reply]] = dataclasses.field(
        default_factory=lambda: [(200, {}, {"ok": True})]
    )
    requests: list[bytes] = dataclasses.field(default_factory=list)
    arrived: list[float] = dataclasses.field(default_factory=list)
    before: Callable[[], Awaitable[None]] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
                self.requests.append(head + body)
                self.arrived.append(asyncio.get_running_loop().time())
                if self.before is not None:
                    await self.before()
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer == "hang":
                    await asyncio.sleep(60)
                if answer == "reset":
                    writer.transport.abort()
                    return
                status, headers, content = answer(head + body) if callable(answer) else answer
                raw = content if isinstance(content, bytes) else json.dumps(content).encode()
                lines = [f"HTTP/1.1 {status} X", f"content-length: {len(raw)}", "content-type: application/json"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    """The vendor of one test on a port of its own."""
    found, tasks = Vendor(), set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        await found.serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def policies_of(vendor: str = "yelp", *, budgets: dict | None = None, **fields: object) -> Policies:
    """Policies with one vendor whose fields are given; everything else is wide open."""
    row: dict = {
        "concurrency": 32, "timeout_s": 5, "deadline_s": 10, "retry": {"attempts": 3, "base_s": 0.01, "cap_s": 0.02},
        "bills": {"rejected": False, "unavailable": False, "source": "test"}, "caches": True,
    }  # fmt: skip
    caps = {
        "vendor_month_cents": {vendor: 100_000}, "campaign_cents": 100_000, "day_cents": 100_000, "lead_cents": 15,
        "qualified_lead_cents": 40,
    }  # fmt: skip
    found = Policies.parse({"vendors": {vendor: row | fields}, "budgets": caps | (budgets or {})}, "test")
    return found.model_copy(update={"terms": VendorTerms.load()})


@pytest.fixture
def gateway_of(database) -> Callable[..., Gateway]:
    """Makes a gateway over the test's database; keyword arguments are those of ``policies_of``."""

    def make(vendor: str = "yelp", *, clock: Clock = CLOCK, **fields: object) -> Gateway:
        return Gateway(database, clock=clock, settings=Settings(), policies=policies_of(vendor, **fields))

    return make


@pytest.fixture
def ledger_of(database) -> Callable[[], list[sa.Row]]:
    """Reads the ledger, oldest attempt first."""

    def read() -> list[sa.Row]:
        with database.begin() as tx:
            order = (tables.vendor_calls.c.started_at, tables.vendor_calls.c.attempt)
            return list(tx.execute(sa.select(tables.vendor_calls).order_by(*order)))

    return read


@pytest.fixture
def vendor_address() -> Iterator[str]:
    """A vendor in a thread, for tests that make event loops of their own; it always answers 200."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()
