"""`leadfactory db …`, `db-maintenance`, `analyze-indexes`, `reindex-database`, `slow-queries`, `db-tune`: care for Postgres."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.output import CommandError, as_json, console

if TYPE_CHECKING:
    import sqlalchemy as sa

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
    parent.command(
        "db-maintenance",
        epilog="Examples: leadfactory db-maintenance --vacuum --analyze   ·   leadfactory db-maintenance --dry-run",
    )(db_maintenance)
    parent.command("analyze-indexes", epilog="Example: leadfactory analyze-indexes --json")(analyze_indexes)
    parent.command(
        "reindex-database",
        epilog="Examples: leadfactory reindex-database --index=ix_email_sends_due   ·   leadfactory reindex-database --yes",
    )(reindex_database)
    parent.command(
        "slow-queries", epilog="Examples: leadfactory slow-queries   ·   leadfactory slow-queries --explain=1"
    )(slow_queries)
    parent.command("db-tune", epilog="Example: leadfactory db-tune --memory=8G --cpus=4")(db_tune)


@app.command(epilog="Example: leadfactory db status --json")
def status(json: Json = False) -> None:
    """Show version, uptime, sessions, size, schema revision and the largest tables."""
    from leadfactory.database_care import activity

    with _connected() as tx:
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
    table = _table("table", "rows (estimate)", "MiB with indexes")
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
        with _connected(owner=True) as tx:
            try:
                care.terminate(tx, terminate)
            except PermissionError as error:
                raise CommandError(str(error)) from None
        _audit("db_terminate", pid=terminate)
        console.print(f"session {terminate} was ended")
        return
    with _connected(owner=True) as tx:
        found = care.sessions(tx, blocking=blocking)
    if json:
        as_json([dataclasses.asdict(one) for one in found])
        return
    table = _table("pid", "role", "program", "state", "statement for", "transaction for", "waits for", "statement")
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


def db_maintenance(
    vacuum: Annotated[bool, typer.Option("--vacuum", help="Free the space of dead rows for new ones.")] = False,
    analyze: Annotated[
        bool, typer.Option("--analyze", help="Count anew what the planner believes of each table.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Vacuum and analyze every table beside the work; both when neither is named."""
    from leadfactory.database_care import maintenance

    if not vacuum and not analyze:
        vacuum = analyze = True
    if dry_run:
        with _connected(owner=True) as tx:
            found = maintenance.tables(tx)
        if json:
            as_json([dataclasses.asdict(one) for one in found])
        else:
            dead = sum(one.dead_rows for one in found)
            console.print(f"{len(found)} tables with {dead:,} dead rows would be cared for")
        return
    with _autocommitting() as connection, _progress(len(maintenance.tables(connection)), quiet=json) as tick:
        done = []
        for one in maintenance.care(connection, vacuum=vacuum, analyze=analyze):
            done.append(one)
            tick(one.name)
    if json:
        as_json([dataclasses.asdict(one) for one in done])
        return
    table = _table("table", "dead rows before", "after", "MiB before", "after")
    for one in done:
        if one.dead_before or one.bytes_before != one.bytes_after:
            table.add_row(
                one.name, f"{one.dead_before:,}", f"{one.dead_after:,}", f"{one.bytes_before / 2**20:,.1f}",
                f"{one.bytes_after / 2**20:,.1f}",
            )  # fmt: skip
    console.print(table if table.row_count else f"{len(done)} tables were cared for; none had dead rows")


def analyze_indexes(json: Json = False) -> None:
    """Show indexes that nobody reads, duplicates, bloat, broken ones and tables that lack one, with the evidence."""
    from leadfactory.database_care import indexes

    with _connected(owner=True) as tx:
        since, found = indexes.analyze(tx)
    if json:
        as_json({"counted_since": since, "advice": [dataclasses.asdict(one) for one in found]})
        return
    table = _table("what", "index", "table", "evidence", "remedy")
    for one in found:
        table.add_row(one.kind, one.name, one.table, one.evidence, one.remedy)
    console.print(table if found else "every index is read, none is bloated, none is missing")
    console.print(f"the server counts since {since:%Y-%m-%d %H:%M} UTC: judge an unused index after a full week")


def reindex_database(
    index: Annotated[list[str] | None, typer.Option(help="One index; may be repeated. All when left out.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Rebuild indexes concurrently: readers and writers go on. Also removes what an interrupted rebuild left."""
    from leadfactory.database_care import indexes

    with _connected(owner=True) as tx:
        chosen, leftovers = index or indexes.names(tx), indexes.broken_leftovers(tx)
    chosen = [name for name in chosen if name not in leftovers]
    if dry_run:
        plan = {"rebuilt": chosen, "dropped": leftovers}
        return (
            as_json(plan)
            if json
            else console.print(f"{len(chosen)} indexes would be rebuilt, {len(leftovers)} leftovers dropped")
        )
    if not yes and index is None:
        typer.confirm(f"{len(chosen)} indexes are rebuilt one after the other. Go on?", abort=True)
    done = []
    with _autocommitting() as connection, _progress(len(chosen), quiet=json) as tick:
        for name in leftovers:
            indexes.drop_leftover(connection, name)
        for name in chosen:
            before, after = indexes.rebuild(connection, name)
            done.append({"index": name, "bytes_before": before, "bytes_after": after})
            tick(name)
    if json:
        return as_json({"rebuilt": done, "dropped": leftovers})
    freed = sum(int(str(one["bytes_before"])) - int(str(one["bytes_after"])) for one in done)
    console.print(f"{len(done)} indexes rebuilt, {freed / 2**20:,.1f} MiB freed, {len(leftovers)} leftovers dropped")
    return None


def slow_queries(
    most: Annotated[int, typer.Option(min=1, max=1000, help="At most this many statements.")] = 20,
    explain: Annotated[
        str | None,
        typer.Option(help="A number of the list, or a statement: its plan, in a read-only transaction of 15 s."),
    ] = None,
    json: Json = False,
) -> None:
    """Show the dearest statements, without their values, and on request how the server runs one."""
    from leadfactory.database_care import statements

    with _connected(owner=True) as tx:
        if explain is not None and not explain.isdecimal():
            return console.print(statements.explain(tx, explain), markup=False)
        try:
            source, found = statements.dearest(tx, _logs(), most=most if explain is None else 1000)
        except statements.NoSource as error:
            raise CommandError(str(error)) from None
        if explain is not None:
            if not 1 <= int(explain) <= len(found):
                raise CommandError(f"--explain={explain}: the list has {len(found)} statements")
            return console.print(statements.explain(tx, found[int(explain) - 1].text), markup=False)
    if json:
        return as_json({"source": source, "statements": [dataclasses.asdict(one) for one in found]})
    table = _table("#", "calls", "total ms", "mean ms", "longest ms", "statement")
    for one in found:
        shown = one.text if len(one.text) < 200 else f"{one.text[:199]}…"
        table.add_row(
            str(one.number),
            str(one.calls),
            f"{one.total_ms:,.0f}",
            f"{one.mean_ms:,.1f}",
            f"{one.longest_ms:,.1f}",
            shown,
        )
    console.print(table if found else "no statement was slow")
    console.print(f"from {source}")
    return None


def db_tune(
    memory: Annotated[str, typer.Option(help="Memory of the machine that Postgres may count on, as 8G or 512M.")],
    cpus: Annotated[int, typer.Option(help="CPUs of the machine.")],
    json: Json = False,
) -> None:
    """Print a postgresql.conf fragment for a machine, each value explained, beside what the server runs with."""
    from leadfactory.database_care import tuning

    with _connected(owner=True) as tx:
        found = tuning.beside_running(tx, tuning.kibibytes(memory), cpus)
    if json:
        return as_json([dataclasses.asdict(one) for one in found])
    for one in found:
        when = "restart" if one.restart else "reload"
        console.print(
            f"{one.name} = '{one.proposed}'  # now {one.running or 'unset'} ({when}): {one.why}", markup=False
        )
    return None


def _url(role: str) -> str:
    from leadfactory.settings import settings

    config = settings()
    if config.database_url is not None:
        return config.database_url.get_secret_value()
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


def _logs() -> list[Path] | None:
    from leadfactory import embedded
    from leadfactory.settings import settings

    if settings().database_url is not None:
        return None
    return sorted((embedded.folder(settings().home) / "log").glob("postgresql-*.log"))


@contextlib.contextmanager
def _connected(*, owner: bool = False) -> Iterator[sa.Connection]:
    from leadfactory import migrate
    from leadfactory.database import Database
    from leadfactory.settings import settings

    db = Database(migrate.owner_url(settings())) if owner else Database.from_settings(settings())
    try:
        with db.begin() as tx:
            yield tx
    finally:
        db.dispose()


@contextlib.contextmanager
def _autocommitting() -> Iterator[sa.Connection]:
    from leadfactory import migrate
    from leadfactory.database import Database
    from leadfactory.database_care import maintenance
    from leadfactory.settings import settings

    db = Database(migrate.owner_url(settings()))
    try:
        with db.engine.connect() as connection:
            if (owner := maintenance.foreign_owner(connection)) is not None:
                raise CommandError(
                    f"the tables belong to {owner} and {db.url.username} may not care for them: run this once with "
                    f"LEADFACTORY_DATABASE_URL of {owner}"
                )
            connection.rollback()
            yield connection.execution_options(isolation_level="AUTOCOMMIT")
    finally:
        db.dispose()


def _audit(action: str, **detail: object) -> None:
    import getpass

    from leadfactory.inbox import audit
    from leadfactory.settings import settings

    with _connected() as tx:
        audit.note(tx, f"operator {getpass.getuser()}", action, settings().clock.now(), send_id=None, **detail)


@contextlib.contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    from rich.progress import Progress

    with Progress(console=console, disable=quiet or not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda name: bar.update(task, advance=1, description=name)


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column)
    return table


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:,.1f} s"
