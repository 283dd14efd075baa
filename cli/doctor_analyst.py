"""`leadfactory doctor analyst`: where the marts are, how to get in, and that nothing but reading is possible there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.doctor import Finding, show
from cli.output import console

if TYPE_CHECKING:
    import sqlalchemy as sa

    from leadfactory.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of lines.")]
GIVEN_IN = "LEADFACTORY_ANALYST_PASSWORD"


def register(app: typer.Typer) -> None:
    """Adds the command to ``app``."""
    app.command("analyst", epilog="Examples: leadfactory doctor analyst   ·   leadfactory doctor analyst --json")(
        analyst
    )


def analyst(
    password: Annotated[
        str | None,
        typer.Option(envvar=GIVEN_IN, help="Of lf_analyst on a server that is not embedded; from .env.admin."),
    ] = None,
    json: Json = False,
) -> None:
    """Print what an analyst's tools need to read the marts, having tried it; the password too, which reads nothing else."""
    from leadfactory.settings import settings

    config = settings()
    show([_file(config), _postgres(config, password)], json=json)
    if not json:
        console.print(
            "\nhere: leadfactory sql   ·   questions, units and a notebook to begin with: docs/analytics.md   ·   tables: make docs"
        )


def _file(config: Settings) -> Finding:
    from leadfactory.d10_analytics.reading import Marts, NothingPublished

    try:
        with Marts(config) as marts:
            told = f"{config.warehouse.resolve()} ({marts.build.sentence(config.clock.now())})"
    except NothingPublished as error:
        return Finding("DuckDB file", "broken", "nothing published", str(error))
    return Finding("DuckDB file", "ok", told, "open it read_only; a new build is a new file at the same place")


def _postgres(config: Settings, password: str | None) -> Finding:
    from leadfactory.database import Database, DatabaseUnavailable

    url = _url(config, password)
    if url is None:
        return Finding("Postgres", "warning", "the embedded server does not run", "`leadfactory dev` starts it")
    shown = url.render_as_string(hide_password=False)
    if url.password is None:
        return Finding("Postgres", "warning", f"{shown}, not tried", f"set {GIVEN_IN}, which stands in .env.admin")
    db = Database(shown, pool_size=1)
    try:
        with db.begin() as tx:
            return _tried(tx, shown)
    except DatabaseUnavailable as error:
        return Finding("Postgres", "broken", str(error), "correct the password or the server")
    finally:
        db.dispose()


def _tried(tx: sa.Connection, shown: str) -> Finding:
    """What this role may do: read the marts and nothing of the factory's own."""
    import sqlalchemy as sa

    marts, factory = (
        tx.scalar(
            sa.text(
                "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = :schema AND c.relkind IN ('r', 'p', 'v')"
                " AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
            ),
            {"schema": schema},
        )
        for schema in ("marts", "leadfactory")
    )
    if factory or tx.exec_driver_sql("SHOW transaction_read_only").scalar() != "on":
        told = f"{shown} may read {factory} tables of the factory, or write"
        return Finding("Postgres", "broken", told, "leadfactory db-setup puts the grants right")
    if not marts:
        return Finding("Postgres", "broken", f"{shown} has no marts to read", "run the jobs lake and marts in the UI")
    build, built_at = tx.exec_driver_sql("SELECT build_id, built_at FROM marts.version").one()
    told = f"{shown} ({marts} tables of schema marts, read only; build {build} of {built_at:%Y-%m-%d %H:%M} UTC)"
    return Finding("Postgres", "ok", told)


def _url(config: Settings, password: str | None) -> sa.URL | None:
    """The replica's where there is one, else the primary's, as the role lf_analyst; None of an embedded server that does not run."""
    import sqlalchemy as sa

    from leadfactory import embedded
    from leadfactory.database import secured

    given = config.replica_url or config.marts_database_url or config.database_url
    if given is not None:
        url = secured(given.get_secret_value()).set(drivername="postgresql", username="lf_analyst")
        return sa.URL.create(
            url.drivername, url.username, password, url.host, url.port, url.database, url.query
        )  # `set` keeps a password that is to be None
    server = embedded.find(config.home)
    return None if server is None else sa.engine.make_url(server.url("analyst"))
