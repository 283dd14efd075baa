"""Rows of every table as they stood at named moments, kept in schemas of the same database and put back in milliseconds."""

from __future__ import annotations

import psycopg
import sqlalchemy as sa

from leadfactory import embedded, embedded_cluster
from leadfactory.database import SCHEMA
from leadfactory.tables import metadata

TABLES = [table for table in metadata.sorted_tables if table.schema == SCHEMA]
COLUMNS = {
    table.name: ", ".join(f'"{column.name}"' for column in table.columns if column.computed is None) for table in TABLES
}
NUMBERS = """
    CREATE TABLE at_{state}.the_sequences AS
    SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename) AS name, coalesce(last_value, start_value) AS value,
           last_value IS NOT NULL AS used FROM pg_sequences WHERE schemaname = '{schema}'"""

AGAIN = f"""
    SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
    WHERE schemaname = '{SCHEMA}' AND last_value IS NOT NULL"""
EMPTY = "; ".join([*(f"DELETE FROM {SCHEMA}.{table.name}" for table in TABLES), AGAIN])

# A function, so that a session plans its hundred statements once and not at every return.
RESTORE = """
    CREATE FUNCTION at_{state}.restore() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {statements};
    PERFORM setval(name::regclass, value, used) FROM at_{state}.the_sequences; END $$"""
END_SESSIONS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = %s AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND pid <> ALL (%s::int[])"""


def superuser_url(server: embedded.EmbeddedServer, database: str) -> str:
    """``database`` for the one who may copy databases and put rows back past every rule."""
    password = embedded_cluster.superuser_password(embedded.folder(server.home))
    user = embedded_cluster.SUPERUSER
    url = sa.engine.URL.create("postgresql", user, password, server.host, server.port, database)
    return url.render_as_string(hide_password=False)


def copy_database(server: embedded.EmbeddedServer, source: str, target: str) -> None:
    """``target`` anew, as ``source`` stands; pooled connections of other suites to ``source`` are ended."""
    with psycopg.connect(superuser_url(server, "postgres"), autocommit=True) as maker:
        maker.execute(END_SESSIONS, [source, []])
        maker.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
        maker.execute(f"CREATE DATABASE {target} TEMPLATE {source}")


class States:
    """The superuser's connection to one database, and the states that are kept in it."""

    def __init__(self, server: embedded.EmbeddedServer, database: str) -> None:
        self._url = superuser_url(server, database)
        self.admin = self._connected()
        self.kept: set[str] = set()

    def _connected(self) -> psycopg.Connection:
        # rows are put back and taken away, not made and ended: no rule of the tables holds for this session
        options = f"-csearch_path={SCHEMA} -csession_replication_role=replica"
        return psycopg.connect(self._url, autocommit=True, options=options)

    def empty(self) -> None:
        """All tables and sequences as the migrations leave them. To truncate them would take forty times as long: the files of each
        table and index are made anew then, and every session forgets its plans."""
        try:
            self.admin.execute(EMPTY)
        except psycopg.OperationalError:  # a test ended all sessions, or the server
            self.admin.close()
            self.admin = self._connected()
            self.admin.execute(EMPTY)

    def keep(self, state: str) -> None:
        """Keeps how all tables and sequences stand."""
        self.admin.execute(f"DROP SCHEMA IF EXISTS at_{state} CASCADE; CREATE SCHEMA at_{state}")
        for table in TABLES:
            self.admin.execute(f"CREATE TABLE at_{state}.{table.name} AS TABLE {SCHEMA}.{table.name}")
        self.admin.execute(NUMBERS.format(state=state, schema=SCHEMA))
        back = [f"DELETE FROM {SCHEMA}.{table.name}" for table in TABLES]
        back += [
            f"INSERT INTO {SCHEMA}.{name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM at_{state}.{name}"
            for name, columns in COLUMNS.items()
            if self.admin.execute(f"SELECT FROM at_{state}.{name} LIMIT 1").rowcount
        ]
        self.admin.execute(RESTORE.format(state=state, statements="; ".join(back)))
        self.kept.add(state)

    def restore(self, state: str) -> None:
        """All tables and sequences as they were kept."""
        self.admin.execute(f"SELECT at_{state}.restore()")

    def end_sessions(self, *but: int) -> None:
        """Ends all sessions in this database, those of processes that were killed among them, but the ones named."""
        self.admin.execute(END_SESSIONS, [self.admin.info.dbname, list(but)])

    def close(self) -> None:
        """Leaves the database; what was kept stays in it."""
        self.admin.close()
