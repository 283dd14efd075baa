"""`leadfactory halts`: what complaints and bounces stopped, and who lets it go on."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from cli.output import CommandError, Table, as_json, console

app = typer.Typer(no_args_is_help=True, help="Senders and campaigns that were stopped: list, resume.")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


@app.command("list", epilog="Example: leadfactory halts list --all")
def list_halts(
    all_of_them: Annotated[bool, typer.Option("--all", help="Those that a person has lifted too.")] = False,
    json: Json = False,
) -> None:
    """List what is stopped, by which rule, and the figures that broke it."""
    from cli.campaigns import system_of_record
    from leadfactory.d09_delivery import halting

    with system_of_record() as db, db.begin() as tx:
        rows = halting.listed(tx, all_of_them=all_of_them)
    if json:
        as_json(rows)
        return
    table = Table()
    columns = ("halt_id", "scope", "subject", "rule", "detail", "halted_at", "resumed_by")
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*("–" if row[name] is None else str(row[name]) for name in columns))
    console.print(table if rows else "nothing is stopped")


@app.command(epilog="Example: leadfactory halts resume 3 --why='the list was cleaned, 40 dead addresses removed'")
def resume(
    halt_id: Annotated[int, typer.Argument(help="The id that `halts list` prints.")],
    why: Annotated[str, typer.Option(help="Why it may go on; kept with your name.")],
    by: Annotated[str | None, typer.Option(help="Who decides; the name you are logged in by when left out.")] = None,
    json: Json = False,
) -> None:
    """Let a stopped sender or campaign go on. Mails sent before now do not count against it again."""
    from cli.campaigns import system_of_record
    from leadfactory.d09_delivery import halting
    from leadfactory.inbox import audit
    from leadfactory.settings import settings

    now = settings().clock.now()
    with system_of_record() as db, db.begin() as tx:
        try:
            row = halting.resume(tx, halt_id, by=by or getpass.getuser(), why=why, now=now)
        except (ValueError, LookupError) as error:
            raise CommandError(str(error)) from None
        audit.note(tx, "operator", "resume", now, halt_id=halt_id, rule=row["rule"], scope=row["scope"])
    if json:
        as_json(row)
    else:
        console.print(f"{row['scope']} {row['subject']} goes on")
