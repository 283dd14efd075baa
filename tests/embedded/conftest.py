"""Homes with a database in them, started by processes that may be killed, and clients in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from leadfactory import embedded, embedded_process, migrate
from leadfactory.embedded import EmbeddedServer
from tests.postgres import settings_for_tests

ROOT = Path(__file__).resolve().parents[2]
# A row that must survive everything, and one that lives in an UNLOGGED table and must not survive a crash.
ROWS = """
CREATE TABLE leadfactory.kept (number bigint PRIMARY KEY);
GRANT SELECT, INSERT ON leadfactory.kept TO lf_app;
INSERT INTO leadfactory.kept VALUES (0);
INSERT INTO leadfactory.vendor_content (vendor, content_key, subject, content, fetched_at, expires_at)
VALUES ('yelp', '\\x00', 'biz', '{"name": "Ada''s"}', now(), now() + interval '1 day');
"""
Leadfactory = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    """A home whose server was migrated, given the rows above and stopped; copied, never started again."""
    folder = Path(tempfile.mkdtemp(prefix="lf-template-"))
    try:
        server = embedded.ensure_running(folder, fast=True)
        migrate.upgrade(settings_for_tests(folder))
        with psycopg.connect(server.url("owner")) as tx:
            tx.execute(ROWS)
    finally:
        embedded.stop(folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(template: Path) -> Iterator[Path]:
    """A LEADFACTORY_HOME whose server is stopped and has the rows above."""
    folder = Path(tempfile.mkdtemp(prefix="lf-home-"))
    shutil.copytree(template, folder, symlinks=True, dirs_exist_ok=True)
    yield folder
    ended(folder)


@pytest.fixture
def new_home() -> Iterator[Path]:
    """An empty LEADFACTORY_HOME."""
    folder = Path(tempfile.mkdtemp(prefix="lf-home-"))
    yield folder
    ended(folder)


@pytest.fixture
def server(home: Path) -> EmbeddedServer:
    """The running server of that home."""
    return embedded.ensure_running(home)


def ended(folder: Path) -> None:
    """Stops whatever serves ``folder`` and removes it."""
    for data in {folder / "postgres" / "data", folder.resolve() / "postgres" / "data"}:
        pid = embedded_process.postmaster_of(data)
        if pid is not None:
            embedded_process.stop_postmaster(pid)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def leadfactory() -> Leadfactory:
    """One command of the CLI in a process of its own, on the embedded server of a home."""

    def run(
        *arguments: str, home: Path, before: tuple[str, ...] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        env = {k: v for k, v in os.environ.items() if not k.endswith("DATABASE_URL")}
        env |= {"LEADFACTORY_HOME": str(home), "COLUMNS": "400", **environment}
        return subprocess.run(
            [*before, sys.executable, "-m", "cli.main", *arguments],
            cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run
