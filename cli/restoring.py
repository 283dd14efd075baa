"""`leadfactory restore-database`, `test-backup-restore`, `wal-archive`: back to what was saved."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.backup import progress
from cli.output import CommandError, as_json, console, paint

if TYPE_CHECKING:
    from leadfactory.backup.catalogue import Backup
    from leadfactory.backup.facts import Check
    from leadfactory.backup.restoring import Restored
    from leadfactory.backup.side import Target

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Which = Annotated[
    str | None,
    typer.Option("--backup", help="`latest` (no emergency's), or an id that `leadfactory backup --list` prints."),
]
Moment = Annotated[
    str | None, typer.Option(help="A moment as '2026-12-01 10:30:00' (UTC), or `latest`: all that was archived.")
]


def register(parent: typer.Typer) -> None:
    """Adds the commands to ``parent``."""
    parent.command(
        "restore-database",
        epilog="Examples: leadfactory restore-database --backup=latest   ·   leadfactory restore-database --timestamp='2026-12-01 "
        "10:30:00'   ·   leadfactory restore-database --verify",
    )(restore_database)
    parent.command(
        "test-backup-restore",
        epilog="Examples: leadfactory test-backup-restore   ·   leadfactory test-backup-restore --json",
    )(rehearse)
    parent.command("wal-archive", epilog="Example: leadfactory wal-archive   (runs until it is stopped)")(wal_archive)


def restore_database(
    which: Which = None,
    timestamp: Moment = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Read every byte of the backup first; alone, the newest one that passes is taken."
        ),
    ] = False,
    into: Annotated[
        Path | None, typer.Option(help="Make the recovered cluster in this new folder instead of swapping it in.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be restored, to when, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Restore beside the living database, judge it, swap it in, and fence the mailer until the send journal is replayed."""
    from cli import stack
    from leadfactory.backup import restoring
    from leadfactory.backup.store import Store
    from leadfactory.settings import settings

    config = settings()
    store = Store(config.backups)
    found, target = _chosen(which, timestamp, verify=verify)
    if dry_run:
        _rehearsed(found, target, json=json)
        return
    if into is not None:
        with _plain_errors():
            _checked(restoring.unpack_for(config, store, found, target, into), json=json)
        return
    if not yes and not json and not typer.confirm(f"Replace the database by backup {found.id}, {_told(target)}?"):
        raise typer.Abort
    with stack.holding_home(config.home), progress(json=json) as told, _plain_errors():
        done = restoring.restore(config, store, found, target, told=told)
    reconciled = _reconcile()
    _say(done, json=json, **reconciled)


def rehearse(which: Which = "latest", timestamp: Moment = None, json: Json = False) -> None:
    """Restore the latest backup to a scratch server, hold it against what was saved, and take it away again."""
    from leadfactory.backup import restoring
    from leadfactory.backup.store import Store
    from leadfactory.settings import settings

    found, target = _chosen(which, timestamp, verify=False)
    with progress(json=json) as told, _plain_errors():
        done = restoring.rehearse(settings(), Store(settings().backups), found, target, told=told)
    _say(done, json=json)


def wal_archive() -> None:
    """Stream the server's WAL to the store of backups, so that any moment can be restored; runs until it is stopped."""
    from leadfactory.backup import wal
    from leadfactory.settings import settings

    stopped = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopped.set())
    archiver = wal.Archiver(settings())
    console.print(f"archiving to {settings().backups}/wal")
    archiver.run(stopped)


def _database() -> Any:
    from cli.stores import database

    return database()


def moment_of(option: str, text: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{option}={text!r} is no moment: write it as '2026-12-01 10:30:00', it is read as UTC"
        ) from None
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


def _chosen(which: str | None, timestamp: str | None, *, verify: bool) -> tuple[Backup, Target]:
    from leadfactory.backup import catalogue, verifying
    from leadfactory.backup.side import Target
    from leadfactory.backup.store import Store
    from leadfactory.settings import settings

    config = settings()
    store = Store(config.backups)
    if timestamp is not None and which is not None and which != "latest":
        raise CommandError("--backup and --timestamp exclude each other: a moment chooses its backup itself")
    if timestamp is None and which is None:
        if not verify:
            raise CommandError("name what to restore: --backup=latest, --timestamp='2026-12-01 10:30:00', or --verify")
        return verifying.newest_good(config, store).backup, Target()
    if timestamp is not None and timestamp != "latest":
        target = Target(moment_of("--timestamp", timestamp))
        found = catalogue.before(store, moment_of("--timestamp", timestamp))
    else:
        target = Target(as_far_as_possible=timestamp == "latest")
        found = catalogue.find(store, which or "latest")
    if verify:
        verdict = verifying.verify(config, store, found)
        if verdict.problems:
            raise CommandError(
                f"backup {found.id} is damaged: {verdict.problems[0]}; take another --backup, or --verify alone"
            )
    return found, target


def _told(target: Target) -> str:
    if target.moment is not None:
        return f"as of {target.moment:%Y-%m-%d %H:%M:%S} UTC"
    return "with all WAL that was archived since" if target.as_far_as_possible else "as it was when the backup ended"


def _reconcile() -> dict[str, Any]:
    """Replays the send journal; says why the fence stands when it cannot."""
    from leadfactory.backup import replaying
    from leadfactory.settings import settings

    db = _database()
    try:
        with db.begin() as tx:
            done = replaying.replay(tx, settings().journal, settings().clock.now())
        return {"journal": dataclasses.asdict(done), "fenced": None}
    except replaying.JournalUnreadable as error:
        return {"journal": None, "fenced": str(error)}
    finally:
        db.dispose()


def _rehearsed(found: Backup, target: Target, *, json: bool) -> None:
    if json:
        as_json({"backup": found.id, "target": _told(target), "dry_run": True})
    else:
        console.print(f"would restore backup {found.id} of {found.finished_at:%Y-%m-%d %H:%M:%S} UTC, {_told(target)}")


def _checked(checks: list[Check], *, json: bool) -> None:
    if json:
        as_json([dataclasses.asdict(each) for each in checks])
    else:
        console.print(f"{len(checks)} checks hold")


def _say(done: Restored, *, json: bool, **reconciled: Any) -> None:
    if json:
        as_json(
            {
                "backup": done.backup.id, "target": _told(done.target), "seconds": round(done.seconds, 2), "kept": done.kept,
                "checks": [dataclasses.asdict(each) for each in done.checks], "missing_secrets": done.missing_secrets, **reconciled,
            }
        )  # fmt: skip
        return
    console.print(f"backup {done.backup.id} {_told(done.target)}: {len(done.checks)} checks hold, {done.seconds:.1f} s")
    for each in done.missing_secrets:
        console.print(paint("yellow", "secret:"), str(each))
    if done.kept is not None:
        console.print(f"the database before is in {done.kept}: remove it when you are sure")
    if reconciled.get("fenced"):
        console.print(paint("red", "no mail leaves:"), f"{reconciled['fenced']}; see `leadfactory fence --help`")
    elif reconciled.get("journal"):
        told = reconciled["journal"]
        console.print(
            f"the send journal was replayed: {told['unknown'] + told['held'] + told['reports']} mails are taken for sent"
        )
        console.print("next: leadfactory replay-transactions, then leadfactory backup")


@contextlib.contextmanager
def _plain_errors() -> Any:
    from leadfactory.backup.making import BackupFailed
    from leadfactory.backup.programs import ProgramFailed
    from leadfactory.backup.restoring import Refused
    from leadfactory.backup.side import RestoreFailed
    from leadfactory.backup.store import Damaged

    try:
        yield
    except Refused as error:
        for each in error.checks:
            if not each.ok:
                console.print(paint("red", f"{each.name}:"), f"{each.found} instead of {each.expected}")
        raise CommandError(str(error)) from error
    except (BackupFailed, ProgramFailed, RestoreFailed, Damaged) as error:
        raise CommandError(str(error)) from error
