"""A real streaming replica of the embedded server: figures and reports are read there while it is near, and from the primary when not."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from leadfactory import embedded, embedded_cluster, embedded_files, embedded_user, replica
from leadfactory.backup import programs
from leadfactory.dashboards import asking
from leadfactory.database import Database
from leadfactory.embedded import EmbeddedServer
from leadfactory.monitoring import figures
from leadfactory.replica import Nearest
from tests.embedded.conftest import Leadfactory, ended
from tests.embedded.scenes import wait_for
from tests.postgres import settings_for_tests

CAMPAIGN = """INSERT INTO leadfactory.campaigns (campaign, vertical, daily_quota, starts_on, created_at)
              VALUES ('{name}', 'restaurant', 100, '2026-10-06', '2026-10-06 15:00+00')"""


@dataclasses.dataclass
class Follower:
    """A running replica and its primary."""

    primary: EmbeddedServer
    process: subprocess.Popen[bytes]
    port: int

    def url(self, role: str = "app") -> str:
        """The replica's, as ``role``."""
        at = sa.engine.make_url(self.primary.url(role)).set(port=self.port)
        return at.render_as_string(hide_password=False)

    def replay(self, what: str) -> None:
        """Pauses or resumes the replay of what arrives."""
        root = embedded.folder(self.primary.home)
        at = self.primary._url(embedded_cluster.SUPERUSER, embedded_cluster.superuser_password(root), "postgres")
        with psycopg.connect(at.replace(f":{self.primary.port}/", f":{self.port}/"), autocommit=True) as admin:
            admin.execute(f"SELECT pg_wal_replay_{what}()".encode())

    def stop(self) -> None:
        """As a machine that goes away."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)


@pytest.fixture(scope="module")
def primary(template: Path) -> Iterator[EmbeddedServer]:
    folder = Path(tempfile.mkdtemp(prefix="lf-home-"))
    shutil.copytree(template, folder, symlinks=True, dirs_exist_ok=True)
    yield embedded.ensure_running(folder)
    ended(folder)


@pytest.fixture
def follower(primary: EmbeddedServer) -> Iterator[Follower]:
    """pg_basebackup --write-recovery-conf, and a server over what it made."""
    into = Path(tempfile.mkdtemp(prefix="lf-replica-"))
    data, port = into / "data", embedded_files.free_port()
    programs.run(
        18, "pg_basebackup", "--pgdata", str(data), "--wal-method=stream", "--checkpoint=fast", "--write-recovery-conf",
        "--no-sync", url=primary.url("backup"),
    )  # fmt: skip
    user = embedded_user.of(into)
    sockets = embedded_files.socket_folder(into.resolve(), None if user is None else user.uid)
    embedded_user.hand_over(user, into, sockets)
    options = {
        "port": str(port),
        "unix_socket_directories": str(sockets),
        "logging_collector": "off",
        "hot_standby": "on",
    }
    log = (into / "server.log").open("wb")
    with log:
        process = subprocess.Popen(
            [str(programs.folder(18) / "postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in options.items())],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", preexec_fn=embedded_user.preparation(user),
        )  # fmt: skip
        made = Follower(primary, process, port)
        try:
            wait_for(lambda: _answers(made.url()))
            yield made
        finally:
            if process.poll() is None:
                made.stop()
            shutil.rmtree(into, ignore_errors=True)
            shutil.rmtree(sockets, ignore_errors=True)


@pytest.fixture
def near(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nearest]:
    """Both, asked anew each time."""
    monkeypatch.setattr(replica, "ASK_AGAIN_S", 0.0)
    db = Database(follower.primary.url("app"), pool_size=2)
    made = Nearest(db, Database(follower.url(), pool_size=2))
    yield made
    made.dispose()
    db.dispose()


def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2):
        return True
    return False


def _write(server: EmbeddedServer, name: str) -> None:
    with psycopg.connect(server.url("owner")) as tx:
        tx.execute(CAMPAIGN.format(name=name).encode())


def _names(near: Nearest) -> set[str]:
    with near.reading() as tx:
        return set(tx.scalars(sa.text("SELECT campaign FROM campaigns")))


def _told(near: Nearest) -> dict[str, float]:
    settings = settings_for_tests(Path(tempfile.gettempdir()))
    return {
        f"{figure.name}{dict(labels) or ''}": value
        for figure in figures.collect(near.primary, settings, near)
        for labels, value in figure.samples
    }


def test_what_the_primary_wrote_is_read_on_the_replica(near: Nearest, follower: Follower) -> None:
    _write(follower.primary, "followed")
    wait_for(lambda: "followed" in _names(near))
    assert near.database() is not near.primary


def test_every_family_of_figures_can_be_asked_of_the_replica(near: Nearest) -> None:
    wait_for(lambda: near.database() is not near.primary)
    told = _told(near)
    assert (told["replica_used"], told["database_up"]) == (1.0, 1.0)
    assert {name: value for name, value in told.items() if name.startswith("figures_failed") and value} == {}


def test_nothing_is_written_there_and_no_vendor_content_is_there(near: Nearest) -> None:
    wait_for(lambda: near.database() is not near.primary)
    with pytest.raises(sa.exc.DBAPIError, match="read-only transaction"), near.reading() as tx:
        tx.execute(sa.text("DELETE FROM campaigns"))
    with pytest.raises(sa.exc.DBAPIError, match="unlogged relations"), near.reading() as tx:
        tx.execute(sa.text("SELECT count(*) FROM vendor_content"))


def test_a_replica_that_lags_is_left_for_the_primary_and_taken_again_when_it_is_back(
    near: Nearest, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "MOST_LAG_S", 0.5)
    _write(follower.primary, "before-the-lag")
    wait_for(lambda: near.database() is not near.primary)
    follower.replay("pause")
    time.sleep(0.6)
    _write(follower.primary, "while-it-lags")
    assert near.database() is near.primary
    assert "while-it-lags" in _names(near)
    assert (near.lag_s or 0) > 0.5
    follower.replay("resume")
    wait_for(lambda: near.database() is not near.primary)


def test_a_replica_that_went_away_costs_nothing_but_its_figures(near: Nearest, follower: Follower) -> None:
    wait_for(lambda: near.database() is not near.primary)
    follower.stop()
    told = _told(near)
    assert (told["replica_used"], told["database_up"]) == (0.0, 1.0)
    assert not any(value for name, value in told.items() if name.startswith("figures_failed"))


def test_a_replica_that_goes_away_between_two_looks_is_left_at_once(
    near: Nearest, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for(lambda: near.database() is not near.primary)
    monkeypatch.setattr(replica, "ASK_AGAIN_S", 3600.0)
    follower.stop()
    told = _told(near)
    assert (told["replica_used"], told["database_up"]) == (0.0, 1.0)
    assert not any(value for name, value in told.items() if name.startswith("figures_failed"))


def test_a_server_that_follows_nobody_is_no_replica(primary: EmbeddedServer) -> None:
    db, other = (Database(primary.url("app"), pool_size=1) for _ in range(2))
    made = Nearest(db, other)
    assert made.database() is db
    made.dispose()
    db.dispose()


def test_without_one_the_primary_is_read(primary: EmbeddedServer) -> None:
    db = Database(primary.url("app"), pool_size=1)
    made = Nearest.of(settings_for_tests(primary.home), db)
    assert (made.configured, made.database()) == (False, db)
    db.dispose()


def test_a_command_that_looks_back_reads_on_the_replica(
    near: Nearest, follower: Follower, leadfactory: Leadfactory
) -> None:
    _write(follower.primary, "replayed")
    wait_for(lambda: near.database() is not near.primary)
    follower.replay("pause")
    _write(follower.primary, "not-replayed")
    asked = ("export-data", "--table=campaigns", "--date=2026-10-06", "--format=csv")
    there = leadfactory(*asked, home=follower.primary.home, LEADFACTORY_REPLICA_URL=follower.url())
    here = leadfactory(*asked, home=follower.primary.home)
    follower.replay("resume")
    assert (there.returncode, "not-replayed" in there.stdout) == (0, False)
    assert (here.returncode, "not-replayed" in here.stdout) == (0, True)


def _publish(server: EmbeddedServer, build: str) -> None:
    """A build of the marts that knows no day and no campaign."""
    with psycopg.connect(server.url("owner")) as tx:
        tx.execute("CREATE TABLE IF NOT EXISTS marts.version (build_id text, built_at timestamptz)")
        tx.execute("CREATE TABLE IF NOT EXISTS marts.mart_daily_activity (occurred_on date)")
        tx.execute("CREATE TABLE IF NOT EXISTS marts.dim_campaigns (campaign_id text)")
        tx.execute("DELETE FROM marts.version")
        tx.execute("INSERT INTO marts.version VALUES (%s, now())", [build])


def test_dashboards_are_asked_of_the_replica_and_of_the_primary_once_it_is_gone(
    near: Nearest, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(follower.primary, "first")
    wait_for(lambda: near.database() is not near.primary and near.ask(asking.version).build_id == "first")
    follower.replay("pause")
    _publish(follower.primary, "second")
    followed = near.ask(asking.version).build_id
    monkeypatch.setattr(replica, "ASK_AGAIN_S", 3600.0)  # it goes away between two looks
    follower.stop()
    assert (followed, near.ask(asking.version).build_id) == ("first", "second")
