"""The published marts in Postgres: loaded beside the live ones, then brought in by renames of schemas in one transaction.

Readers of the live schema neither wait nor see half of a build; a statement that began before the swap ends on what it began with.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from leadfactory.settings import Settings

if TYPE_CHECKING:
    import duckdb

LIVE, NEXT, ASIDE = "marts", "marts_next", "marts_aside"
TYPES = {
    "VARCHAR": "text",
    "DOUBLE": "double precision",
    "FLOAT": "real",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "JSON": "text",
}
AT_ONCE = 100_000  # rows of a batch


class MartsNotLoaded(RuntimeError):
    """Postgres did not take the marts; its live ones are what they were."""


def owner_url(settings: Settings) -> str:
    """Who publishes: LEADFACTORY_MARTS_DATABASE_URL, or the role that migrates."""
    if settings.marts_database_url is not None:
        return settings.marts_database_url.get_secret_value()
    from leadfactory import migrate

    return migrate.owner_url(settings)


def load(url: str, built: Path) -> None:
    """Loads every mart of the DuckDB file ``built`` into ``marts_next``, with its columns' descriptions as comments.

    Args:
        url: of a role that owns the schemas of the marts.

    Raises:
        MartsNotLoaded: with what Postgres said.
    """
    import duckdb

    try:
        with duckdb.connect(str(built), read_only=True) as warehouse:
            tables = [str(name) for (name,) in warehouse.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = ? AND table_name <> 'lake_files' ORDER BY 1", [LIVE]
            ).fetchall()]  # fmt: skip
            with psycopg.connect(url) as session:
                _emptied(session)
                for name in tables:
                    for statement in _definition(warehouse, name):
                        session.execute(statement)
            _copy(url, warehouse, tables)
            with psycopg.connect(url, autocommit=True) as session:
                for name in tables:
                    session.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(NEXT, name)))
    except psycopg.Error as error:
        raise MartsNotLoaded(
            f"Postgres did not take the marts ({_said(error)}); the live ones are unchanged"
        ) from error


def swap(url: str) -> None:
    """Makes ``marts_next`` live and the live schema next, in one transaction that waits for no reader.

    Raises:
        MartsNotLoaded: with what Postgres said.
    """
    try:
        with psycopg.connect(url) as session:
            for was, becomes in ((LIVE, ASIDE), (NEXT, LIVE), (ASIDE, NEXT)):
                session.execute(
                    sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(was), sql.Identifier(becomes))
                )
    except psycopg.Error as error:
        raise MartsNotLoaded(f"Postgres kept its live marts ({_said(error)})") from error


def live_version(url: str) -> tuple[str, dt.datetime] | None:
    """Build and time of the live marts; None when none were published yet.

    Raises:
        psycopg.OperationalError: when the server does not answer.
    """
    with psycopg.connect(url, connect_timeout=5) as session:
        there = session.execute("SELECT to_regclass('marts.version')").fetchone()
        if there is None or there[0] is None:
            return None
        row = session.execute("SELECT build_id, built_at FROM marts.version").fetchone()
    return None if row is None else (str(row[0]), row[1])


def forget_previous(url: str) -> None:
    """Drops the version before the live one."""
    with psycopg.connect(url) as session:
        _emptied(session)


def _emptied(session: psycopg.Connection) -> None:
    """Drops what the last publication left beside: nobody resolves a name to it any more."""
    left = session.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [NEXT]).fetchall()
    for (name,) in left:
        session.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(NEXT, name)))


def _definition(warehouse: duckdb.DuckDBPyConnection, name: str) -> Iterator[sql.Composed]:
    about = warehouse.execute(
        "SELECT comment FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?", [LIVE, name]
    ).fetchone()
    columns = warehouse.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? ORDER BY column_index",
        [LIVE, name],
    ).fetchall()
    target = sql.Identifier(NEXT, name)
    listed = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(TYPES.get(kind, kind))) for column, kind, _ in columns
    )
    yield sql.SQL("CREATE TABLE {} ({})").format(target, listed)
    if about and about[0]:
        yield sql.SQL("COMMENT ON TABLE {} IS {}").format(target, sql.Literal(about[0]))
    for column, _, comment in columns:
        if comment:
            yield sql.SQL("COMMENT ON COLUMN {} IS {}").format(sql.Identifier(NEXT, name, column), sql.Literal(comment))


def _copy(url: str, warehouse: duckdb.DuckDBPyConnection, tables: list[str]) -> None:
    """By Arrow batches over COPY."""
    import adbc_driver_postgresql.dbapi as adbc

    with closing(adbc.connect(url)) as session, closing(session.cursor()) as cursor:
        for name in tables:
            batches = warehouse.sql(f'SELECT * FROM {LIVE}."{name}"').to_arrow_reader(AT_ONCE)  # noqa: S608
            try:
                cursor.adbc_ingest(name, batches, mode="append", db_schema_name=NEXT)
            except adbc.Error as error:
                raise MartsNotLoaded(f"Postgres did not take {name} ({error}); the live marts are unchanged") from error
        session.commit()


def _said(error: psycopg.Error) -> str:
    said = (str(error).strip().splitlines() or ["it said nothing"])[0]
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"{said}; LEADFACTORY_MARTS_DATABASE_URL names who may: lf_owner"
    return said
