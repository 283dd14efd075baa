"""The dearest statements, without values: from pg_stat_statements where the server has it, else from its log."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa

LONGEST = 2_000  # characters of a statement that are kept
EXPLAIN_FOR_MS = 15_000
_TOOK = re.compile(r"duration: ([\d.]+) ms  (?:statement|execute [^:]*|parse [^:]*|bind [^:]*): (.*)", re.DOTALL)
_LITERALS = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")


class NoSource(RuntimeError):
    """Nothing tells how long statements took; the message says what to switch on."""


@dataclasses.dataclass(frozen=True)
class Statement:
    """One statement over all its calls; milliseconds. ``number`` is its place in the list."""

    number: int
    calls: int
    total_ms: float
    mean_ms: float
    longest_ms: float
    text: str


def dearest(tx: sa.Connection, logs: Iterable[Path] | None, *, most: int = 20) -> tuple[str, list[Statement]]:
    """Where the figures come from, and the statements by total time.

    Args:
        tx: a connection to the server.
        logs: the server's log files where they can be read; None where they cannot.
        most: at most this many.

    Raises:
        NoSource: neither the extension nor a log with durations.
    """
    has_extension = tx.scalar(sa.text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements')"))
    if has_extension:
        rows = tx.execute(
            sa.text(
                """SELECT calls, total_exec_time AS total, mean_exec_time AS mean, max_exec_time AS longest, query
                   FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                   ORDER BY total_exec_time DESC LIMIT :most"""
            ),
            {"most": most},
        )
        found = [Statement(n, r.calls, r.total, r.mean, r.longest, r.query[:LONGEST]) for n, r in enumerate(rows, 1)]
        return "pg_stat_statements", found
    threshold = tx.scalar(sa.text("SELECT current_setting('log_min_duration_statement')"))
    if logs is None or threshold == "-1":
        raise NoSource(
            "the server has no pg_stat_statements and logs no durations: CREATE EXTENSION pg_stat_statements, or "
            "ALTER SYSTEM SET log_min_duration_statement = '500ms' and SELECT pg_reload_conf()"
        )
    return f"the server's log of statements above {threshold}", of_logs(logs, most=most)


def of_logs(paths: Iterable[Path], *, most: int = 20) -> list[Statement]:
    """Statements that the logs tell with a duration, equal ones together, by total time; literals become ``?``."""
    took: dict[str, list[float]] = defaultdict(list)
    for path in paths:
        text = path.read_text(errors="replace")
        for entry in re.split(r"\n(?=\d{4}-\d\d-\d\d )", text):
            if (told := _TOOK.search(entry)) is not None:
                plain = _LITERALS.sub("?", re.sub(r"\s+", " ", told[2]).strip())
                took[plain[:LONGEST]].append(float(told[1]))
    ordered = sorted(took.items(), key=lambda item: (-sum(item[1]), item[0]))[:most]
    return [Statement(n, len(ms), sum(ms), sum(ms) / len(ms), max(ms), text) for n, (text, ms) in enumerate(ordered, 1)]


def explain(tx: sa.Connection, statement: str) -> str:
    """EXPLAIN (ANALYZE, BUFFERS) in this transaction, made read-only, with a time limit of 15 s; nothing can be changed.

    A statement with parameters is explained without running it (GENERIC_PLAN), as their values are not kept.

    Raises:
        ValueError: it is not one statement that can be explained so; the message says what the server said.
    """
    text = statement.strip().rstrip(";")
    if ";" in text:
        raise ValueError("--explain takes one statement: leave the second one out")
    has_parameters = re.search(r"\$\d+|\?", text) is not None
    text = _numbered(text) if "?" in text else text
    options = "GENERIC_PLAN" if has_parameters else "ANALYZE, BUFFERS"
    try:
        tx.exec_driver_sql("SET TRANSACTION READ ONLY")
        tx.exec_driver_sql(f"SET LOCAL statement_timeout = {EXPLAIN_FOR_MS}")
        return "\n".join(row[0] for row in tx.exec_driver_sql(f"EXPLAIN ({options}) {text}".replace("%", "%%")))
    except sa.exc.DBAPIError as error:
        raise ValueError(f"the server cannot explain it ({str(error.orig).strip().splitlines()[0]})") from None


def _numbered(text: str) -> str:
    pieces = text.split("?")
    return pieces[0] + "".join(f"${number}{piece}" for number, piece in enumerate(pieces[1:], 1))
