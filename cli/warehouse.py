"""`leadfactory warehouse`: which build of the marts is published, how old it is, and the way back to an earlier one."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

import typer

from cli.output import CommandError, Table, as_json, console, paint

app = typer.Typer(no_args_is_help=True, help="The published marts and the versions before them: status, rollback.")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
STALE_HOURS = 30  # a night that published nothing is seen in the morning


@app.command(
    epilog="Examples: leadfactory warehouse status   ·   leadfactory warehouse status --json   (exit 2 when stale or apart)"
)
def status(json: Json = False) -> None:
    """Say what is published in the file and in Postgres, how old it is, whether the lake is newer, and what is kept."""
    from leadfactory.d10_analytics import lake_files, versions
    from leadfactory.settings import settings

    config = settings()
    kept = versions.listed(config)
    live = next((each for each in kept if each.published), None)
    if live is None:
        raise CommandError(
            f"no marts are published at {config.warehouse}: run the jobs lake and marts in the UI, or `make demo`"
        )
    age = (config.clock.now() - live.built_at).total_seconds() / 3600
    in_postgres = _in_postgres(config)
    problems = []
    if age > STALE_HOURS:
        problems.append(f"built {age:.0f} h ago: look at the newest run of the job marts")
    if in_postgres != live.build_id:
        problems.append(
            f"Postgres holds {in_postgres or 'none'}: run the job marts, or `leadfactory warehouse rollback --to={live.build_id}`"
        )
    newer = lake_files.manifest_sha256(config.lake) != live.lake_manifest_sha256
    found: dict[str, Any] = {
        "published": live.build_id, "built_at": live.built_at, "age_hours": round(age, 1), "postgres": in_postgres,
        "lake_is_newer": newer, "rows": live.rows, "problems": problems,
        "kept": [{"build_id": e.build_id, "built_at": e.built_at, "rows": e.rows, "MiB": round(e.size_bytes / 2**20, 1)} for e in kept],
    }  # fmt: skip
    if json:
        as_json(found)
    else:
        console.print(
            f"published {live.build_id}, built {live.built_at:%Y-%m-%d %H:%M} UTC, {age:.1f} h ago, {live.rows} rows"
        )
        console.print(
            f"Postgres  {in_postgres or 'none'}\nlake      {'has been exported since' if newer else 'is what it was built from'}"
        )
        table = Table()
        for name in ("kept", "built", "rows", "MiB", ""):
            table.add_column(name)
        for each in kept:
            size = f"{each.size_bytes / 2**20:.1f}"
            table.add_row(
                each.build_id,
                f"{each.built_at:%Y-%m-%d %H:%M}",
                str(each.rows),
                size,
                "published" if each.published else "",
            )
        console.print(table)
        for problem in problems:
            console.print(paint("yellow", "!"), problem)
    if problems:
        raise typer.Exit(2)


@app.command(
    epilog="Examples: leadfactory warehouse rollback --dry-run   ·   leadfactory warehouse rollback --to=20261006T033000-ab12cd"
)
def rollback(
    to: Annotated[
        str | None, typer.Option(help="The build to go back to; the one before the published when left out.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which build it would be, and publish nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Publish an earlier build again, in the file and in Postgres. The next night builds anew from the lake."""
    from cli.stores import actor, recording
    from leadfactory import audit_log
    from leadfactory.d10_analytics import postgres_marts, versions
    from leadfactory.settings import settings

    config = settings()
    was = next((each.build_id for each in versions.listed(config) if each.published), None)
    try:
        kept = versions.before(config, to) if to is None or to != was else versions.folder(config) / f"{to}.duckdb"
    except versions.NoSuchVersion as error:
        raise CommandError(str(error)) from None
    if not dry_run:
        url = postgres_marts.owner_url(config)
        try:
            postgres_marts.load(url, kept)
            postgres_marts.swap(url)
        except postgres_marts.MartsNotLoaded as error:
            raise CommandError(str(error)) from None
        versions.restore(config, kept)
        with recording() as (tx, now):
            detail = {"from": was, "to": kept.stem}
            audit_log.record(tx, actor=actor(), action="warehouse_rollback", subject=kept.stem, detail=detail, now=now)
    told = {"from": was, "to": kept.stem, "dry_run": dry_run}
    if json:
        as_json(told)
    else:
        console.print(f"{'would publish' if dry_run else 'published'} {kept.stem} in place of {was}")


@app.command(
    epilog="Examples: leadfactory warehouse docs   ·   leadfactory warehouse docs --port=8581   ·   leadfactory warehouse docs --no-serve"
)
def docs(
    serve: Annotated[bool, typer.Option(help="Serve the page until Ctrl-C; else only write it.")] = True,
    port: Annotated[int, typer.Option(help="On this port of 127.0.0.1; 0 takes a free one.")] = 8580,
) -> None:
    """Write the documentation of the marts (models, columns, tests, lineage) as one page, and serve it."""
    import functools
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from leadfactory.d10_analytics import documentation, warehouse
    from leadfactory.settings import settings

    try:
        page = documentation.write_docs(settings())
    except warehouse.MartsError as error:
        raise CommandError(str(error)) from None
    console.print(f"written: {page}")
    if not serve:
        return
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(page.parent))
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise CommandError(
            f"--port={port} cannot be used ({error.strerror}): name another, or 0 for a free one"
        ) from None
    with server:
        console.print(f"open http://127.0.0.1:{server.server_port}/{page.name}   (Ctrl-C ends)")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def _in_postgres(config: Any) -> str | None:
    import psycopg

    from leadfactory.d10_analytics import postgres_marts

    try:
        found = postgres_marts.live_version(postgres_marts.owner_url(config))
    except psycopg.Error as error:
        raise CommandError(
            f"Postgres does not answer ({str(error).splitlines()[0]}): see `leadfactory doctor`"
        ) from None
    return None if found is None else found[0]
