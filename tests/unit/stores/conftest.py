"""Homes whose embedded server is ended with the test."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from leadfactory import embedded


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty LEADFACTORY_HOME that only its owner may enter."""
    folder = Path(tempfile.mkdtemp(prefix="lf-home-"))
    yield folder
    embedded.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(home: Path) -> embedded.EmbeddedServer:
    """A running server in that home, with a row that must survive whatever happens to it."""
    running = embedded.ensure_running(home, fast=True)
    with psycopg.connect(running.url("owner")) as tx:
        tx.execute("CREATE TABLE leadfactory.kept AS SELECT 'kept' AS word")
    return running


@pytest.fixture
def squatter() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """A stranger on a port of this machine, who hangs up on whoever calls."""

    @contextlib.contextmanager
    def listening(port: int) -> Iterator[None]:
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

    return listening
