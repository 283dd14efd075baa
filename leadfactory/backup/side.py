"""A side server: a backup that is unpacked beside the living cluster, recovered to a moment and looked at. Nobody else can reach it.

It listens on a socket in a folder of ours only, trusts whoever gets there, and ends with the block that started it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import gzip
import os
import re
import shlex
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from leadfactory import embedded_files, embedded_process, embedded_user
from leadfactory.backup import physical, programs, wal
from leadfactory.backup.catalogue import Backup
from leadfactory.backup.keys import Keys
from leadfactory.backup.store import Store

PORT = 5432  # names the socket; nothing listens on the network
RECOVER_WITHIN_S = 6 * 3600
STOP_WITHIN_S = 60.0
HBA = "local all all trust\n"
PLAIN_CONF = "timezone = 'UTC'\nlog_timezone = 'UTC'\n"  # of a server whose own configuration lay elsewhere
RECOVERY = re.compile(r"\n# --- restored by leadfactory.*", re.DOTALL)


class RestoreFailed(RuntimeError):
    """The backup could not be restored; the living database was not touched. The message says why."""


@dataclasses.dataclass(frozen=True)
class Target:
    """Up to when the WAL is replayed: the backup's own end (neither is set), a moment, or as far as there is WAL."""

    moment: dt.datetime | None = None
    as_far_as_possible: bool = False

    def lines(self) -> list[str]:
        """As Postgres' configuration says it."""
        if self.moment is not None:
            return [f"recovery_target_time = '{self.moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f}+00'"]
        return [] if self.as_far_as_possible else ["recovery_target = 'immediate'"]


@dataclasses.dataclass(frozen=True)
class Side:
    """A running side server."""

    data: Path
    sockets: Path

    def url(self, role: str, database: str = "leadfactory") -> str:
        """Its URL for ``role``; no password is needed."""
        return f"postgresql://{role}@/{database}?host={self.sockets}&port={PORT}"


def unpack(store: Store, backup: Backup, keys: Keys, into: Path) -> Path:
    """The cluster of a backup as a data folder below ``into``; the folder.

    Raises:
        Damaged: a part of the backup is not what was written.
    """
    data = into / "data"
    data.mkdir(parents=True, mode=0o700)
    for name in [name for name in backup.parts if name.endswith(".tar.gz")]:
        packed = into / name
        part = backup.part(name)
        with packed.open("wb") as sink:
            store.get(part.path, sink, keys, expected=part)
        target = data / "pg_wal" if name == physical.WAL else data
        if name not in ("base.tar.gz", physical.WAL, "cold.tar.gz"):
            raise RestoreFailed(f"backup {backup.id} has a tablespace ({name}), which LeadFactory does not make")
        target.mkdir(exist_ok=True, mode=0o700)
        with gzip.open(packed) as content, tarfile.open(fileobj=content, mode="r|") as archive:
            archive.extractall(target, filter=_ours)
        packed.unlink()
    data.chmod(0o700)
    return data


@contextlib.contextmanager
def recovered(
    store: Store, backup: Backup, keys: Keys, into: Path, target: Target, *, within_s: float = RECOVER_WITHIN_S
) -> Iterator[Side]:
    """Unpacks a backup below ``into``, recovers it to ``target`` and serves it while the block runs.

    Raises:
        Damaged, RestoreFailed: it cannot be unpacked, or does not come to that moment.
    """
    data = unpack(store, backup, keys, into)
    archived = into / "wal"
    archived.mkdir()
    if target != Target():
        wal.fetch(store, backup, keys, archived)
    if not backup.cold:
        _aim(data, archived, target)
    with serving(backup.major, into, data, within_s=within_s, wanted=target) as side:
        yield side
    _settle(data)


@contextlib.contextmanager
def serving(
    major: int, into: Path, data: Path, *, within_s: float = RECOVER_WITHIN_S, wanted: Target | None = None
) -> Iterator[Side]:
    """Runs a server over ``data`` while the block runs.

    Raises:
        RestoreFailed: it does not start, with the end of what it said.
    """
    user = embedded_user.of(into)
    sockets = embedded_files.socket_folder(into.resolve(), None if user is None else user.uid)
    if not (data / "postgresql.conf").is_file():
        (data / "postgresql.conf").write_text(PLAIN_CONF)
    (into / "hba.conf").write_text(HBA)
    log = into / "server.log"
    embedded_user.hand_over(user, into, sockets)
    options = {
        "listen_addresses": "", "unix_socket_directories": str(sockets), "port": str(PORT), "hba_file": str(into / "hba.conf"),
        "logging_collector": "off", "archive_mode": "off", "hot_standby": "off", "ssl": "off", "log_min_messages": "log",
    }  # fmt: skip
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with log.open("ab") as said:
        server = subprocess.Popen(
            [str(programs.folder(major) / "postgres"), "-D", str(data), *arguments],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", env=programs.environment(), start_new_session=True,
            preexec_fn=embedded_user.preparation(user),
        )  # fmt: skip
    side = Side(data, sockets)
    try:
        _wait(server, side, log, within_s, wanted or Target())
        yield side
    finally:
        _stop(server)
        shutil.rmtree(sockets, ignore_errors=True)


def sweep(into: Path) -> None:
    """Ends and removes what a killed restore left below ``into``."""
    if into.is_dir():
        pid = embedded_process.postmaster_of(into / "data")
        if pid is not None:
            embedded_process.stop_postmaster(pid)
        shutil.rmtree(into)


def _ours(member: tarfile.TarInfo, into: str) -> tarfile.TarInfo:
    """Keeps modes, which Postgres insists on, and gives every file to who restores it."""
    return tarfile.tar_filter(member, into).replace(uid=None, gid=None, uname=None, gname=None, deep=False)  # type: ignore[arg-type]


def _aim(data: Path, archived: Path, target: Target) -> None:
    """Tells the server where it finds WAL and when to stop; ``_settle`` takes it out again."""
    fetch = f"cp {shlex.quote(str(archived))}/%f %p"
    lines = [f"restore_command = '{fetch}'", *target.lines(), "recovery_target_action = 'promote'"]
    with (data / "postgresql.auto.conf").open("a") as sink:
        sink.write("\n# --- restored by leadfactory\n" + "\n".join(lines) + "\n")
    (data / "recovery.signal").touch(mode=0o600)


def _settle(data: Path) -> None:
    path = data / "postgresql.auto.conf"
    if path.is_file():
        path.write_text(RECOVERY.sub("\n", path.read_text()))


def _wait(server: subprocess.Popen[bytes], side: Side, log: Path, within_s: float, target: Target) -> None:
    deadline = time.monotonic() + within_s
    while True:
        try:
            with psycopg.connect(side.url("lf_backup", "postgres"), connect_timeout=5) as connection:
                row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
                if row and not row[0]:
                    return
        except psycopg.OperationalError as error:
            if 'role "lf_backup" does not exist' in str(error):
                return  # a server with roles of its own answers
        if server.poll() is not None:
            raise RestoreFailed(_why(log.read_text(errors="replace"), target))
        if time.monotonic() > deadline:
            raise RestoreFailed(f"the restored server did not come up within {within_s:.0f} s: see {log}")
        time.sleep(0.05)


def _why(said: str, target: Target) -> str:
    if "recovery ended before configured recovery target was reached" in said and target.moment is not None:
        reached = re.findall(r"last completed transaction was at log time ([^\n]+)", said)
        told = f"the last transaction that is known was at {reached[-1]}" if reached else "no WAL follows the backup"
        return (
            f"the WAL does not reach {target.moment:%Y-%m-%d %H:%M:%S} UTC: {told}; name an earlier --timestamp, or `latest` for "
            "all that there is"
        )
    lines = [line.strip() for line in said.splitlines() if any(word in line for word in embedded_process.TELLING)]
    return "the restored server does not start: " + " | ".join((lines or said.splitlines())[-4:])


def _stop(server: subprocess.Popen[bytes]) -> None:
    for wanted in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, wanted)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(STOP_WITHIN_S)
