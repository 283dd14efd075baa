"""Indexes: which nobody reads, which are missing, which are bloated, each with its evidence; and rebuilding them beside the work."""

from __future__ import annotations

import dataclasses
import datetime as dt

import sqlalchemy as sa

from leadfactory.database import SCHEMA

BLOATED_FROM_BYTES = 8 * 2**20  # smaller ones are rebuilt sooner than they are worth reading about
BLOATED_FROM = 2.0  # times the size that its entries need at a fill factor of 90 %
SCANNED_ROWS = 1_000_000  # rows read by sequential scans from which a table is worth a look
SCANNED_TABLE_ROWS = 10_000
ENTRY_BYTES = 24  # an index tuple's header, item pointer and a short key; an estimate


@dataclasses.dataclass(frozen=True)
class Advice:
    """One index or table: ``kind`` is unused, duplicate, missing, bloated or broken; what to do is a command or a question."""

    kind: str
    name: str
    table: str
    evidence: str
    remedy: str


def analyze(tx: sa.Connection) -> tuple[dt.datetime | None, list[Advice]]:
    """Since when the server counts, and what it shows; nothing is changed.

    Unused: never read since then, and neither unique nor a primary or foreign key's. Duplicate: the same columns,
    predicate and method as another. Missing: a table above 10,000 rows whose sequential scans read a million rows and
    more than its index scans fetched. Bloated: twice the size that its entries should need. Broken: left invalid by an
    interrupted CREATE or REINDEX … CONCURRENTLY.
    """
    since = tx.scalar(sa.text("SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()"))
    since = since or tx.scalar(sa.text("SELECT pg_postmaster_start_time()"))
    found = []
    for row in tx.execute(sa.text(_INDEXES), {"schema": SCHEMA}):
        size = f"{row.bytes / 2**20:.1f} MiB"
        drop = f"ask who needs it, then drop it in a migration: DROP INDEX {SCHEMA}.{row.name}"
        if not row.valid:
            found.append(Advice("broken", row.name, row.table, f"invalid, {size}", _reindex(row.name)))
        if row.twin is not None:
            found.append(Advice("duplicate", row.name, row.table, f"the same as {row.twin}, {size}", drop))
        elif row.scans == 0 and not row.constraint and row.rows > 0:
            found.append(Advice("unused", row.name, row.table, f"0 scans, {size}", drop))
        needed = max(row.rows, 1) * ENTRY_BYTES / 0.9
        if row.bytes > BLOATED_FROM_BYTES and row.analyzed and row.bytes > BLOATED_FROM * needed + 8192:
            evidence = f"{size} for {row.rows:,.0f} entries, about {needed / 2**20:.1f} MiB would do"
            found.append(Advice("bloated", row.name, row.table, evidence, _reindex(row.name)))
    for row in tx.execute(sa.text(_SCANS), {"schema": SCHEMA, "read": SCANNED_ROWS, "rows": SCANNED_TABLE_ROWS}):
        evidence = (
            f"{row.seq_scan:,} sequential scans read {row.seq_tup_read:,} rows, index scans {row.idx_tup_fetch:,}"
        )
        found.append(
            Advice("missing", "–", row.relname, evidence, "find the statement: leadfactory slow-queries --explain")
        )
    return since, found


def names(tx: sa.Connection) -> list[str]:
    """All indexes of the schema, largest first."""
    return [row.name for row in tx.execute(sa.text(_INDEXES), {"schema": SCHEMA})]


def broken_leftovers(tx: sa.Connection) -> list[str]:
    """What an interrupted rebuild left beside the index it was to replace."""
    rows = tx.execute(sa.text(_INDEXES), {"schema": SCHEMA})
    return [row.name for row in rows if not row.valid and ("_ccnew" in row.name or "_ccold" in row.name)]


def rebuild(connection: sa.Connection, name: str) -> tuple[int, int]:
    """Rebuilds one index beside readers and writers; its bytes before and after.

    Args:
        connection: in AUTOCOMMIT, as the owner.

    Raises:
        LookupError: there is no such index in the schema.
    """
    regclass = {"index": f"{SCHEMA}.{name}"}
    size = sa.text("SELECT pg_relation_size(to_regclass(:index))")
    before = connection.scalar(size, regclass)
    if before is None:
        raise LookupError(
            f"index {name!r} does not exist in schema {SCHEMA}: take one from `leadfactory analyze-indexes`"
        )
    quoted = sa.sql.quoted_name(name, quote=True)
    prepared = connection.dialect.identifier_preparer.quote(quoted)
    connection.exec_driver_sql(f"REINDEX INDEX CONCURRENTLY {SCHEMA}.{prepared}")
    return int(before), int(connection.scalar(size, regclass) or 0)


def drop_leftover(connection: sa.Connection, name: str) -> None:
    """Drops what an interrupted rebuild left; ``connection`` in AUTOCOMMIT, as the owner."""
    prepared = connection.dialect.identifier_preparer.quote(sa.sql.quoted_name(name, quote=True))
    connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {SCHEMA}.{prepared}")


def _reindex(name: str) -> str:
    return f"leadfactory reindex-database --index={name}"


_INDEXES = """
SELECT i.relname AS name, t.relname AS "table", pg_relation_size(i.oid) AS bytes, coalesce(s.idx_scan, 0) AS scans,
  greatest(i.reltuples, 0) AS rows, x.indisvalid AS valid, i.reltuples >= 0 AS analyzed,
  x.indisunique OR x.indisprimary OR EXISTS (
    SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = x.indrelid AND f.conkey[1] = x.indkey[0]) AS "constraint",
  (SELECT min(o.indexrelid)::regclass::text FROM pg_index o
   WHERE o.indrelid = x.indrelid AND o.indexrelid < x.indexrelid AND o.indkey = x.indkey AND o.indclass = x.indclass
     AND o.indoption = x.indoption AND o.indcollation = x.indcollation AND o.indisunique = x.indisunique
     AND pg_get_expr(o.indexprs, o.indrelid) IS NOT DISTINCT FROM pg_get_expr(x.indexprs, x.indrelid)
     AND pg_get_expr(o.indpred, o.indrelid) IS NOT DISTINCT FROM pg_get_expr(x.indpred, x.indrelid)) AS twin
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = x.indexrelid
WHERE n.nspname = :schema ORDER BY bytes DESC, name
"""
_SCANS = """
SELECT relname, seq_scan, seq_tup_read, coalesce(idx_tup_fetch, 0) AS idx_tup_fetch FROM pg_stat_user_tables
WHERE schemaname = :schema AND n_live_tup > :rows AND seq_tup_read > greatest(:read, coalesce(idx_tup_fetch, 0))
ORDER BY seq_tup_read DESC
"""
