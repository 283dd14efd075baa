"""What the server is doing now: its state, its sessions, who waits for whom. Statements are shown without their values."""

from __future__ import annotations

import dataclasses
import datetime as dt

import sqlalchemy as sa

from leadfactory.database import SCHEMA

LONGEST_SHOWN = 200  # characters of a statement


@dataclasses.dataclass(frozen=True)
class State:
    """The server and the schema at one moment; sizes in bytes."""

    version: str
    started_at: dt.datetime
    sessions: int
    most_sessions: int
    database_bytes: int
    revision: str | None
    oldest_transaction_s: float | None
    cache_hit_share: float | None
    tables: list[tuple[str, int, int]]  # name, rows as estimated by the server, bytes with indexes


@dataclasses.dataclass(frozen=True)
class Session:
    """One server process of ours; ``waits_for`` are the pids that hold what it needs."""

    pid: int
    role: str
    program: str
    database: str
    state: str
    seconds: float | None  # since its statement began
    transaction_s: float | None
    waits_for: list[int]
    wait: str | None
    statement: str


def state(tx: sa.Connection, *, largest: int = 10) -> State:
    """How the server and the schema ``leadfactory`` are."""
    row = tx.execute(
        sa.text(
            """SELECT current_setting('server_version') AS version, pg_postmaster_start_time() AS started_at,
                 (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS sessions,
                 current_setting('max_connections')::int AS most,
                 pg_database_size(current_database()) AS bytes,
                 (SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::float8 FROM pg_stat_activity
                  WHERE pid <> pg_backend_pid() AND backend_type = 'client backend') AS oldest_s,
                 (SELECT blks_hit::float8 / nullif(blks_hit + blks_read, 0) FROM pg_stat_database
                  WHERE datname = current_database()) AS hits"""
        )
    ).one()
    known = tx.scalar(sa.text("SELECT to_regclass(:name) IS NOT NULL"), {"name": f"{SCHEMA}.alembic_version"})
    revision = tx.scalar(sa.text(f"SELECT version_num FROM {SCHEMA}.alembic_version")) if known else None  # noqa: S608
    tables = tx.execute(
        sa.text(
            """SELECT c.relname, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid)
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = :schema AND c.relkind = 'r' ORDER BY 3 DESC, 1 LIMIT :largest"""
        ),
        {"schema": SCHEMA, "largest": largest},
    )
    return State(
        row.version, row.started_at, row.sessions, row.most, row.bytes, revision, row.oldest_s, row.hits,
        [(name, rows, size) for name, rows, size in tables.tuples()],
    )  # fmt: skip


def sessions(tx: sa.Connection, *, blocking: bool = False) -> list[Session]:
    """Every session but this one, the longest transaction first.

    Args:
        blocking: only those that others wait for, and those that wait.
    """
    rows = tx.execute(
        sa.text(
            """SELECT pid, coalesce(usename, '') AS role, coalesce(application_name, '') AS program,
                 coalesce(datname, '') AS database, coalesce(state, 'hidden') AS state,
                 CASE WHEN state = 'active' THEN extract(epoch FROM clock_timestamp() - query_start)::float8 END AS seconds,
                 extract(epoch FROM clock_timestamp() - xact_start)::float8 AS transaction_s,
                 pg_blocking_pids(pid) AS waits_for, wait_event_type || ': ' || wait_event AS wait,
                 left(regexp_replace(coalesce(query, ''), '\\s+', ' ', 'g'), :longest) AS statement
               FROM pg_stat_activity WHERE coalesce(backend_type, 'client backend') = 'client backend'
                 AND pid <> pg_backend_pid()
               ORDER BY xact_start NULLS LAST, pid"""
        ),
        {"longest": LONGEST_SHOWN},
    )
    found = [
        Session(
            row.pid, row.role, row.program, row.database, row.state, row.seconds, row.transaction_s, list(row.waits_for),
            row.wait, row.statement,
        )
        for row in rows
    ]  # fmt: skip
    if not blocking:
        return found
    holders = {pid for one in found for pid in one.waits_for}
    return [one for one in found if one.waits_for or one.pid in holders]


def terminate(tx: sa.Connection, pid: int) -> None:
    """Ends one session; its transaction is rolled back and its locks are free.

    Raises:
        LookupError: there is no such session, or it is this one.
        PermissionError: it belongs to a role that ours may not end.
    """
    row = tx.execute(
        sa.text(
            """SELECT usename, pg_has_role(current_user, usesysid, 'USAGE') OR pg_has_role(current_user, 'pg_signal_backend',
                 'USAGE') AS may
               FROM pg_stat_activity
               WHERE pid = :pid AND coalesce(backend_type, 'client backend') = 'client backend' AND pid <> pg_backend_pid()"""
        ),
        {"pid": pid},
    ).one_or_none()
    if row is None:
        raise LookupError(f"no session has pid {pid}: take one from `leadfactory db activity`")
    if not row.may:
        raise PermissionError(
            f"session {pid} is {row.usename}'s, which this role may not end: grant it pg_signal_backend, or end it as {row.usename}"
        )
    tx.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
