"""The stages of a 1,000-business campaign-day at zero vendor latency, beside a bare script that makes the same calls.

The factory's own requests are recorded at the network while its stages run. The baseline then replays exactly those
requests against the same sandbox with bare asyncio and httpx at the same concurrency, decodes the same JSON and keeps
nothing. Process start and imports are printed apart.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.results import write

BUSINESSES = int(os.environ.get("BENCH_BUSINESSES", "1000"))
CLOCK = "2026-10-06T15:00:00+00:00"
AT_ONCE = 16
LOADED = (
    "leadfactory.stage", "leadfactory.d00_gateway.transport", "leadfactory.d00_gateway.writer", "leadfactory.d01_targeting.planning",
    "leadfactory.d00_gateway.website.pinned", "leadfactory.d00_gateway.yelp", "leadfactory.d00_gateway.pagespeed",
    "leadfactory.d02_sourcing.sourcing", "leadfactory.d02_sourcing.uniqueness", "leadfactory.d04_enrichment.enriching",
    "leadfactory.d03_assessment.auditing", "leadfactory.d03_assessment.insights", "leadfactory.d05_scoring.scoring",
    "leadfactory.d11_experiments.assignment", "leadfactory.d08_personalization.drafting", "openai.resources.responses",
    "dns.asyncquery",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Recorded:
    """One request as it went over the wire, and whether its answer was JSON that somebody decoded."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    content: bytes


def record_network(into: list[Recorded]) -> Any:
    """Notes every request that is handed to the network in this process; returns a function that stops it."""
    import httpcore

    original = httpcore.AsyncConnectionPool.handle_async_request

    async def noting(self: httpcore.AsyncConnectionPool, request: httpcore.Request) -> httpcore.Response:
        content = b"".join([chunk async for chunk in request.stream])
        into.append(_recorded(request, content))
        replayable = httpcore.Request(
            request.method, request.url, headers=request.headers, content=content, extensions=request.extensions
        )
        return await original(self, replayable)

    httpcore.AsyncConnectionPool.handle_async_request = noting  # type: ignore[method-assign]

    def stop() -> None:
        httpcore.AsyncConnectionPool.handle_async_request = original  # type: ignore[method-assign]

    return stop


def _recorded(request: Any, content: bytes) -> Recorded:
    """A request as bare httpx can repeat it."""
    url = request.url
    headers = [(name.decode(), value.decode()) for name, value in request.headers]
    where = f"{url.scheme.decode()}://{url.host.decode()}:{url.port}{url.target.decode()}"
    return Recorded(request.method.decode(), where, headers, content)


class _Network:
    """The names of businesses' hosts lead to the sandbox, as its DNS says; each host still gets connections of its own."""

    def __init__(self) -> None:
        import httpcore

        self._network = httpcore.AnyIOBackend()
        self._host, _, self._port = os.environ["LEADFACTORY_SANDBOX_URL"].removeprefix("http://").rpartition(":")

    async def connect_tcp(self, host: str, port: int, **options: Any) -> Any:
        where = (self._host, int(self._port)) if host.endswith(".example") else (host, port)
        return await self._network.connect_tcp(*where, **options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def factory_seconds(recorded: list[Recorded]) -> tuple[dict[str, float], dict[str, float]]:
    """Runs every nightly stage over one campaign-day, then all of them again: wall seconds by stage of both times."""
    from leadfactory import migrate, stage
    from leadfactory.campaign_day import CampaignDay
    from leadfactory.d01_targeting import campaigns
    from leadfactory.database import Database
    from leadfactory.settings import settings

    config = settings()
    migrate.upgrade(config)
    db = Database.from_settings(config)
    unit = CampaignDay("bench-restaurants", config.clock.today())
    with db.begin() as tx:
        places = [
            campaigns.PlaceSpec("zip", each)
            for each in ("10001", "10011", "10012", "10013", "10014", "10016", "10018", "10019")
        ]
        campaigns.seed(
            tx, vertical="restaurant", places=places, quota=BUSINESSES, name=unit.campaign, now=config.clock.now()
        )
        campaigns.configure(
            tx, unit.campaign, consent_basis="simulated", sender_email="ana@mail.leadfactory.example", sender_name="Ana Ruiz",
            postal_address="LeadFactory, 500 Example Plaza, Wilmington, DE 19801", budget_cents=1_000_000, top_share=1.0,
        )  # fmt: skip
        campaigns.launch(tx, unit.campaign, config.clock.now())
    stop = record_network(recorded)
    first, again = {}, {}
    for took in (first, again):
        for name in stage.NIGHT:
            began = time.perf_counter()
            report = stage.run(name, unit, db, config)
            took[name] = time.perf_counter() - began
            print(
                f"  {name:<12} {took[name]:6.2f} s   rows {report.rows_out:>5}   calls {report.calls:>5}   open {report.rows_open}"
            )
        stop()
    db.dispose()
    return first, again


async def replay(recorded: list[Recorded]) -> float:
    """The same requests with bare httpx, ``AT_ONCE`` together: wall seconds."""
    import httpx

    waiting = iter(recorded)
    context = ssl.create_default_context(cafile=os.environ["WEBSITE_CA_FILE"])
    transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=AT_ONCE * 2), verify=context)
    transport._pool._network_backend = _Network()  # type: ignore[attr-defined]  # httpx hands no backend through
    async with httpx.AsyncClient(transport=transport, timeout=6) as http:

        async def worker() -> None:
            for each in waiting:
                request = http.build_request(each.method, each.url, headers=each.headers, content=each.content)
                try:
                    answer = await http.send(request)
                    if answer.headers.get("content-type", "").startswith("application/json"):
                        json.loads(answer.content)
                except httpx.HTTPError:
                    continue  # dead and slow sites fail for both sides alike

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(worker())
        return time.perf_counter() - began


def zero_latency(base_url: str) -> None:
    """No server of the world hangs or thinks: what remains is our own time."""
    import httpx

    httpx.post(f"{base_url}/_admin/options", json={"hangs_s": 0, "slow_server_s": 0}).raise_for_status()


def main() -> None:
    """Starts a sandbox and an embedded Postgres of its own, measures both sides, writes the ratio."""
    from sandbox.process import start

    home = Path(tempfile.mkdtemp(prefix="lf-bench-"))
    sandbox = start(port=0, seed="bench", clock=CLOCK)
    os.environ |= {
        "LEADFACTORY_HOME": str(home),
        "LEADFACTORY_CLOCK": CLOCK,
        "LEADFACTORY_SANDBOX_URL": sandbox.base_url,
        "WEBSITE_CA_FILE": str(sandbox.ca_file),
    }
    os.environ.pop("LEADFACTORY_DATABASE_URL", None)
    recorded: list[Recorded] = []
    zero_latency(sandbox.base_url)
    try:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {', '.join(LOADED)}"], check=True)
        start_up = time.perf_counter() - began
        print(f"process start and imports of all stages: {start_up:.2f} s (apart)")
        for module in LOADED:
            importlib.import_module(module)
        took, again = factory_seconds(recorded)
        stages, idle = sum(took.values()), sum(again.values())
        # what never left the machine as HTTP (a dead host's DNS) is in ours only; time-outs are left out of both
        bare = asyncio.run(replay(recorded))
    finally:
        from leadfactory import embedded

        embedded.stop(home)
        sandbox.stop()
        shutil.rmtree(home, ignore_errors=True)
    print(
        f"stages {stages:.2f} s for {len(recorded)} requests; bare asyncio/httpx {bare:.2f} s; ratio {stages / bare:.2f}; "
        f"again, with nothing left to do: {idle:.2f} s, {idle / stages:.1%}"
    )
    write(
        "campaign_day",
        [
            {"name": "campaign-day stages / bare asyncio+httpx", "ratio": stages / bare, "goal": 2},
            {"name": "campaign-day with nothing to do / its first run", "ratio": idle / stages, "goal": 0.05},
        ],
        businesses=BUSINESSES, requests=len(recorded), stages=took, stages_again=again, bare_seconds=bare, start_up_seconds=start_up,
    )  # fmt: skip


if __name__ == "__main__":
    main()
