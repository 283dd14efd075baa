"""What the tests of the embedded server look at and do to it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from leadfactory import embedded, embedded_process
from leadfactory.embedded import EmbeddedServer


def kept(server: EmbeddedServer) -> list[int]:
    """The numbers in the table that must survive everything."""
    with psycopg.connect(server.url("owner")) as tx:
        return [row[0] for row in tx.execute("SELECT number FROM leadfactory.kept ORDER BY 1")]


def vendor_contents(server: EmbeddedServer) -> int:
    """How many rows the UNLOGGED table has."""
    with psycopg.connect(server.url("owner")) as tx:
        row = tx.execute("SELECT count(*) FROM leadfactory.vendor_content").fetchone()
    assert row is not None
    return int(row[0])


def postmaster(home: Path) -> int:
    """The pid of the home's running postmaster."""
    pid = embedded_process.postmaster_of(embedded.folder(home) / "data")
    assert pid is not None
    return pid


def kill_postmaster(home: Path) -> None:
    """SIGKILL, and nothing is left of it when this returns but what its children still do."""
    pid = postmaster(home)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: embedded_process.postmaster_of(embedded.folder(home) / "data") != pid)


def wait_for(happened: Callable[[], object], within_s: float = 30.0) -> None:
    """Returns once ``happened`` is true."""
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def one_line(said: str) -> str:
    """The one line of an expected error; anything more, such as a traceback, fails."""
    lines = [line for line in said.splitlines() if line.strip() and " WARNING " not in line]
    assert len(lines) == 1, said
    assert lines[0].startswith("error: "), said
    return lines[0]


@contextlib.contextmanager
def stranger_on(port: int) -> Iterator[None]:
    """A program of somebody else's on ``port`` of this machine, which hangs up on whoever calls."""
    with socket.create_server(("127.0.0.1", port)) as stranger:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    stranger.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        try:
            yield
        finally:
            stranger.shutdown(socket.SHUT_RDWR)
            thread.join()
