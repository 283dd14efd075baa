"""`leadfactory restore-database`, `test-backup-restore`, `fence`, `replay-transactions`, `wal-archive`: back to what was saved."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import getpass
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.backup import progress
from cli.output import CommandError, as_json, console

if TYPE_CHECKING:
    from leadfactory.backup.catalogue import Backup
    from leadfactory.backup.facts import Check
    from leadfactory.backup.restoring import Restored
    from leadfactory.backup.side import Target

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Which = Annotated[
    str | None, typer.Option("--backup", help="`latest`, or an id that `leadfactory backup --list` prints.")
]
Moment = Annotated[
    str | None, typer.Option(help="A moment as '2026-12-01 10:30:00' (UTC), or `latest`: all that was archived.")
]
app = typer.Typer(no_args_is_help=True, help="The fence that a restore puts around the mailer: status, lift.")


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
    parent.command(
        "replay-transactions",
        epilog="Examples: leadfactory replay-transactions --since=last-backup   ·   leadfactory replay-transactions "
        "--since='2026-12-01 10:30:00' --dry-run",
    )(replay_transactions)
    parent.command("wal-archive", epilog="Example: leadfactory wal-archive   (runs until it is stopped)")(wal_archive)
    parent.add_typer(app, name="fence")


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


@app.command("status", epilog="Example: leadfactory fence status --json")
def fence_status(json: Json = False) -> None:
    """Say whether mail may leave; exit code 1 while a fence stands."""
    from cli.stores import reading
    from leadfactory import fence

    with reading() as tx:
        rows = fence.standing(tx)
    if json:
        as_json(rows)
    else:
        for row in rows:
            console.print(f"[red]fenced[/] since {row['raised_at']:%Y-%m-%d %H:%M} UTC: {row['reason']}")
        console.print(
            "no mail leaves until `leadfactory replay-transactions` or `leadfactory fence lift`"
            if rows
            else "no fence stands"
        )
    if rows:
        raise typer.Exit(1)


@app.command(
    "lift",
    epilog="Example: leadfactory fence lift --by='Ana Ruiz' --reason='nothing was mailed on 1 December, I asked SendGrid'",
)
def fence_lift(
    reason: Annotated[str, typer.Option(help="Why mail may leave although the gap is not known; kept with your name.")],
    by: Annotated[str | None, typer.Option(help="Who decides; the name you are logged in by when left out.")] = None,
    json: Json = False,
) -> None:
    """Let mail leave after a restore whose gap could not be replayed. Who was mailed in the gap may be mailed again."""
    from cli.stores import database
    from leadfactory import audit_log, fence
    from leadfactory.settings import settings

    now, who = settings().clock.now(), by or getpass.getuser()
    with contextlib.closing(_Disposed(database())) as held, held.db.begin() as tx:
        lifted = fence.lift(tx, by=who, why=reason, now=now)
        if lifted:
            audit_log.record(
                tx, actor=f"operator {who}", action="fence_lift", subject="mailer", detail={"fences": lifted}, now=now
            )
    if json:
        as_json({"lifted": lifted})
    else:
        console.print("mail may leave again" if lifted else "no fence stood")


def replay_transactions(
    since: Annotated[
        str, typer.Option(help="`last-backup`, or a moment as '2026-12-01 10:30:00' (UTC).")
    ] = "last-backup",
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask Stripe what its webhooks may have lost.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how much would be replayed; fold nothing, ask nobody.")
    ] = False,
    json: Json = False,
) -> None:
    """Fold what vendors told since a moment once more, ask Stripe for what was lost, and replay the send journal. Repeatable."""
    from leadfactory.backup import transactions
    from leadfactory.settings import settings

    moment = _since(since)
    db = _database()
    try:
        if dry_run:
            figures = transactions.look(db, settings(), moment)
        else:
            figures = asyncio.run(transactions.replay(db, settings(), moment, ask=not offline))
    finally:
        db.dispose()
    if json:
        as_json({"since": moment, "dry_run": dry_run, **figures})
        return
    for name, value in figures.items():
        console.print(f"{name.replace('_', ' ')}: {value}")


@dataclasses.dataclass
class _Disposed:
    db: Any

    def close(self) -> None:
        self.db.dispose()


def _database() -> Any:
    from cli.stores import database

    return database()


def _since(text: str) -> dt.datetime:
    from leadfactory.backup import catalogue
    from leadfactory.backup.store import Store
    from leadfactory.settings import settings

    if text == "last-backup":
        return catalogue.find(Store(settings().backups), "latest").started_at
    return _moment("--since", text)


def _moment(option: str, text: str) -> dt.datetime:
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
        target = Target(_moment("--timestamp", timestamp))
        found = catalogue.before(store, _moment("--timestamp", timestamp))
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
        console.print(f"[yellow]secret:[/] {each}")
    if done.kept is not None:
        console.print(f"the database before is in {done.kept}: remove it when you are sure")
    if reconciled.get("fenced"):
        console.print(f"[red]no mail leaves:[/] {reconciled['fenced']}; see `leadfactory fence --help`")
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
                console.print(f"[red]{each.name}:[/] {each.found} instead of {each.expected}")
        raise CommandError(str(error)) from error
    except (BackupFailed, ProgramFailed, RestoreFailed, Damaged) as error:
        raise CommandError(str(error)) from error
