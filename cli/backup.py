"""`leadfactory backup`, `verify-backup`, `emergency-backup`: what is saved, and the proof that it can be read again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import CommandError, as_json, console, paint

if TYPE_CHECKING:
    from leadfactory.backup.catalogue import Backup
    from leadfactory.backup.making import Made
    from leadfactory.backup.verifying import Verdict

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be saved and removed, and write nothing.")]
Which = Annotated[str, typer.Option("--backup", help="`latest`, or the id that `leadfactory backup` printed.")]


def register(parent: typer.Typer) -> None:
    """Adds the commands to ``parent``, and those of what follows a backup: restoring, the fence, and what goes after a time."""
    from cli import fence, purging, restoring  # they speak as this module does, and import it

    for each in (restoring, fence, purging):
        each.register(parent)
    parent.command("backup", epilog="Examples: leadfactory backup   ·   leadfactory backup --list --json")(backup)
    parent.command(
        "verify-backup",
        epilog="Examples: leadfactory verify-backup --backup=latest   ·   leadfactory verify-backup --json",
    )(verify_backup)
    parent.command("emergency-backup", epilog="Example: leadfactory emergency-backup")(emergency_backup)


def backup(
    only_list: Annotated[bool, typer.Option("--list", help="List the backups of the store instead.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Save both databases, lake, blobs, warehouse and configuration, encrypted; remove backups whose retention is over."""
    from leadfactory.backup import catalogue, making
    from leadfactory.backup.store import Store
    from leadfactory.settings import settings

    config = settings()
    if only_list:
        _list(catalogue.every(Store(config.backups)), json=json)
        return
    if dry_run:
        _rehearse(json=json)
        return
    with _recording() as db, progress(json=json) as told, _plain_errors():
        made = making.make(config, db=db, told=told)
    _say(made, json=json)


def emergency_backup(json: Json = False) -> None:
    """Save at once what can be saved, whatever is broken: damaged pages as they are, a dead server's files cold."""
    from leadfactory.backup import making
    from leadfactory.settings import settings

    with _recording(may_fail=True) as db, progress(json=json) as told, _plain_errors():
        made = making.make_emergency(settings(), db=db, told=told)
    _say(made, json=json)
    if not json:
        console.print(
            "it holds what is damaged as it is: `latest` and `restore-database --verify` pass it over, --backup names it"
        )


def verify_backup(which: Which = "latest", json: Json = False) -> None:
    """Read every byte of a backup and judge it; exit code 1 when something is wrong."""
    from leadfactory.backup import catalogue, records, verifying
    from leadfactory.backup.store import Store
    from leadfactory.settings import settings

    config = settings()
    store = Store(config.backups)
    found = catalogue.find(store, which)
    with progress(json=json) as told:
        verdict = verifying.verify(config, store, found, told=told)
    with _recording(may_fail=True) as db:
        records.verified(db, found, verdict.problems, verdict.at)
    _judge(verdict, json=json)
    if verdict.problems:
        raise typer.Exit(1)


def figures_of(one: Backup) -> dict[str, Any]:
    """A backup for programs."""
    return {
        "id": one.id, "kind": one.kind, "started_at": one.started_at, "finished_at": one.finished_at, "bytes": one.bytes,
        "wal_from": one.wal_from, "wal_to": one.wal_to, "postgres": one.major, "parts": sorted(one.parts),
    }  # fmt: skip


def _list(found: list[Backup], *, json: bool) -> None:
    if json:
        as_json([figures_of(one) for one in found])
        return
    from cli.db_access import table_of

    table = table_of("id", "kind", "finished", "seconds", "MiB added")
    for one in found:
        seconds = (one.finished_at - one.started_at).total_seconds()
        table.add_row(
            one.id, one.kind, f"{one.finished_at:%Y-%m-%d %H:%M:%S}", f"{seconds:.1f}", f"{one.bytes / 2**20:,.1f}"
        )
    console.print(table if found else "there is no backup: make one with `leadfactory backup`")


def _rehearse(*, json: bool) -> None:
    from leadfactory.backup import files, making, wall
    from leadfactory.backup.keys import Keys
    from leadfactory.backup.store import Store
    from leadfactory.settings import settings

    config = settings()
    over = making.remove_old(config, Store(config.backups), wall.now(), dry_run=True)
    missing = [each["name"] for each in files.secrets_of(config) if not each["set"]]
    figures = {
        "store": config.backups, "key": Keys.of(config).fingerprint, "databases": list(making.DUMPS), "areas": list(files.AREAS),
        "would_remove": over, "secrets_not_set": missing, "dry_run": True,
    }  # fmt: skip
    if json:
        as_json(figures)
        return
    console.print(
        f"would save {', '.join([*making.DUMPS, *files.AREAS])} to {config.backups}, for key {figures['key']}"
    )
    console.print(f"would remove {', '.join(over)}" if over else "would remove nothing")


def _say(made: Made, *, json: bool) -> None:
    one = made.backup
    if json:
        as_json({**figures_of(one), "judged_by": made.judged_by, "removed": made.removed, "problems": made.problems})
    else:
        seconds = (one.finished_at - one.started_at).total_seconds()
        console.print(f"backup {one.id}: {one.bytes / 2**20:,.1f} MiB in {seconds:.1f} s, checked by {made.judged_by}")
        for problem in made.problems:
            console.print(paint("yellow", "not whole:"), problem)
        if made.removed:
            console.print(f"removed, their retention is over: {', '.join(made.removed)}")
        console.print(f"next: leadfactory verify-backup --backup={one.id}")


def _judge(verdict: Verdict, *, json: bool) -> None:
    one = verdict.backup
    if json:
        as_json(
            {**figures_of(one), "ok": not verdict.problems, "problems": verdict.problems, "judged_by": verdict.judged_by, "contents": verdict.contents}
        )  # fmt: skip
        return
    for problem in verdict.problems:
        console.print(paint("red", "damaged:"), problem)
    if not verdict.problems:
        console.print(
            f"backup {one.id} is whole: {len(one.parts)} parts and {verdict.contents:,} files were read, the cluster was judged by "
            f"{verdict.judged_by}"
        )


@contextlib.contextmanager
def _recording(*, may_fail: bool = False) -> Iterator[Any]:
    """The database for the backup's row; None where it cannot be had and need not."""
    from cli.stores import database
    from leadfactory.database import Database, DatabaseUnavailable
    from leadfactory.embedded_files import EmbeddedPostgresError
    from leadfactory.settings import settings

    found = None
    try:
        if may_fail and settings().database_url is None:
            from leadfactory import embedded

            found = Database.from_settings(settings()) if embedded.is_running(settings().home) else None
        else:
            found = database()
    except (DatabaseUnavailable, EmbeddedPostgresError):
        if not may_fail:
            raise
    try:
        yield found
    finally:
        if found is not None:
            found.dispose()


@contextlib.contextmanager
def progress(*, json: bool) -> Iterator[Callable[[str, int, int], None]]:
    from rich.progress import Progress

    with Progress(console=console, disable=json or not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, step, steps: bar.update(task, completed=step - 1, total=steps, description=what)


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    from leadfactory.backup.making import BackupFailed

    try:
        yield
    except BackupFailed as error:
        raise CommandError(str(error)) from error
