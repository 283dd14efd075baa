"""``python -m sandbox``: the vendors and their world on one port of this machine."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.server import PortTaken, Server
from sandbox.state import Sandbox
from sandbox.truth import Truth
from sandbox.world import geography
from sandbox.world.seeded import SeededWorld


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8900, help="TCP and UDP; 0 takes a free one")
    parser.add_argument("--seed", default="demo", help="the world is a pure function of it")
    parser.add_argument("--ca-file", type=Path, help="where to write the CA that signs the sites' certificates")
    parser.add_argument("--truth-file", type=Path, help="append the truth log here, one JSON line an entry")
    parser.add_argument("--clock", help="2026-10-06T15:00:00+00:00, or <start>@<real anchor>*<speed>")
    parser.add_argument("--faults", default="", help="for example 5xx=0.05,429=0.05,sendgrid:lost=0.02")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="added to every vendor's answer")
    return parser


async def serve(arguments: argparse.Namespace) -> int:
    """Runs until SIGTERM or SIGINT."""
    try:
        faults, clock = Faults.parse(arguments.faults), Clock.parse(arguments.clock)
    except ValueError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    faults.latency_ms["*"] = arguments.latency_ms
    sandbox = Sandbox(SeededWorld(arguments.seed), Truth(arguments.truth_file), faults, clock, seed=arguments.seed)
    server = Server(sandbox, host=arguments.host, port=arguments.port, ca_file=arguments.ca_file)
    try:
        await server.start()
    except PortTaken as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    stopped = asyncio.Event()
    geography.load()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    print(f"sandbox ready on http://{arguments.host}:{server.port}", flush=True)
    await stopped.wait()
    await server.stop()
    return 0


if __name__ == "__main__":
    import uvloop

    sys.exit(uvloop.run(serve(_parser().parse_args())))
