"""The WAL archive: what the server writes is streamed to a spool by pg_receivewal and shipped, encrypted, to the store.

Finished segments are shipped once; the one that is being written is shipped again whenever it grew, so that a loss costs seconds. A
replication slot makes the server keep what was not received.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import gzip
import io
import json
import logging
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import psycopg

from leadfactory.backup import programs, source, wall
from leadfactory.backup.catalogue import Backup
from leadfactory.backup.keys import Keys
from leadfactory.backup.store import Damaged, Store
from leadfactory.settings import Settings

log = logging.getLogger(__name__)
FOLDER, STATE, SLOT = "wal", "wal/state.json", "leadfactory_archive"
EVERY_S, TOLD_EVERY_S = 5.0, 30.0
SEGMENT = re.compile(r"[0-9A-F]{24}")
WANTED = re.compile(r"([0-9A-F]{24}(\.partial)?|[0-9A-F]{8}\.history)")
RESTART_S = 5.0


@dataclasses.dataclass
class Shipped:
    """What a pass over the spool did."""

    segments: int = 0
    bytes: int = 0


def spool(settings: Settings) -> Path:
    """Where received WAL waits to be shipped; plain, like the cluster beside it."""
    return settings.home / "wal-spool"


def ship(settings: Settings, store: Store, keys: Keys) -> Shipped:
    """Ships what the store lacks and removes from the spool what is no longer needed there.

    Raises:
        OSError: the store or the spool fails; what was not shipped stays.
    """
    done, folder = Shipped(), spool(settings)
    there = store.sizes(FOLDER)
    names = sorted(path.name for path in folder.glob("*") if WANTED.fullmatch(path.name)) if folder.is_dir() else []
    for name in names:
        path, at = folder / name, f"{FOLDER}/{name}.age"
        if name.endswith(".partial"):
            if not _grew(path):
                continue
        elif at in there:
            continue
        with contextlib.suppress(FileNotFoundError):  # the receiver has just finished and renamed it
            done.bytes += _put(store, keys, path, at)
            done.segments += 1
            store.remove(f"{FOLDER}/{name}.partial.age")
    finished = [name for name in names if SEGMENT.fullmatch(name)]
    for name in finished[:-1]:  # the receiver looks at the newest to know where to go on
        (folder / name).unlink(missing_ok=True)
    return done


def caught_up(url: str) -> bool:
    """Whether a receiver has on disk all that the server has on disk."""
    query = "SELECT active AND restart_lsn >= pg_current_wal_flush_lsn() FROM pg_replication_slots WHERE slot_name = %s"
    with psycopg.connect(programs.libpq(url), connect_timeout=5) as connection:
        row = connection.execute(query, (SLOT,)).fetchone()
    return bool(row and row[0])


def complete_at(store: Store) -> dt.datetime | None:
    """Up to when the archive is known to have everything; None when it never did."""
    try:
        return dt.datetime.fromisoformat(json.loads(store.get_plain(STATE))["complete_at"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def fetch(store: Store, backup: Backup, keys: Keys, into: Path) -> int:
    """Decrypts the WAL since ``backup`` into ``into``; how many files. A segment that was cut short stands under its full name.

    Raises:
        Damaged: a file of the archive is not what was written.
    """
    first = segment_of(backup.wal_from, backup.timeline, backup.segment_bytes)
    count = 0
    for path in sorted(store.sizes(FOLDER)):
        name = path.removeprefix(f"{FOLDER}/").removesuffix(".age")
        if not WANTED.fullmatch(name) or (SEGMENT.match(name) and name[8:24] < first[8:]):
            continue
        target = into / name.removesuffix(".partial")
        if target.exists():
            continue
        packed = io.BytesIO()
        store.get(path, cast(IO[bytes], packed), keys)
        try:
            target.write_bytes(gzip.decompress(packed.getvalue()))
        except (OSError, EOFError) as error:
            raise Damaged(f"{path} cannot be unpacked ({error})") from None
        count += 1
    return count


def segment_of(lsn: str, timeline: int, segment_bytes: int) -> str:
    """The name of the WAL file that holds ``lsn``."""
    high, _, low = lsn.partition("/")
    number = (int(high, 16) << 32 | int(low, 16)) // segment_bytes
    per_id = 0x100000000 // segment_bytes
    return f"{timeline:08X}{number // per_id:08X}{number % per_id:08X}"


def remove_old(store: Store, oldest: Backup | None) -> int:
    """Removes WAL that no kept backup begins with; how many files."""
    if oldest is None:
        return 0
    first, count = segment_of(oldest.wal_from, oldest.timeline, oldest.segment_bytes), 0
    for path in store.sizes(FOLDER):
        name = path.removeprefix(f"{FOLDER}/")
        if SEGMENT.match(name) and name[8:24] < first[8:]:
            store.remove(path)
            count += 1
    return count


class Archiver:
    """One archive under way: the receiver as a child, and a loop that ships."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._store, self._keys = settings, Store(settings.backups), Keys.of(settings)
        self._server = source.of(settings)
        self._receiver: subprocess.Popen[bytes] | None = None
        self._started = self._told = -TOLD_EVERY_S

    def run(self, stopped: threading.Event, *, every_s: float = EVERY_S) -> None:
        """Receives and ships until ``stopped``; a receiver that ended is started again.

        Raises:
            ProgramFailed: the server gives no slot. OSError: the store cannot be written.
        """
        spool(self._settings).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._slot()
        try:
            while not stopped.is_set():
                self._keep_receiving()
                self.pass_once()
                stopped.wait(every_s)
        finally:
            self._stop()
            self.pass_once()

    def pass_once(self) -> Shipped:
        """Ships what waits; afterwards the store says up to when it has everything."""
        began = wall.now()
        with contextlib.suppress(psycopg.OperationalError):
            complete = caught_up(self._server.url)
            done = ship(self._settings, self._store, self._keys)
            if complete and (done.segments or time.monotonic() - self._told > TOLD_EVERY_S):
                self._told = time.monotonic()
                self._store.put_plain(STATE, json.dumps({"complete_at": began.isoformat()}).encode())
            return done
        return ship(self._settings, self._store, self._keys)

    def _slot(self) -> None:
        """Makes the slot; one that the server gave up, because nobody received for too long, is begun anew with the next backup."""
        if slot_status(self._server.url) == "lost":
            log.warning(
                "the server gave the WAL archive's slot up: until the next backup not every moment can be restored"
            )
            forget_slot(self._settings)
            shutil.rmtree(spool(self._settings), ignore_errors=True)
            spool(self._settings).mkdir(mode=0o700)
        programs.run(
            self._server.major,
            "pg_receivewal",
            f"--slot={SLOT}",
            "--create-slot",
            "--if-not-exists",
            url=self._server.url,
        )

    def _keep_receiving(self) -> None:
        if self._receiver is not None and self._receiver.poll() is None:
            return
        if time.monotonic() - self._started < RESTART_S and self._receiver is not None:
            return
        if self._receiver is not None:
            with contextlib.suppress(programs.ProgramFailed):  # after a restore the slot is gone
                self._server = source.of(self._settings)
                self._slot()
        at, password = programs.conninfo(self._server.url)
        log = spool(self._settings) / "receiver.log"
        with log.open("ab") as said:
            self._receiver = subprocess.Popen(
                [
                    str(programs.folder(self._server.major) / "pg_receivewal"), f"--directory={spool(self._settings)}",
                    f"--slot={SLOT}", "--synchronous", "--no-loop", "--no-password", "--dbname", at,
                ],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=programs.environment(password),
            )  # fmt: skip
        self._started = time.monotonic()

    def _stop(self) -> None:
        if self._receiver is not None and self._receiver.poll() is None:
            self._receiver.send_signal(signal.SIGINT)
            try:
                self._receiver.wait(10)
            except subprocess.TimeoutExpired:
                self._receiver.kill()


@contextlib.contextmanager
def archiving(settings: Settings, *, every_s: float = EVERY_S) -> Iterator[Archiver]:
    """Archives in a thread while the block runs."""
    archiver, stopped = Archiver(settings), threading.Event()
    thread = threading.Thread(target=archiver.run, args=(stopped,), kwargs={"every_s": every_s}, daemon=True)
    thread.start()
    try:
        yield archiver
    finally:
        stopped.set()
        thread.join(30)


_seen: dict[Path, tuple[int, int]] = {}


def _grew(path: Path) -> bool:
    """Whether a segment that is being written changed since this process shipped it; its size never does."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return False
    now = (about.st_mtime_ns, about.st_ino)
    if _seen.get(path) == now:
        return False
    _seen[path] = now
    return True


def _put(store: Store, keys: Keys, path: Path, at: str) -> int:
    packed = io.BytesIO(gzip.compress(path.read_bytes(), compresslevel=1))  # at most one segment, usually 16 MiB
    return store.put(at, cast(IO[bytes], packed), keys).bytes


def forget_slot(settings: Settings) -> None:
    """Drops the slot: a server without an archiver would keep its WAL for ever."""
    server = source.of(settings)
    programs.run(server.major, "pg_receivewal", f"--slot={SLOT}", "--drop-slot", url=server.url)


def slot_status(url: str) -> str | None:
    """What the server says of the slot: reserved, extended, unreserved or lost; None when there is none."""
    query = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s"
    with psycopg.connect(programs.libpq(url), connect_timeout=5) as connection:
        row = connection.execute(query, (SLOT,)).fetchone()
    return None if row is None else str(row[0])
