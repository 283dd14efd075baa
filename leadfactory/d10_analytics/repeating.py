"""A build as dbt did it before: the statements that dbt sent, sent again, as long as the database answers as it did then.

What dbt sends depends on the project, on what a build is told, and on what the database answers. A build of which every node held leaves
its statements and their answers behind; another one of the same project, told the same, sends them without starting dbt, which takes
longer than a night's rows. Whatever is not as it was then (a column, a schema, a test that finds a row) ends the repetition,
and dbt itself builds and says what is wrong, in its words.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import importlib.metadata
import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadfactory.d10_analytics import increments

if TYPE_CHECKING:
    import duckdb

DIFFERS = 3  # exit code: not as it was then
NOW = "{{the factory's now}}"  # in a recorded statement
NODES = ("model.", "test.", "unit_test.", "source.")
UNIT_TEST, FRESHNESS = "unit_test.", "source."
HELD = ("pass", "success", "no-op")  # an exposure does nothing
WRITTEN = '[["Count", "BIGINT"]]'  # how many rows were written, which changes every night and nothing else
PARTLY = "read in part"  # an answer that cannot be compared


class NotAsBefore(RuntimeError):
    """The database did not answer as it did when the build was recorded; what was built so far is worth nothing."""


@dataclasses.dataclass
class Statement:
    """What dbt sent on behalf of a node (or of none), the columns of the answer, and a digest of the rows that dbt read of it."""

    node: str
    sql: str
    columns: str
    answer: str | None = None


def path(environment: Mapping[str, str]) -> Path:
    """Where the recorded build of a project that is told this lies; one of a kind is kept."""
    kind = "increment" if environment["LEADFACTORY_INCREMENT"] == "yes" else "full"
    return Path(environment["DBT_TARGET_PATH"]).parent / f"recorded-{kind}.json"


def key(arguments: Iterable[str], environment: Mapping[str, str]) -> str:
    """Names what a build depends on but for the database: the project, the engines, what it is told."""
    versions = [importlib.metadata.version(name) for name in ("dbt-core", "dbt-duckdb", "duckdb")]
    told = [environment.get(f"LEADFACTORY_{name}") for name in ("LAKE", "WAREHOUSE_BUILD", "INCREMENT")]
    return hashlib.sha256(
        json.dumps([increments.project_sha256(), versions, told, list(arguments)]).encode()
    ).hexdigest()


@contextmanager
def listening() -> Iterator[list[Statement]]:
    """Every statement that dbt sends in the block, in the order in which each connection sent them."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager as Manager

    heard: list[Statement] = []
    lock, send = threading.Lock(), Manager.add_query

    def add_query(self: Any, sql: str, *args: Any, **more: Any) -> tuple[Any, Any]:
        connection, cursor = send(self, sql, *args, **more)
        statement = Statement(str(connection.name), sql, _columns(cursor))
        with lock:
            heard.append(statement)
        return connection, _Heard(cursor, statement)

    Manager.add_query = add_query  # type: ignore[method-assign]
    try:
        yield heard
    finally:
        Manager.add_query = send  # type: ignore[method-assign]


class _Heard:
    """A cursor that remembers what was read of it."""

    def __init__(self, cursor: Any, statement: Statement) -> None:
        self._cursor, self._statement = cursor, statement

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def fetchall(self) -> list[Any]:
        rows = self._cursor.fetchall()
        if self._statement.columns != WRITTEN:
            self._statement.answer = _digest(self._statement.node, rows)
        return list(rows)

    def fetchmany(self, size: int) -> list[Any]:
        self._statement.answer = PARTLY
        return list(self._cursor.fetchmany(size))


def record(target: Path, told: str, now: str, heard: list[Statement], results: list[dict[str, Any]]) -> None:
    """Keeps a build of which every node held, so that it can be repeated. Of no other one anything is kept.

    Args:
        target: the file.
        told: the ``key`` of the build.
        now: the factory's time that it was told.
        heard: its statements.
        results: what its nodes said, in the order in which they ended; whether the lake is fresh among them.
    """
    target.unlink(missing_ok=True)
    of_build = [each for each in results if not each["unique_id"].startswith(FRESHNESS)]  # a stale lake is built too
    if not of_build or not all(each["status"] in HELD for each in of_build):
        return
    of_nodes: dict[str, list[Statement]] = {}
    for each in heard:
        node = each.node if each.node.startswith(NODES) else ""
        of_nodes.setdefault(node, []).append(dataclasses.replace(each, sql=each.sql.replace(now, NOW)))
    order = ["", *(each["unique_id"] for each in results)]  # a node ends after those that it is made from
    kept = [dataclasses.astuple(s) for node in order if not node.startswith(UNIT_TEST) for s in of_nodes.get(node, ())]
    if of_nodes.keys() - set(order) or any(statement[-1] == PARTLY for statement in kept):
        return
    beside = target.with_suffix(".new")
    beside.write_text(json.dumps({"key": told, "statements": kept, "results": results}))
    beside.replace(target)


def known(target: Path, told: str) -> bool:
    """Whether the build of this key can be repeated."""
    try:
        return bool(json.loads(target.read_text())["key"] == told)
    except (FileNotFoundError, ValueError, KeyError):
        return False


def repeat(recorded: Path, build: Path, now: str) -> list[dict[str, Any]]:
    """Sends the recorded statements to the file ``build``; what its nodes say, which is what they said then.

    Raises:
        NotAsBefore: when something is not as it was.
    """
    import duckdb

    kept = json.loads(recorded.read_text())
    statements = [Statement(*each) for each in kept["statements"]]
    fresh: dict[str, dict[str, Any]] = {}
    with duckdb.connect(str(build)) as warehouse, _Connections(warehouse) as connections:
        for each in statements:
            try:
                rows = _sent(connections.of(each), each, each.sql.replace(NOW, now))
            except duckdb.Error as error:
                raise NotAsBefore(f"{each.node}: {error}") from error
            if each.node.startswith(FRESHNESS) and rows:
                fresh[each.node] = _fresh(kept["results"], each.node, rows[0])
    return [{**each, **fresh.get(each["unique_id"], {})} for each in kept["results"]]


class _Connections:
    """A connection for each of dbt's: each node has one of its own, whose temporary tables and open transaction end with it."""

    def __init__(self, warehouse: duckdb.DuckDBPyConnection) -> None:
        import duckdb

        self._warehouse, self._settings, self._none_open = warehouse, _settings(), duckdb.TransactionException
        self._open: dict[str, duckdb.DuckDBPyConnection] = {}

    def __enter__(self) -> _Connections:
        return self

    def __exit__(self, *ended: object) -> None:
        self._close()

    def of(self, statement: Statement) -> duckdb.DuckDBPyConnection:
        """The connection on which ``statement`` is next."""
        name = statement.node
        if name not in self._open:
            if name.startswith(NODES):
                self._close()
            self._open[name] = self._warehouse.cursor()
            for setting, value in self._settings.items():
                self._open[name].execute(f"SET {setting} = '{value}'")
        elif statement.sql == "BEGIN":  # dbt gave up what it may have begun before, and says so to nobody
            with suppress(self._none_open):
                self._open[name].rollback()
        return self._open[name]

    def _close(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open.clear()


def _sent(cursor: Any, statement: Statement, sql: str) -> list[Any]:
    cursor.execute(sql)
    if _columns(cursor) != statement.columns:
        raise NotAsBefore(f"{statement.node}: other columns than before: {_columns(cursor)}")
    if statement.answer is None:
        return []
    rows = cursor.fetchall()
    if not statement.node.startswith(FRESHNESS) and _digest(statement.node, rows) != statement.answer:
        raise NotAsBefore(f"{statement.node}: another answer than before: {rows[:3]}")
    return list(rows)


def _fresh(results: list[dict[str, Any]], node: str, row: tuple[Any, ...]) -> dict[str, Any]:
    """What the source says of itself now; it was asked of what was written when."""
    within = next((each["fresh_within_s"] for each in results if each["unique_id"] == node), None)
    newest, now = row
    if newest is None or within is None:
        raise NotAsBefore(f"{node}: nothing tells how fresh it is")
    seconds = (now - newest).total_seconds()
    held = seconds <= within
    return {"status": "pass" if held else "warn", "held": held, "message": age(newest, seconds)}


def age(newest: dt.datetime, seconds: float) -> str:
    """How old the newest of the lake is, in words."""
    return (
        f"nothing in the lake is newer than {newest.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC ({seconds / 3600:.1f} h ago)"
    )


def _columns(cursor: Any) -> str:
    return json.dumps([[str(part) for part in column[:2]] for column in cursor.description or ()])


def _digest(node: str, rows: list[Any]) -> str:
    """Rows in their order; of what belongs to no node (which tables there are) the order is nobody's."""
    told = [repr(row) for row in rows]
    return hashlib.sha256("\n".join(told if node.startswith(NODES) else sorted(told)).encode()).hexdigest()


def _settings() -> dict[str, str]:
    import yaml

    profile = yaml.safe_load((increments.PROJECT / "profiles.yml").read_text())["leadfactory"]
    return {name: str(value) for name, value in profile["outputs"][profile["target"]]["settings"].items()}


def main() -> int:
    """``repeating RECORDED RESULTS``: repeats a build into LEADFACTORY_WAREHOUSE_BUILD; ``DIFFERS`` when it is not as it was."""
    recorded, results = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        told = repeat(recorded, Path(os.environ["LEADFACTORY_WAREHOUSE_BUILD"]), os.environ["LEADFACTORY_NOW"])
    except NotAsBefore as why:
        sys.stderr.write(f"{why}\n")
        return DIFFERS
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps({"results": told, "repeated": True}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
