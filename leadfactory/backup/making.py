"""Makes a backup: the cluster, dumps of both databases, what they held, and every file that is not in them. Retention comes last.

All of it goes through a scratch folder under the home, which is judged before it is encrypted. The list of contents is written last.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import sqlalchemy as sa

from leadfactory.backup import catalogue, facts, files, physical, programs, records, source, wal, wall
from leadfactory.backup.catalogue import Backup
from leadfactory.backup.keys import Keys
from leadfactory.backup.retention import backup_days
from leadfactory.backup.store import Part, Store
from leadfactory.database import Database
from leadfactory.settings import Settings

Told = Callable[[str, int, int], None]  # what is being done, which step of how many
STEPS = ("cluster", "check", "dumps", "files", "store", "retention")
DUMPS = {"leadfactory": "leadfactory.dump", "dagster": "dagster.dump"}


class BackupFailed(RuntimeError):
    """There is no new backup; what there was before still is. The message says why."""


@dataclasses.dataclass(frozen=True)
class Made:
    """A new backup, and what its retention took away."""

    backup: Backup
    judged_by: str
    removed: list[str]
    problems: list[str]


def quiet(what: str, step: int, steps: int) -> None:
    """Progress for nobody."""


def make(settings: Settings, *, db: Database | None, told: Told = quiet, now: dt.datetime | None = None) -> Made:
    """A full backup of everything, checked before it is stored.

    Args:
        db: where its row goes; None writes none.

    Raises:
        BackupFailed, SettingsError, EmbeddedPostgresError: nothing new is in the store.
    """
    return _made(settings, "full", db, told, now)


def make_emergency(settings: Settings, *, db: Database | None, told: Told = quiet) -> Made:
    """The same at once and whatever is broken: damaged pages are copied, a server that does not run is copied cold.

    What could not be had is in ``problems``.

    Raises:
        BackupFailed: not even the cluster's files could be copied.
    """
    return _made(settings, catalogue.EMERGENCY, db, told, None)


def _made(settings: Settings, kind: str, db: Database | None, told: Told, now: dt.datetime | None) -> Made:
    keys, store = Keys.of(settings), Store(settings.backups)
    with alone(settings.home), _scratch(settings.home) as aside:
        started_at = now or wall.now()
        backup_id = catalogue.new_id(started_at)
        records.begin(db, backup_id, kind, started_at)
        try:
            making = _Making(settings, store, keys, backup_id, kind, started_at, aside, told, db)
            made = making.run()
        except BaseException as error:
            store.remove_folder(catalogue.folder(backup_id))
            records.failed(db, backup_id, str(error) or type(error).__name__, wall.now())
            if isinstance(error, (programs.ProgramFailed, OSError, sa.exc.SQLAlchemyError)):
                raise BackupFailed(f"no backup was made: {getattr(error, 'orig', None) or error}") from error
            raise
        records.done(db, made.backup)
        told("retention", len(STEPS), len(STEPS))
        removed = remove_old(settings, store, now or wall.now())
        records.removed(db, removed, wall.now())
        return dataclasses.replace(made, removed=removed)


class _Making:
    """One backup under way."""

    def __init__(
        self, settings: Settings, store: Store, keys: Keys, backup_id: str, kind: str, started_at: dt.datetime, aside: Path,
        told: Told, db: Database | None,
    ) -> None:  # fmt: skip
        self._db = db
        self._settings, self._store, self._keys, self._kind = settings, store, keys, kind
        self._id, self._started_at, self._aside, self._told = backup_id, started_at, aside, told
        self._parts: dict[str, Part] = {}
        self._problems: list[str] = []

    def run(self) -> Made:
        server = self._server()
        if server is None:
            return self._cold()
        self._step("dumps", 1)  # before the cluster: what they hold must be in the cluster's copy
        held = self._dumps(server)
        self._step("cluster", 2)
        folder = self._aside / "cluster"
        taken = physical.take(server.major, server.url, folder, check_pages=self._kind == "full")
        self._step("check", 3)
        judged_by, problems = physical.verify(server.major, folder)
        if problems and self._kind == "full":
            raise BackupFailed(f"the copy of the cluster is not whole ({judged_by}): {'; '.join(problems[:3])}")
        self._problems += problems
        self._step("store", 4)
        for path in taken.files:
            self._put(path.name, path)
            path.unlink()
        return self._finish(
            judged_by, held, major=server.major, system=taken.system, timeline=taken.timeline, wal_from=taken.wal_from,
            wal_to=taken.wal_to, cold=False, segment_bytes=server.segment_bytes,
        )  # fmt: skip

    def _server(self) -> source.Source | None:
        if self._kind == "full" or self._settings.database_url is not None:
            return source.of(self._settings)
        from leadfactory import embedded

        return source.of(self._settings) if embedded.is_running(self._settings.home) else None

    def _dumps(self, server: source.Source) -> dict[str, Any] | None:
        held = None
        with self._trying("the dump of leadfactory"):
            held = self._dump_with_facts(server)
        with self._trying("the dump of dagster"):
            self._dump(server.major, "dagster", server.dagster_url)
        return held

    def _dump_with_facts(self, server: source.Source) -> dict[str, Any]:
        """The dump and what it holds, of one and the same moment."""
        db = Database(server.url, pool_size=1)
        try:
            with db.begin() as tx:
                tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                snapshot = tx.scalar(sa.text("SELECT pg_export_snapshot()"))
                held = facts.collect(tx, self._settings.clock.now())
                self._dump(server.major, "leadfactory", server.url, f"--snapshot={snapshot}")
                return held
        finally:
            db.dispose()

    def _dump(self, major: int, database: str, url: str, *options: str) -> None:
        path = self._aside / DUMPS[database]
        programs.run(
            major, "pg_dump", "--format=custom", "--no-unlogged-table-data", f"--file={path}", *options, url=url
        )
        self._put(path.name, path)
        path.unlink()

    def _cold(self) -> Made:
        """The files of a server that does not run, as they are."""
        data = self._settings.home / "postgres" / "data"
        if not data.is_dir():
            raise BackupFailed(f"no server runs, and there is no cluster in {data}: nothing to save")
        self._step("cluster", 2)
        path = self._aside / "cold.tar.gz"
        with tarfile.open(path, "w:gz", compresslevel=3) as archive:
            archive.add(data, arcname=".")
        self._put(path.name, path)
        self._problems.append("no server runs: its files were copied as they are, without dumps or a check")
        version = (data / "PG_VERSION").read_text().strip() if (data / "PG_VERSION").is_file() else "0"
        return self._finish(
            "nobody", None, major=int(version), system="", timeline=0, wal_from="", wal_to="", cold=True
        )

    def _finish(self, judged_by: str, held: dict[str, Any] | None, **about: Any) -> Made:
        self._step("files", 5)
        saved: list[files.Saved] = []
        added = 0
        with self._trying("the files"):
            saved, added = files.save(self._settings, self._store, self._keys, self._db)
        self._put_bytes("files.json", files.listing(saved))
        told = {
            "held": held,
            "secrets": files.secrets_of(self._settings),
            "settings": files.plain_settings(self._settings),
        }
        self._put_bytes("facts.json", json.dumps(told, default=str).encode())
        backup = Backup(
            id=self._id, kind=self._kind, started_at=self._started_at,
            finished_at=max(wall.now(), self._started_at), key=self._keys.fingerprint, parts=self._parts,
            added=added, **about,
        )  # fmt: skip
        catalogue.publish(self._store, backup)
        return Made(backup, judged_by, [], self._problems)

    def _put(self, name: str, path: Path) -> None:
        with path.open("rb") as plain:
            self._parts[name] = self._store.put(f"{catalogue.folder(self._id)}/{name}.age", plain, self._keys)

    def _put_bytes(self, name: str, content: bytes) -> None:
        plain = cast(IO[bytes], io.BytesIO(content))
        self._parts[name] = self._store.put(f"{catalogue.folder(self._id)}/{name}.age", plain, self._keys)

    def _step(self, what: str, number: int) -> None:
        self._told(what, number, len(STEPS))

    @contextlib.contextmanager
    def _trying(self, what: str) -> Iterator[None]:
        """In an emergency, what cannot be had does not stop the rest."""
        try:
            yield
        except (programs.ProgramFailed, sa.exc.SQLAlchemyError, OSError) as error:
            if self._kind == "full":
                raise
            self._problems.append(f"{what}: {error}")


def remove_old(settings: Settings, store: Store, now: dt.datetime, *, dry_run: bool = False) -> list[str]:
    """Removes backups whose retention is over, and contents that no backup has any more; the ids of the backups."""
    every = catalogue.every(store)
    over = catalogue.over(every, now, backup_days())
    if dry_run or not over:
        return [one.id for one in over]
    keys = Keys.of(settings)
    for one in over:
        store.remove_folder(catalogue.folder(one.id))
    needed = set()
    for one in catalogue.every(store):
        sink = io.BytesIO()
        part = one.part("files.json")
        store.get(part.path, cast(IO[bytes], sink), keys, expected=part)
        needed |= {
            f"{files.OBJECTS}/{one.key}/{each.sha256[:2]}/{each.sha256}.age" for each in files.listed(sink.getvalue())
        }
    for path in store.sizes(files.OBJECTS):
        if path not in needed:
            store.remove(path)
    wal.remove_old(store, min(catalogue.every(store), key=lambda one: one.id, default=None))
    return [one.id for one in over]


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """One backup or restore of a home at a time; the kernel ends it with its process.

    Raises:
        BackupFailed: another one runs.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "backup.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BackupFailed(f"another backup or restore of {home} runs: wait for it to end") from None
        yield


@contextlib.contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    aside = home / "backup.new"
    shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed; we are alone
    aside.mkdir(mode=0o700)
    os.chmod(aside, 0o700)  # noqa: PTH101
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)
