"""`leadfactory fence` and `replay-transactions`: what follows a restore, before mail may leave again."""

from __future__ import annotations

import asyncio
import datetime as dt
import getpass
from typing import Annotated

import typer

from cli.output import as_json, console, paint
from cli.restoring import moment_of

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
app = typer.Typer(no_args_is_help=True, help="The fence that a restore puts around the mailer: status, lift.")


def register(parent: typer.Typer) -> None:
    """Adds the commands to ``parent``."""
    parent.command(
        "replay-transactions",
        epilog="Examples: leadfactory replay-transactions --since=last-backup   ·   leadfactory replay-transactions "
        "--since='2026-12-01 10:30:00' --dry-run",
    )(replay_transactions)
    parent.add_typer(app, name="fence")


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
            console.print(paint("red", "fenced"), f"since {row['raised_at']:%Y-%m-%d %H:%M} UTC: {row['reason']}")
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
    db = database()
    try:
        with db.begin() as tx:
            lifted = fence.lift(tx, by=who, why=reason, now=now)
            if lifted:
                detail = {"fences": lifted}
                audit_log.record(
                    tx, actor=f"operator {who}", action="fence_lift", subject="mailer", detail=detail, now=now
                )
    finally:
        db.dispose()
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
    from cli.stores import database
    from leadfactory.backup import transactions
    from leadfactory.settings import settings

    moment = _since(since)
    db = database()
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


def _since(text: str) -> dt.datetime:
    from leadfactory.backup import catalogue
    from leadfactory.backup.store import Store
    from leadfactory.settings import settings

    if text == "last-backup":
        return catalogue.find(Store(settings().backups), "latest").started_at
    return moment_of("--since", text)
