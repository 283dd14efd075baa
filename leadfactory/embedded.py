"""The Postgres that needs no installation: PostgreSQL 18 from a wheel's binaries, under LEADFACTORY_HOME.

Our own initdb and start: TCP on 127.0.0.1, a short socket folder, scram, data checksums, the production roles. The server
outlives the process that starts it; ``stop`` ends it. Processes enter as one of the roles; the superuser's password is read
only while the server is created or started.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import secrets
import time
from pathlib import Path

import psycopg
import sqlalchemy as sa

from leadfactory import embedded_cluster as cluster
from leadfactory import embedded_files as files
from leadfactory import embedded_process as process
from leadfactory import embedded_user, roles
from leadfactory.embedded_files import EmbeddedPostgresError

__all__ = [
    "EmbeddedPostgresError",
    "EmbeddedServer",
    "Status",
    "check",
    "ensure_running",
    "find",
    "is_running",
    "status",
    "stop",
]
log = logging.getLogger(__name__)
START_WITHIN_S = 60
ATTEMPTS = 3


@dataclasses.dataclass(frozen=True)
class EmbeddedServer:
    """A running embedded server: where it listens and how each role gets in."""

    home: Path
    port: int
    passwords: dict[str, str] = dataclasses.field(repr=False)
    host: str = files.HOST

    def url(self, role: str = "app", database: str | None = None) -> str:
        """A ``postgresql://`` URL with password.

        Args:
            role: app, owner, analyst, backup or dagster.
            database: ``leadfactory``, or ``dagster`` (the default of the role dagster).

        Raises:
            KeyError: for another role.
        """
        name = database or ("dagster" if role == "dagster" else "leadfactory")
        return self._url(f"lf_{role}", self.passwords[f"lf_{role}"], name)

    def _url(self, user: str, password: str, database: str) -> str:
        url = sa.engine.URL.create("postgresql", user, password, self.host, self.port, database)
        return url.render_as_string(hide_password=False)


@dataclasses.dataclass(frozen=True)
class Status:
    """What is known of a home's server without starting it; port and pid are None when it was never created or is down."""

    running: bool
    port: int | None
    pid: int | None
    data: Path
    log: Path


def folder(home: Path) -> Path:
    """Where the server's files live."""
    return home.resolve() / "postgres"


def find(home: Path) -> EmbeddedServer | None:
    """The server of ``home`` when it runs and lets the application in; never starts it.

    Raises:
        EmbeddedPostgresError: when its credentials are damaged or not ours to read.
    """
    try:
        server = _load(home)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise cluster.unusable(folder(home), error) from None
    if _why_not(server.url("app")) is not None:
        return None
    return (
        server if files.is_served(folder(home)) else None
    )  # a copy of this home may have its port, and the same passwords


def known(home: Path) -> EmbeddedServer | None:
    """The server of ``home`` as its credentials stand, whether or not it answers."""
    try:
        return _load(home)
    except (OSError, EmbeddedPostgresError):
        return None


def rotate_passwords(home: Path) -> list[str]:
    """New passwords for all roles: kept first, then set, so that whatever ends in between is mended by the next start. Running
    processes read them again when the old one is refused; the roles' names."""
    root = folder(home)
    with files.only_one_starter(root):
        server = _load(home)
        passwords = {name: secrets.token_urlsafe(24) for name in roles.LOGINS}
        cluster.keep(root, server.port, passwords, whole=cluster.is_whole(root))
        roles.apply(server._url(cluster.SUPERUSER, cluster.superuser_password(root), "postgres"), passwords)
    return list(passwords)


def is_running(home: Path) -> bool:
    """Whether the server of ``home`` accepts the application's connections."""
    return find(home) is not None


def status(home: Path) -> Status:
    """How the server of ``home`` is."""
    root = folder(home)
    server = find(home)
    pid = process.postmaster_of(root / "data") if root.is_dir() else None
    return Status(server is not None, server.port if server else None, pid, root / "data", root / "log")


def check(home: Path) -> None:
    """Looks whether the server of ``home`` could be started, and starts nothing.

    Raises:
        EmbeddedPostgresError: names what is in the way and the remedy.
    """
    root = folder(home)
    try:
        process.binaries()
        if root.is_dir():
            cluster.check(root)
    except OSError as error:
        raise cluster.unusable(root, error) from None


def ensure_running(home: Path, *, fast: bool = False) -> EmbeddedServer:
    """Finds the server of ``home``, or creates and starts it. Safe to call from several processes at once.

    Args:
        home: LEADFACTORY_HOME.
        fast: without fsync, for tests only; decided when the cluster is created.

    Raises:
        EmbeddedPostgresError: names what went wrong and the remedy.
    """
    found = find(home)
    if found is not None:
        return found
    root = folder(home)
    try:
        files.make_folder(root)
        with files.only_one_starter(root):
            served = process.postmaster_of(root / "data") is not None
            return (find(home) if served else None) or _served(home, root, fast=fast)
    except psycopg.Error as error:
        raise EmbeddedPostgresError(
            f"the embedded Postgres under {root} refuses{process.explain(str(error))}"
        ) from None
    except OSError as error:
        raise cluster.unusable(root, error) from None


def stop(home: Path) -> None:
    """Stops the server of ``home`` if it runs; open transactions are rolled back.

    Raises:
        EmbeddedPostgresError: when it does not end, or is not ours to end.
    """
    data = folder(home) / "data"
    pid = process.postmaster_of(data)
    if pid is not None:
        process.stop_postmaster(pid)
        with contextlib.suppress(OSError):  # a starter may be back already
            sockets = files.socket_folder(home.resolve(), data.stat().st_uid)
            process.clear_after_kill(data, sockets)
            sockets.rmdir()


def _load(home: Path) -> EmbeddedServer:
    port, passwords = cluster.credentials(folder(home))
    return EmbeddedServer(home.resolve(), port, passwords)


def _why_not(url: str) -> str | None:
    """None when ``url`` lets us in, else what it says."""
    try:
        with psycopg.connect(url, connect_timeout=5):
            return None
    except psycopg.OperationalError as error:
        return str(error)


def _served(home: Path, root: Path, *, fast: bool) -> EmbeddedServer:
    """The server, running, under the starters' lock."""
    before = files.log_sizes(root / "log")
    for attempt in range(ATTEMPTS):
        ours = process.postmaster_of(root / "data") is None
        if ours:
            cluster.check(root)
            cluster.clear_half_made(root)
            if not (root / "data" / "PG_VERSION").is_file():
                cluster.create(root, fast=fast)
            _start(home, root)
        server = _load(home)
        superuser = server._url(cluster.SUPERUSER, cluster.superuser_password(root), "postgres")
        if _lets_in(superuser, root, before):
            roles.apply(superuser, server.passwords)
            if not cluster.is_whole(root):
                cluster.keep(root, server.port, server.passwords, whole=True, lasting=not fast)
            return server
        if ours and files.port_is_free(server.port):  # not the port that was lost between the look and the start
            break
        log.info("the embedded Postgres ended while it started (attempt %d of %d)", attempt + 1, ATTEMPTS)
    said = process.explain(files.logged_since(root / "log", before))
    raise EmbeddedPostgresError(f"the embedded Postgres does not start{said}{_space(root, said)}")


def _start(home: Path, root: Path) -> None:
    user = embedded_user.of(root)
    embedded_user.check_way(user, process.binaries(), root)
    data = root / "data"
    sockets = files.socket_folder(home.resolve(), None if user is None else user.uid)
    with files.serving(root) as lock:
        if not process.take_over(data, sockets, lock):
            return
        cluster.keep_closed(root)
        server = _load(home)
        if not files.port_is_free(server.port):
            moved = files.free_port()
            log.warning("port %d is taken by another program: the embedded Postgres moves to %d", server.port, moved)
            cluster.keep(root, moved, server.passwords, whole=True)
            server = dataclasses.replace(server, port=moved)
        files.make_folder(root / "log")
        said = root / "log" / "start.log"
        said.unlink(missing_ok=True)
        said.touch(mode=0o600)
        embedded_user.hand_over(user, root, sockets)
        process.launch(
            said, "-D", str(data), "-p", str(server.port), "-k", str(sockets), user=user, lock=lock,
        )  # fmt: skip


def _lets_in(url: str, root: Path, before: dict[Path, int]) -> bool:
    """Waits until the server lets us in; False when it has ended instead.

    Raises:
        EmbeddedPostgresError: when it lives and does not.
    """
    deadline = time.monotonic() + START_WITHIN_S
    while why := _why_not(url):
        if "password authentication failed" in why:
            raise EmbeddedPostgresError(
                f"the passwords in {root} are not those of the data beside them: restore credentials.json and "
                "superuser.password from the backup that the data came from"
            )
        if process.gone(root):
            return False
        if time.monotonic() > deadline:
            recovering = "starting up" in why or "recovery" in why
            raise EmbeddedPostgresError(
                f"the embedded Postgres still recovers after {START_WITHIN_S} s; nothing is lost: try again in a while"
                if recovering
                else f"the embedded Postgres runs but lets nobody in on {files.HOST}:{sa.engine.make_url(url).port}"
                f"{process.explain(files.logged_since(root / 'log', before))}"
            )
        time.sleep(0.05)
    return True


def _space(root: Path, said: str) -> str:
    """A full disk may have kept the server from saying so."""
    short = files.lacks_space(root)
    return (
        f"; free disk space, or set LEADFACTORY_HOME to another disk{short}" if short and "disk" not in said else short
    )
