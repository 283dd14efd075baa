"""Homes whose embedded server is ended with the test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
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
