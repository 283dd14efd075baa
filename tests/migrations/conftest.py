"""A server whose schema these tests take away and bring back."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory

from leadfactory import embedded, migrate
from leadfactory.embedded import EmbeddedServer
from leadfactory.settings import ROOT

# First to last, as the files say.
REVISIONS = [each.revision for each in ScriptDirectory(str(ROOT / "migrations")).walk_revisions()][::-1]


@pytest.fixture(scope="session")
def running() -> Iterator[EmbeddedServer]:
    """A server of this suite's own: these tests take its schema away."""
    home = Path(tempfile.mkdtemp(prefix="lf-home-"))
    try:
        yield embedded.ensure_running(home, fast=True)
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def empty(running: EmbeddedServer) -> EmbeddedServer:
    """The server with nothing in the schema, as ``roles`` leaves it."""
    with psycopg.connect(running.url("owner")) as tx:
        for kind in ("TABLE", "SEQUENCE"):
            names = tx.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'leadfactory'::regnamespace AND relkind = %s",
                ({"TABLE": "r", "SEQUENCE": "S"}[kind],),
            ).fetchall()
            for (name,) in names:
                tx.execute(f"DROP {kind} IF EXISTS leadfactory.{name} CASCADE")
        functions = "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'leadfactory'::regnamespace"
        for (signature,) in tx.execute(functions).fetchall():
            tx.execute(f"DROP FUNCTION IF EXISTS {signature} CASCADE")
    return running


def to(server: EmbeddedServer, revision: str) -> None:
    command.upgrade(migrate.configuration(server.url("owner")), revision)
