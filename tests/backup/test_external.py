"""A server that is not ours: set up, saved and recovered beside it, for its administrator to start; in its place nothing is put."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from leadfactory import embedded_files, embedded_user, fence
from leadfactory.backup import programs
from leadfactory.database import Database
from leadfactory.settings import ROOT
from tests.backup.conftest import SALE
from tests.embedded.scenes import wait_for

pytestmark = pytest.mark.timeout(180)
ADMIN, PASSWORD = "postgres", "the-administrators"


class Server:
    """A Postgres that its administrator started, as the distribution's service would, over ``data``."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, embedded_files.free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, role: str, password: str, database: str = "leadfactory") -> str:
        at = sa.engine.URL.create("postgresql", role, password, "127.0.0.1", self.port, database)
        return at.render_as_string(hide_password=False)

    def start(self) -> None:
        user = embedded_user.of(self.data.parent)
        embedded_user.hand_over(user, self.data.parent)
        with (self.data.parent / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(programs.folder(18) / "postgres"), "-D", str(self.data), "-p", str(self.port), "-k", str(self.data.parent),
                 "-c", "fsync=off", "-c", "wal_level=replica", "-c", "unix_socket_directories="],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", preexec_fn=embedded_user.preparation(user),
            )  # fmt: skip
        wait_for(self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url(ADMIN, PASSWORD, "postgres"), connect_timeout=2):  # fmt: skip
            return True
        return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
            self._process.kill()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="lf-external-"))
    yield found
    shutil.rmtree(found, ignore_errors=True)


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Iterator[Server]:
    """A cluster whose superuser is its administrator's and not ours."""
    place = folder / "theirs"
    place.mkdir(mode=0o700)
    (place / "password").write_text(PASSWORD)
    user = embedded_user.of(place)
    embedded_user.hand_over(user, place)
    subprocess.run(
        [str(programs.folder(18) / "initdb"), "-D", str(place / "data"), "-U", ADMIN, "--auth=scram-sha-256",
         f"--pwfile={place / 'password'}", "--no-sync", "--data-checksums"],
        check=True, capture_output=True, cwd="/", preexec_fn=embedded_user.preparation(user),
    )  # fmt: skip
    server = Server(place / "data")
    try:
        server.start()
        yield server
    finally:
        server.stop()


class Factory:
    """A factory on that server, by its commands."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._folder, self._roles = folder, folder / "roles.json"
        self.command("db-setup", f"--admin-url={server.url(ADMIN, PASSWORD, 'postgres')}", f"--passwords={self._roles}")
        self.passwords = json.loads(self._roles.read_text())
        self.environment = {
            "LEADFACTORY_DATABASE_URL": self.url(server, "lf_app"),
            "DAGSTER_DATABASE_URL": self.url(server, "lf_dagster", "dagster"),
            "LEADFACTORY_BACKUP_DATABASE_URL": self.url(server, "lf_backup"),
        }

    environment: dict[str, str] = {}

    def url(self, server: Server, role: str, database: str = "leadfactory") -> str:
        return server.url(role, self.passwords[role], database)

    def command(self, *arguments: str, code: int = 0) -> str:
        env = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
        env |= {
            "LEADFACTORY_ENV": "test",
            "LEADFACTORY_HOME": str(self._folder / "home"),
            "COLUMNS": "300",
        } | self.environment
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr if code else done.stdout


@pytest.fixture(scope="module")
def factory(theirs: Server, folder: Path) -> Factory:
    return Factory(theirs, folder)


def _sold(url: str) -> set[uuid.UUID]:
    db = Database(url, pool_size=1)
    try:
        with db.begin() as tx:
            return set(tx.scalars(sa.text("SELECT posting_id FROM money_entries")))
    finally:
        db.dispose()


def _sell(url: str) -> uuid.UUID:
    posting = uuid.uuid4()
    db = Database(url, pool_size=1)
    with db.begin() as tx:
        tx.execute(sa.text(SALE), {"posting": posting, "purchase": uuid.uuid4()})
    db.dispose()
    return posting


@pytest.fixture(scope="module")
def saved(factory: Factory, theirs: Server) -> tuple[uuid.UUID, uuid.UUID]:
    """A sale that the backup has, and one that was made after it."""
    before = _sell(factory.url(theirs, "lf_app"))
    factory.command("backup")
    return before, _sell(factory.url(theirs, "lf_app"))


def test_in_its_place_nothing_is_restored_and_what_to_do_is_said(
    factory: Factory, theirs: Server, saved: tuple[uuid.UUID, uuid.UUID]
) -> None:
    said = factory.command("restore-database", "--backup=latest", "--yes", code=1)
    assert "names a server that is not ours to replace: restore-database --into=FOLDER" in said
    assert _sold(factory.url(theirs, "lf_app")) == set(saved)


def test_the_backup_is_proven_on_a_server_of_our_own(factory: Factory, saved: tuple[uuid.UUID, uuid.UUID]) -> None:
    told = json.loads(factory.command("test-backup-restore", "--json"))
    assert {each["ok"] for each in told["checks"]} == {True}
    assert {"rows of money_entries", "checksums of all pages"} <= {each["name"] for each in told["checks"]}


def test_the_recovered_cluster_is_started_by_its_administrator_and_fenced(
    factory: Factory, folder: Path, saved: tuple[uuid.UUID, uuid.UUID]
) -> None:
    into = folder / "recovered"
    factory.command("restore-database", "--backup=latest", f"--into={into}")
    recovered = Server(into / "data")
    recovered.start()  # with the administrator's own password, which the cluster kept
    try:
        found = _sold(factory.url(recovered, "lf_app"))
        db = Database(factory.url(recovered, "lf_app"), pool_size=1)
        with db.begin() as tx:
            fenced = fence.is_fenced(tx)
        db.dispose()
    finally:
        recovered.stop()
    assert found == {saved[0]}
    assert fenced is not None
    assert not (folder / "home" / "postgres").exists()  # nothing of an embedded server is made for it
