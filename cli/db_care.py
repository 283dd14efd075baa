"""`leadfactory db-maintenance`, `analyze-indexes`, `reindex-database`, `slow-queries`, `db-tune`: what Postgres needs now and then."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from cli.db_access import autocommitting, connected, progress, table_of
from cli.output import CommandError, as_json, console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and change nothing.")]


def register(parent: typer.Typer) -> None:
    """Adds the commands to ``parent``."""
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
        with connected(owner=True) as tx:
            found = maintenance.tables(tx)
        if json:
            as_json([dataclasses.asdict(one) for one in found])
        else:
            dead = sum(one.dead_rows for one in found)
            console.print(f"{len(found)} tables with {dead:,} dead rows would be cared for")
        return
    with autocommitting() as connection, progress(len(maintenance.tables(connection)), quiet=json) as tick:
        done = []
        for one in maintenance.care(connection, vacuum=vacuum, analyze=analyze):
            done.append(one)
            tick(one.name)
    if json:
        as_json([dataclasses.asdict(one) for one in done])
        return
    table = table_of("table", "dead rows before", "after", "MiB before", "after")
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

    with connected(owner=True) as tx:
        since, found = indexes.analyze(tx)
    if json:
        as_json({"counted_since": since, "advice": [dataclasses.asdict(one) for one in found]})
        return
    table = table_of("what", "index", "table", "evidence", "remedy")
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

    with connected(owner=True) as tx:
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
    with autocommitting() as connection, progress(len(chosen), quiet=json) as tick:
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

    with connected(owner=True) as tx:
        if explain is not None and not explain.isdecimal():
            return console.print(statements.explain(tx, explain))
        try:
            source, found = statements.dearest(tx, _logs(), most=most if explain is None else 1000)
        except statements.NoSource as error:
            raise CommandError(str(error)) from None
        if explain is not None:
            if not 1 <= int(explain) <= len(found):
                raise CommandError(f"--explain={explain}: the list has {len(found)} statements")
            return console.print(statements.explain(tx, found[int(explain) - 1].text))
    if json:
        return as_json({"source": source, "statements": [dataclasses.asdict(one) for one in found]})
    table = table_of("#", "calls", "total ms", "mean ms", "longest ms", "statement")
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

    with connected(owner=True) as tx:
        found = tuning.beside_running(tx, tuning.kibibytes(memory), cpus)
    if json:
        return as_json([dataclasses.asdict(one) for one in found])
    for one in found:
        when = "restart" if one.restart else "reload"
        console.print(f"{one.name} = '{one.proposed}'  # now {one.running or 'unset'} ({when}): {one.why}")
    return None


def _logs() -> list[Path] | None:
    from leadfactory import embedded
    from leadfactory.settings import settings

    if settings().database_url is not None:
        return None
    return sorted((embedded.folder(settings().home) / "log").glob("postgresql-*.log"))
