"""`leadfactory sql`, `metrics` and `export-data`: figures for people who ask, read-only, with the build that they are from."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import CommandError, Table, as_json, console, errors, paint

if TYPE_CHECKING:
    import pyarrow as pa

    from leadfactory.d10_analytics.reading import Marts

metrics = typer.Typer(
    no_args_is_help=True, help="Figures of a day, a campaign or an experiment, from the published marts."
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Format = Annotated[str | None, typer.Option("--format", help="csv, json or parquet; a table for people when left out.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file; its ending names the format.")]
Day = Annotated[str, typer.Option("--date", help="A UTC day of the factory's clock: today, yesterday or YYYY-MM-DD.")]
SHOWN = 200  # rows of a table for people


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(metrics, name="metrics")
    app.command(
        epilog="Examples: leadfactory sql -c 'FROM mart_daily_activity'   ·   leadfactory sql -c 'FROM dim_campaigns' -o campaigns.parquet"
        "   ·   leadfactory sql   (a shell; .tables lists, .quit leaves)"
    )(sql)
    app.command(
        "export-data",
        epilog="Examples: leadfactory export-data --table=businesses --date=today   ·   "
        "leadfactory export-data --table=mart_daily_funnel --date=yesterday -o funnel.parquet",
    )(export_data)


def sql(
    command: Annotated[
        str | None, typer.Option("--command", "-c", help="One statement; a shell when left out.")
    ] = None,
    form: Format = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Ask the published marts in SQL (DuckDB). Read-only: nothing can be changed, no other file be read."""
    with _marts() as marts:
        if command is not None:
            _give(_ask(marts, command), "json" if json else form, output)
            _from(marts)
        else:
            _shell(marts)


def _shell(marts: Marts) -> None:
    people = sys.stdin.isatty()
    if people:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - `input` then has a history
        _from(marts)
    statement = ""
    while True:
        try:
            line = input("marts> " if people and not statement else "    -> " if people else "")
        except EOFError:
            break
        if not statement and line.strip() in {".quit", ".exit", "quit", "exit"}:
            break
        if not statement and line.strip() in {".tables", ".schema"}:
            for name, columns in marts.tables().items():
                console.print(f"{name}  {', '.join(columns)}" if line.strip() == ".schema" else name)
            continue
        statement += line + "\n"
        if statement.strip().endswith(";"):
            _answer(marts, statement)
            statement = ""
    if statement.strip():
        _answer(marts, statement)


def _answer(marts: Marts, statement: str) -> None:
    try:
        _give(_ask(marts, statement), None, None)
    except CommandError as error:  # the shell goes on
        errors.print(paint("bold red", "error:"), str(error))


@metrics.command(epilog="Examples: leadfactory metrics daily   ·   leadfactory metrics daily --date=2026-10-06 --json")
def daily(date: Day = "today", json: Json = False) -> None:
    """What happened on one UTC day, whatever the cohort: from listings to revenue."""
    from leadfactory.d10_analytics import metrics as figures

    day = _day(date)
    with _marts() as marts:
        _one(marts, {**figures.daily(marts, day), "whole_day": marts.build.whole(day)}, json)
        if not marts.build.whole(day):
            errors.print(paint("yellow", f"{day} was not over when these marts were built: its figures may still grow"))


@metrics.command(epilog="Example: leadfactory metrics campaign restaurant-new-york --json")
def campaign(name: Annotated[str, typer.Argument(help="Slug of the campaign.")], json: Json = False) -> None:
    """What a campaign has come to over all its days: funnel, cost of a lead, a letter and a sale, margin."""
    from leadfactory.d10_analytics import metrics as figures

    with _marts() as marts, _known():
        _one(marts, figures.campaign(marts, name), json)


@metrics.command(epilog="Example: leadfactory metrics experiment subject_line_test")
def experiment(name: Annotated[str, typer.Argument(help="Name of the experiment.")], json: Json = False) -> None:
    """What the newest version of an experiment says, one row an arm, by figures that hold at every look."""
    from leadfactory.d10_analytics import metrics as figures

    with _marts() as marts, _known():
        rows = figures.experiment(marts, name)
        if json:
            as_json({"build": marts.build.build_id, "built_at": marts.build.built_at, "arms": rows})
            return
        _table(list(rows[0]), [list(row.values()) for row in rows])
        _from(marts)


def export_data(
    table: Annotated[
        str,
        typer.Option(
            help="A mart (dim_…, fct_…, mart_…), live from the last build; or a table of the factory, as it is now."
        ),
    ],
    date: Day = "today",
    campaign: Annotated[str | None, typer.Option(help="Only this campaign.")] = None,
    form: Format = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Export one campaign-day's rows of a table: of the columns that may leave Postgres (config/lake_columns.yaml).

    The day is the day of sourcing where rows have one, else the day on which it happened; registries without a day are given whole.
    """
    day, kind = _day(date), "json" if json else form or (None if output else "csv")
    if table.startswith(("dim_", "fct_", "mart_")):
        with _marts() as marts:
            rows = _of_mart(marts, table, day, campaign)
    else:
        rows = _of_factory(table, day, campaign)
    _give(rows, kind, output)


def _of_mart(marts: Marts, table: str, day: dt.date, campaign: str | None) -> pa.Table:
    columns = marts.tables().get(table)
    if columns is None:
        raise CommandError(f"--table={table}: no such mart; there are {', '.join(marts.tables())}")
    dated = next(
        (name for name in ("cohort_on", "occurred_on", "day_on", "read_on", "first_cohort_on") if name in columns), None
    )
    wanted: list[tuple[str, Any]] = [(dated, day)] if dated and not table.startswith("dim_campaigns") else []
    if campaign is not None:
        if "campaign_id" not in columns:
            raise CommandError(f"--campaign={campaign}: {table} is of no campaign; leave --campaign out")
        wanted.append(("campaign_id", campaign))
    where = " AND ".join(f"{name} = ?" for name, _ in wanted) or "true"
    return _ask(marts, f'SELECT * FROM "{table}" WHERE {where} ORDER BY ALL', [value for _, value in wanted])  # noqa: S608


def _of_factory(table: str, day: dt.date, campaign: str | None) -> pa.Table:
    from cli.stores import reading_aside
    from leadfactory.d10_analytics import exporting

    with reading_aside() as tx:
        try:
            return exporting.rows(tx, table, day, campaign)
        except exporting.NotExported as error:
            raise CommandError(f"--table={table}: {error}") from None


@contextlib.contextmanager
def _marts() -> Iterator[Marts]:
    from leadfactory.d10_analytics.reading import Marts, NothingPublished
    from leadfactory.settings import settings

    try:
        found = Marts(settings())
    except NothingPublished as error:
        raise CommandError(str(error)) from None
    with found:
        yield found


@contextlib.contextmanager
def _known() -> Iterator[None]:
    from leadfactory.d10_analytics.metrics import Unknown

    try:
        yield
    except Unknown as error:
        raise CommandError(str(error)) from None


def _ask(marts: Marts, query: str, parameters: list[Any] | None = None) -> pa.Table:
    from leadfactory.d10_analytics.reading import RefusedQuery

    try:
        return marts.ask(query, parameters)
    except RefusedQuery as error:
        raise CommandError(str(error)) from None


def _give(rows: pa.Table, kind: str | None, output: Path | None) -> None:
    from leadfactory.d10_analytics.reading import FORMATS, save, written

    kind = kind or (output.suffix.removeprefix(".") or "none" if output else None)
    if kind is not None and kind not in FORMATS:
        raise CommandError(
            f"format {kind!r} is unknown: choose one of {', '.join(FORMATS)} by --format, or by the ending of --output"
        )
    if output is not None:
        assert kind is not None
        try:
            save(rows, kind, output)
        except OSError as error:
            raise CommandError(
                f"--output={output} cannot be written ({error.strerror}): name a file in a folder that exists"
            ) from None
        errors.print(f"{rows.num_rows} rows in {output}")
    elif kind == "parquet":
        raise CommandError("parquet is not for a terminal: name a file by --output=rows.parquet")
    elif kind is not None:
        sys.stdout.write(written(rows, kind).decode())
    else:
        shown = rows.slice(0, SHOWN).to_pylist()
        _table(rows.column_names, [list(row.values()) for row in shown])
        more = f", the first {SHOWN} of them shown: -o writes all" if rows.num_rows > SHOWN else ""
        errors.print(f"{rows.num_rows} rows{more}")


def _one(marts: Marts, figures: dict[str, Any], json: bool) -> None:
    if json:
        as_json({"build": marts.build.build_id, "built_at": marts.build.built_at, **figures})
        return
    _table(["figure", "value"], [[name, value] for name, value in figures.items()])
    _from(marts)


def _from(marts: Marts) -> None:
    from leadfactory.settings import settings

    errors.print(marts.build.sentence(settings().clock.now()))


def _table(columns: list[str], rows: list[list[Any]]) -> None:
    table = Table()
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*(_shown(value) for value in row))
    console.print(table)


def _shown(value: Any) -> str:
    """A value for people: a dash for what is unknown, no more digits than anybody reads."""
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 100_000 else f"{value:,.2f}"
    return "–" if value is None else str(value)


def _day(word: str) -> dt.date:
    from leadfactory.settings import settings

    today = settings().clock.today()
    named = {"today": today, "yesterday": today - dt.timedelta(days=1)}
    try:
        return named.get(word) or dt.date.fromisoformat(word)
    except ValueError:
        raise CommandError(f"--date={word}: give today, yesterday or a day such as {today}") from None
