"""The Postgres that needs no installation: PostgreSQL 18 from a wheel's binaries, under LEADFACTORY_HOME.

Our own initdb and pg_ctl: TCP on 127.0.0.1, a short socket folder, scram, data checksums, the production roles. The server
outlives the process that starts it; ``stop`` ends it. Processes enter as one of the roles; the superuser's password is read
only while the server is created or started.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import secrets
import shlex
import shutil
import time
from pathlib import Path

import psycopg
import sqlalchemy as sa

from leadfactory import embedded_files as files
from leadfactory import embedded_process as process
from leadfactory import roles
from leadfactory.embedded_process import EmbeddedPostgresError

__all__ = [
    "EmbeddedPostgresError",
    "EmbeddedServer",
    "Status",
    "ensure_running",
    "find",
    "is_running",
    "status",
    "stop",
]
log = logging.getLogger(__name__)
SUPERUSER = "lf_super"
START_WITHIN_S = 60
PORT_ATTEMPTS = 3


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
    """The server of ``home`` when it runs and lets the application in; never starts it."""
    root = folder(home)
    try:
        server = _load(home, root)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return server if _answers(server.url("app")) else None


def is_running(home: Path) -> bool:
    """Whether the server of ``home`` accepts the application's connections."""
    return find(home) is not None


def status(home: Path) -> Status:
    """How the server of ``home`` is."""
    root = folder(home)
    server = find(home)
    pid = process.postmaster_of(root / "data") if root.is_dir() else None
    return Status(server is not None, server.port if server else None, pid, root / "data", root / "log")


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
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with files.only_one_starter(root):
            served = process.postmaster_of(root / "data") is not None
            found = find(home) if served else None
            if found is not None:
                return found
            if not (root / "data").is_dir():
                _create(home, root, fast=fast)
            server = _load(home, root)
            if not served:
                server = _start(server, root)
            superuser = server._url(SUPERUSER, _superuser_password(root), "postgres")
            _wait_for(superuser, root)
            roles.apply(superuser, server.passwords)
            return server
    except psycopg.Error as error:
        raise EmbeddedPostgresError(
            f"the embedded Postgres under {root} refuses{process.explain(str(error))}"
        ) from None
    except OSError as error:
        raise EmbeddedPostgresError(
            f"the embedded Postgres under {root} cannot be read or written ({error}): free disk space, check the folder's "
            "owner, or set LEADFACTORY_HOME to another folder"
        ) from None


def stop(home: Path) -> None:
    """Stops the server of ``home`` if it runs; open transactions are rolled back.

    Raises:
        EmbeddedPostgresError: when it does not end.
    """
    pid = process.postmaster_of(folder(home) / "data")
    if pid is not None:
        process.stop_postmaster(pid)
        sockets = files.socket_folder(home.resolve())
        process.clear_after_kill(folder(home) / "data", sockets)
        with contextlib.suppress(OSError):  # a starter may be back already
            sockets.rmdir()


def _load(home: Path, root: Path) -> EmbeddedServer:
    path = root / "credentials.json"
    if (root / "data").is_dir() and not path.is_file():
        raise EmbeddedPostgresError(
            f"{path} is gone, and the data beside it has no other key: restore it from a backup"
        )
    text = path.read_text()
    try:
        kept = json.loads(text)
        return EmbeddedServer(home.resolve(), int(kept["port"]), dict(kept["passwords"]))
    except (ValueError, KeyError, TypeError):
        raise EmbeddedPostgresError(
            f"{path} is damaged, and the data beside it has no other key: restore it from a backup"
        ) from None


def _superuser_password(root: Path) -> str:
    return (root / "superuser.password").read_text()


def _keep_credentials(server: EmbeddedServer, root: Path) -> None:
    files.keep_secret(
        root / "credentials.json", json.dumps({"port": server.port, "passwords": server.passwords}, indent=1)
    )


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


def _create(home: Path, root: Path, *, fast: bool) -> None:
    """initdb into a folder beside, then one rename: an interrupted initdb leaves nothing that looks like a cluster."""
    for left in root.glob("data.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    beside = root / f"data.new-{os.getpid()}"
    files.keep_secret(root / "superuser.password", secrets.token_urlsafe(24))
    (root / "log").mkdir(exist_ok=True, mode=0o700)
    process.hand_over(root)
    process.run(
        "initdb", "-D", str(beside), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={root / 'superuser.password'}",
        "--data-checksums", "--encoding=UTF8", "--locale=C", *(("--no-sync",) if fast else ()),
    )  # fmt: skip
    (beside / "leadfactory.conf").write_text(files.CONF + (files.FAST if fast else ""))
    with (beside / "postgresql.conf").open("a") as sink:
        sink.write("\ninclude_if_exists = 'leadfactory.conf'\n")
    passwords = {name: secrets.token_urlsafe(24) for name in roles.LOGINS}
    _keep_credentials(EmbeddedServer(home, files.free_port(), passwords), root)
    process.hand_over(root)
    beside.rename(root / "data")


def _start(server: EmbeddedServer, root: Path) -> EmbeddedServer:
    data = root / "data"
    sockets = files.socket_folder(server.home)
    process.clear_after_kill(data, sockets)
    process.hand_over(root, sockets)
    for attempt in range(PORT_ATTEMPTS):
        if not files.port_is_free(server.port):
            moved = dataclasses.replace(server, port=files.free_port())
            log.warning(
                "port %d is taken by another program: the embedded Postgres moves to %d", server.port, moved.port
            )
            _keep_credentials(moved, root)
            server = moved
        (root / "log" / "start.log").unlink(missing_ok=True)
        try:
            process.run(
                "pg_ctl", "start", "-D", str(data), "-l", str(root / "log" / "start.log"), "-w", "-t", str(START_WITHIN_S),
                "-o", f"-p {server.port} -k {shlex.quote(str(sockets))}", detach=True,
            )  # fmt: skip
            return server
        except EmbeddedPostgresError:
            if attempt + 1 < PORT_ATTEMPTS and not files.port_is_free(server.port):
                continue  # lost the port between the look and the start
            raise EmbeddedPostgresError(
                f"the embedded Postgres does not start{process.explain(_logged(root))}"
            ) from None
    raise EmbeddedPostgresError(
        f"no port on {files.HOST} stays free long enough to start the embedded Postgres: try again"
    )


def _wait_for(url: str, root: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not _answers(url):
        if time.monotonic() > deadline:
            port = sa.engine.make_url(url).port
            raise EmbeddedPostgresError(
                f"the embedded Postgres runs but lets nobody in on {files.HOST}:{port}{process.explain(_logged(root))}"
            )
        time.sleep(0.1)


def _logged(root: Path) -> str:
    """The newest lines that the server wrote while it started."""
    files = sorted((root / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
    return "\n".join(line for path in files[-2:] for line in path.read_text(errors="replace").splitlines()[-12:])
