"""`leadfactory dev`: the whole factory on one machine until Ctrl-C."""

from __future__ import annotations

import signal
import threading

from cli import processes, stack
from cli.output import console, paint
from leadfactory.settings import settings


def run() -> None:
    """Starts every process, says where each is, and waits."""
    with stack.factory(
        lambda line: console.print(paint("green", "✓"), line), any_port=False, facing_the_world=True
    ) as api:
        config = settings()
        console.print(f"\n  operators' UI    {api.url}")
        console.print(f"  edge             http://127.0.0.1:{stack.EDGE_PORT}/health")
        if config.uses_sandbox:
            console.print(f"  vendor sandbox   {config.sandbox_url}/_truth")
        console.print(f"  home             {config.home}\n  logs             {config.home / 'logs'}")
        console.print("\nCtrl-C stops everything.")
        stopped = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        try:
            while not stopped.wait(0.5):
                processes.restart_asked()
        except KeyboardInterrupt:
            console.print("\nstopping …")
