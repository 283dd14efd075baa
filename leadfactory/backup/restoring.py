"""Restores the database: beside the living one first, judged there, then swapped in, fenced until it is known what was mailed since.

What was there before stays in a folder beside, under the time at which it was replaced.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

from leadfactory import embedded, fence
from leadfactory import embedded_cluster as cluster
from leadfactory.backup import facts, making, programs, side, verifying, wal, wall
from leadfactory.backup.catalogue import Backup
from leadfactory.backup.facts import Check
from leadfactory.backup.keys import Keys
from leadfactory.backup.making import Told, quiet
from leadfactory.backup.side import RestoreFailed, Target
from leadfactory.backup.store import Store
from leadfactory.database import Database
from leadfactory.settings import Settings

STEPS = ("backup", "recovery", "checks", "pages", "swap", "start")
FENCED = "the database was restored: what was mailed since then must be replayed from the send journal first"


class Refused(RestoreFailed):
    """The restored database does not hold what it must; the living one was not touched. ``checks`` say what is wrong."""

    def __init__(self, message: str, checks: list[Check]) -> None:
        super().__init__(message)
        self.checks = checks


@dataclasses.dataclass(frozen=True)
class Restored:
    """What a restore did."""

    backup: Backup
    target: Target
    checks: list[Check]
    seconds: float
    kept: Path | None
    missing_secrets: list[str]


def rehearse(settings: Settings, store: Store, backup: Backup, target: Target, *, told: Told = quiet) -> Restored:
    """Restores a backup to a scratch server, judges it there and takes everything away again.

    Raises:
        Damaged, RestoreFailed: it cannot be restored, or does not hold what it must.
    """
    began = time.monotonic()
    aside = settings.home / "rehearsal"
    settings.home.mkdir(parents=True, exist_ok=True)
    side.sweep(aside)
    aside.mkdir(mode=0o700)
    try:
        checks = _beside(settings, store, backup, target, aside, told, fenced=False)
    finally:
        side.sweep(aside)
    return Restored(backup, target, checks, time.monotonic() - began, None, missing_secrets(settings, store, backup))


def restore(settings: Settings, store: Store, backup: Backup, target: Target, *, told: Told = quiet) -> Restored:
    """Puts a backup in the place of the embedded database. Nobody may be working on it.

    Raises:
        Damaged, RestoreFailed, BackupFailed: the living database is as it was.
    """
    if settings.database_url is not None:
        raise RestoreFailed(
            "LEADFACTORY_DATABASE_URL names a server that is not ours to replace: restore-database --into=FOLDER makes the "
            "recovered cluster there, for its administrator to start"
        )
    began = time.monotonic()
    with making.alone(settings.home):
        aside = settings.home / "restore.new"
        side.sweep(aside)
        aside.mkdir(mode=0o700)
        try:
            checks = _beside(settings, store, backup, target, aside, told, fenced=True, ours=True)
            told("swap", 5, len(STEPS))
            kept = _swap(settings.home, aside / "data")
        finally:
            side.sweep(aside)
        told("start", 6, len(STEPS))
        shutil.rmtree(wal.spool(settings), ignore_errors=True)  # of the history that ended here
        embedded.ensure_running(settings.home)
    return Restored(backup, target, checks, time.monotonic() - began, kept, missing_secrets(settings, store, backup))


def unpack_for(settings: Settings, store: Store, backup: Backup, target: Target, into: Path) -> list[Check]:
    """Makes the recovered cluster in ``into``/data, judged and fenced, for a server that somebody else starts.

    Raises:
        Damaged, RestoreFailed: there is nothing to start.
    """
    if into.exists() and any(into.iterdir()):
        raise RestoreFailed(f"--into={str(into)!r} is not empty: name a new folder")
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    return _beside(settings, store, backup, target, into, quiet, fenced=True)


def missing_secrets(settings: Settings, store: Store, backup: Backup) -> list[str]:
    """The secrets that the factory had when it was saved and that are not set here, or are others."""
    from leadfactory.backup import files

    now = {each["name"]: each for each in files.secrets_of(settings)}
    found = []
    for then in verifying.told_in(store, backup, Keys.of(settings))["secrets"]:
        here = now.get(then["name"])
        if then["set"] and (here is None or not here["set"]):
            found.append(f"{then['name']} is not set")
        elif then["set"] and here is not None and here["fingerprint"] != then["fingerprint"]:
            found.append(f"{then['name']} is another one than when the backup was made")
    return found


def _beside(
    settings: Settings,
    store: Store,
    backup: Backup,
    target: Target,
    aside: Path,
    told: Told,
    *,
    fenced: bool,
    ours: bool = False,
) -> list[Check]:
    """The cluster below ``aside``, recovered, judged, with ``fenced`` closed to mail, and with ``ours`` open to this home's superuser."""
    keys = Keys.of(settings)
    told("recovery", 2, len(STEPS))
    held = verifying.told_in(store, backup, keys)["held"]
    with side.recovered(store, backup, keys, aside, target) as server:
        told("checks", 3, len(STEPS))
        checks = _judge(settings, server, held)
        wrong = [each for each in checks if not each.ok]
        if wrong:
            raise Refused(
                f"the restored database does not hold what it must: {wrong[0].name} is {wrong[0].found} instead of {wrong[0].expected}"
                f"{f', and {len(wrong) - 1} more' if len(wrong) > 1 else ''}; nothing was swapped",
                checks,
            )
        if fenced:
            _fence(settings, server, target)
        if ours:
            _let_in(settings, server)
    told("pages", 4, len(STEPS))
    programs.run(backup.major, "pg_checksums", "--check", "--pgdata", str(server.data))
    return [*checks, Check("checksums of all pages", "right", "right", True)]


def _role(settings: Settings) -> str:
    """Who may look at everything on the server that was saved."""
    if settings.backup_database_url is not None:
        return str(sa.engine.make_url(settings.backup_database_url.get_secret_value()).username)
    return "lf_backup"


def _judge(settings: Settings, server: side.Side, held: dict[str, Any] | None) -> list[Check]:
    db = Database(server.url(_role(settings)), pool_size=1)
    try:
        with db.begin() as tx:
            tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if held is None:  # of an emergency
                return [Check("the database answers", "yes", str(bool(tx.scalar(sa.text("SELECT true")))), True)]
            return facts.compare(tx, held)
    finally:
        db.dispose()


def _fence(settings: Settings, server: side.Side, target: Target) -> None:
    """Fences the mailer, before anybody else can reach the database."""
    db = Database(server.url("lf_owner"), pool_size=1)
    moment = target.moment
    try:
        with db.begin() as tx:
            fence.put_up(tx, reason=FENCED, now=settings.clock.now(), restored_to=moment)
    finally:
        db.dispose()


def _let_in(settings: Settings, server: side.Side) -> None:
    """Lets this home's superuser in; a server that is not ours has one of its administrator's."""
    password = _superuser_password(settings.home)
    with psycopg.connect(server.url(cluster.SUPERUSER, "postgres"), autocommit=True) as admin:
        admin.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(cluster.SUPERUSER), sql.Literal(password))
        )


def _superuser_password(home: Path) -> str:
    """This home's, or a new one where the machine is new: no backup has it."""
    from leadfactory import embedded_files, roles

    root = embedded.folder(home)
    try:
        cluster.credentials(root)
        return cluster.superuser_password(root)
    except (OSError, embedded.EmbeddedPostgresError):
        import secrets

        embedded_files.make_folder(root)
        embedded_files.keep_secret(root / "superuser.password", secrets.token_urlsafe(24))
        passwords = {name: secrets.token_urlsafe(24) for name in roles.LOGINS}
        cluster.keep(root, embedded_files.free_port(), passwords, whole=True)
        return cluster.superuser_password(root)


def _swap(home: Path, data: Path) -> Path | None:
    """Stops the living server and gives its place to ``data``; where its own folder is now."""
    embedded.stop(home)
    root = embedded.folder(home)
    live, kept = root / "data", None
    if live.is_dir():
        kept = root / f"data.before-{wall.now():%Y%m%dT%H%M%S}"
        live.rename(kept)
    try:
        data.rename(live)
    except OSError:
        if kept is not None:
            kept.rename(live)
        raise
    descriptor = os.open(root, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return kept
