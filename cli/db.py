"""`leadfactory db …` and `db-setup`: the Postgres server, its sessions, a shell, and setting it up."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.db_access import connected, table_of
from cli.output import CommandError, as_json, console

if TYPE_CHECKING:
    pass

app = typer.Typer(
    no_args_is_help=True, help="The Postgres server: status, sessions, a shell. Works on the embedded one too."
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and change nothing.")]


def register(parent: typer.Typer) -> None:
    """Adds the commands to ``parent``."""
    parent.add_typer(app, name="db")
    parent.command("db-setup", epilog="Examples: leadfactory db-setup   ·   leadfactory db-setup --dry-run")(db_setup)


@app.command(epilog="Example: leadfactory db status --json")
def status(json: Json = False) -> None:
    """Show version, uptime, sessions, size, schema revision and the largest tables."""
    from leadfactory.database_care import activity

    with connected() as tx:
        found = activity.state(tx)
    if json:
        as_json(dataclasses.asdict(found))
        return
    hits = "–" if found.cache_hit_share is None else f"{found.cache_hit_share:.1%}"
    oldest = "none" if found.oldest_transaction_s is None else f"{found.oldest_transaction_s:.0f} s"
    console.print(
        f"PostgreSQL {found.version}, up since {found.started_at:%Y-%m-%d %H:%M:%S} UTC, schema at {found.revision or 'none'}"
    )
    console.print(
        f"{found.sessions} of {found.most_sessions} sessions, oldest transaction {oldest}, "
        f"{found.database_bytes / 2**20:,.0f} MiB, {hits} of blocks found in memory"
    )
    table = table_of("table", "rows (estimate)", "MiB with indexes")
    for name, rows, size in found.tables:
        table.add_row(name, f"{rows:,}", f"{size / 2**20:,.1f}")
    console.print(table)


@app.command(
    epilog="Examples: leadfactory db activity   ·   leadfactory db activity --blocking   ·   leadfactory db activity --terminate=4711"
)
def activity(
    blocking: Annotated[
        bool, typer.Option("--blocking", help="Only sessions that wait for another, and those others.")
    ] = False,
    terminate: Annotated[
        int | None, typer.Option(help="End the session with this pid; its transaction is taken back.")
    ] = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Show every session: whose it is, what it runs, for how long, and whom it waits for."""
    from leadfactory.database_care import activity as care

    if terminate is not None:
        if not yes:
            typer.confirm(f"session {terminate} ends and its transaction is taken back. Go on?", abort=True)
        with connected(owner=True) as tx:
            try:
                care.terminate(tx, terminate)
            except PermissionError as error:
                raise CommandError(str(error)) from None
        _audit("db_terminate", pid=terminate)
        console.print(f"session {terminate} was ended")
        return
    with connected(owner=True) as tx:
        found = care.sessions(tx, blocking=blocking)
    if json:
        as_json([dataclasses.asdict(one) for one in found])
        return
    table = table_of("pid", "role", "program", "state", "statement for", "transaction for", "waits for", "statement")
    for one in found:
        waits = ", ".join(map(str, one.waits_for)) or (one.wait or "–")
        table.add_row(
            str(one.pid), one.role, one.program or "–", one.state, _seconds(one.seconds), _seconds(one.transaction_s), waits,
            one.statement or "–",
        )  # fmt: skip
    console.print(table if found else "nobody waits for anybody" if blocking else "no other session is open")


@app.command(
    epilog="Examples: leadfactory db shell   ·   leadfactory db shell --role=owner -c 'SELECT count(*) FROM businesses'"
)
def shell(
    command: Annotated[str | None, typer.Option("-c", help="Run this SQL and end.")] = None,
    role: Annotated[
        str, typer.Option(help="analyst (reads marts), app, owner, backup or dagster; of the embedded server.")
    ] = "analyst",
) -> None:
    """Open psql on the database, on the embedded server without knowing its port or passwords."""
    from leadfactory.settings import settings

    url, psql = _url(role), _psql()
    env = dict(os.environ) | {"PGOPTIONS": "-csearch_path=leadfactory,marts", "PSQLRC": os.devnull}
    settings()
    arguments = [str(psql), url, *(("-c", command) if command else ())]
    raise typer.Exit(subprocess.run(arguments, env=env, check=False).returncode)


def db_setup(
    dry_run: DryRun = False,
    admin_url: Annotated[
        str | None,
        typer.Option(
            envvar="LEADFACTORY_ADMIN_DATABASE_URL",
            help="An external server's administrator, on database postgres; not needed for the embedded server.",
        ),
    ] = None,
    passwords: Annotated[
        Path | None,
        typer.Option(help="JSON file of role → password for an external server; made with new ones when missing."),
    ] = None,
    json: Json = False,
) -> None:
    """Create databases, roles, schemas and grants and migrate; says what it changed, and can be repeated at any time."""
    from cli.db_setup import run

    run(admin_url=admin_url, passwords=passwords, dry_run=dry_run, json=json)


def _url(role: str) -> str:
    from leadfactory.database import secured
    from leadfactory.settings import settings

    config = settings()
    if config.database_url is not None:
        return secured(config.database_url.get_secret_value()).render_as_string(hide_password=False)
    from leadfactory.embedded import ensure_running

    try:
        return ensure_running(config.home).url(role)
    except KeyError:
        raise CommandError(f"--role={role!r} is unknown: choose analyst, app, owner, backup or dagster") from None


def _psql() -> Path:
    import shutil

    from leadfactory import embedded_process

    found = shutil.which("psql")
    return Path(found) if found else embedded_process.binaries() / "psql"


def _audit(action: str, **detail: object) -> None:
    import getpass

    from leadfactory.inbox import audit
    from leadfactory.settings import settings

    with connected() as tx:
        audit.note(tx, f"operator {getpass.getuser()}", action, settings().clock.now(), send_id=None, **detail)


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:,.1f} s"
