"""VACUUM and ANALYZE, table by table, with what each changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import sqlalchemy as sa

from leadfactory.database import SCHEMA


@dataclasses.dataclass(frozen=True)
class Table:
    """A table before it is cared for: dead rows as the server counts them, size in bytes with indexes."""

    name: str
    dead_rows: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Done:
    """What a table's care changed; sizes in bytes with indexes."""

    name: str
    dead_before: int
    dead_after: int
    bytes_before: int
    bytes_after: int


def tables(tx: sa.Connection) -> list[Table]:
    """Tables of the schema, those with the most dead rows first."""
    rows = tx.execute(sa.text(_TABLES), {"schema": SCHEMA, "name": None})
    return [Table(name, dead, size) for name, dead, size in rows.tuples()]


def foreign_owner(tx: sa.Connection) -> str | None:
    """The role that owns tables which ours may not vacuum (Postgres would skip them with a warning); None when there is none."""
    return tx.scalar(
        sa.text(
            """SELECT tableowner FROM pg_tables WHERE schemaname = :schema AND NOT pg_has_role(current_user, tableowner, 'USAGE')
               AND NOT pg_has_role(current_user, 'pg_maintain', 'USAGE') LIMIT 1"""
        ),
        {"schema": SCHEMA},
    )


def care(connection: sa.Connection, *, vacuum: bool, analyze: bool) -> Iterator[Done]:
    """Vacuums and analyzes each table in turn, beside readers and writers.

    Args:
        connection: in AUTOCOMMIT, as the owner of the tables.
    """
    words = [word for word, wanted in (("VACUUM", vacuum), ("ANALYZE", analyze)) if wanted]
    for table in tables(connection):
        name = connection.dialect.identifier_preparer.quote(table.name)
        options = "(ANALYZE)" if words == ["VACUUM", "ANALYZE"] else ""
        connection.exec_driver_sql(f"{words[0]} {options} {SCHEMA}.{name}")
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        ((_, dead, size),) = connection.execute(sa.text(_TABLES), {"schema": SCHEMA, "name": table.name}).tuples()
        yield Done(table.name, table.dead_rows, dead, table.bytes, size)


_TABLES = """
SELECT s.relname, s.n_dead_tup, pg_total_relation_size(s.relid) FROM pg_stat_user_tables s
WHERE s.schemaname = :schema AND (cast(:name AS text) IS NULL OR s.relname = :name) ORDER BY s.n_dead_tup DESC, s.relname
"""
