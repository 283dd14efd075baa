"""Dagster's run, event and schedule storage on our Postgres: stock dagster-postgres over one pooled engine a process.

The stock engine opens a connection for every query, about six per event and some 100 ms. Ours keeps a few, for all three
storages together. The first query, not the loading of a workspace, finds or starts the server and creates what is missing.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Sequence
from typing import Any

import psycopg2
import psycopg2.errorcodes
import sqlalchemy as sa
from dagster import DagsterEventType, EventLogEntry
from dagster._core.storage.event_log import InMemoryEventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.runs import InMemoryRunStorage
from dagster._serdes import ConfigurableClassData
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from dagster_postgres.storage import DagsterPostgresStorage

from leadfactory.database import secured

PLANNED = DagsterEventType.ASSET_MATERIALIZATION_PLANNED
POOL_SIZE, MAX_OVERFLOW, RECYCLE_S = 4, 12, 1800
STOCK = (PostgresRunStorage, PostgresEventLogStorage, PostgresScheduleStorage)
# dagster-postgres binds NOTIFY's argument on the client, which psycopg 3 does not: the driver is named, never the default.
UNCONNECTED = "postgresql+psycopg2://"
VALIDATING = "DAGSTER_IS_DEFS_VALIDATION_CLI"  # set by `dagster definitions validate` for code that wants to know


class DagsterServerGone(RuntimeError):
    """The server that this process used has stopped; the message names the remedy."""


def storage_url(*, start: bool = True) -> str:
    """DAGSTER_DATABASE_URL, or database ``dagster`` of the embedded server, for psycopg2.

    Args:
        start: whether the embedded server may be started; a process that already used it must not raise it from the dead
            while the factory is being stopped.

    Raises:
        DagsterServerGone: when it may not be started and does not run.
        leadfactory.embedded.EmbeddedPostgresError: when it cannot be started.
    """
    from leadfactory import embedded
    from leadfactory.settings import settings

    config = settings()
    if config.dagster_database_url is not None:
        again = config.mounted("DAGSTER_DATABASE_URL")  # its password may have been rotated since the start
        given = again() if again is not None else config.dagster_database_url.get_secret_value()
        url = secured(given).render_as_string(hide_password=False)
    else:
        server = embedded.ensure_running(config.home) if start else embedded.find(config.home)
        if server is None:
            raise DagsterServerGone(
                f"the embedded Postgres of {config.home} was stopped: start `leadfactory dev` again"
            )
        url = server.url("dagster")
    return sa.engine.make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


class _Connecting:
    """Opens the pool's connections: knows the address from the first one on, and looks again when it does not answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._url: str | None = None

    def __call__(self) -> Any:
        with self._lock:
            if self._url is None:
                self._url = storage_url()
                for stock in STOCK:
                    stock(self._url)  # creates its tables when they are missing
        try:
            return _connect(self._url)
        except psycopg2.OperationalError:
            self._url = storage_url(start=False)
            return _connect(self._url)


def _connect(url: str) -> Any:
    at = sa.engine.make_url(url)
    return psycopg2.connect(
        host=at.host, port=at.port, user=at.username, password=at.password, dbname=at.database, connect_timeout=10,
        application_name="dagster", **at.query,
    )  # fmt: skip


@functools.lru_cache(maxsize=1)
def pooled_engine() -> sa.Engine:
    """The one engine of this process; it does not connect before its first query."""
    return sa.create_engine(
        UNCONNECTED,
        creator=_Connecting(),
        isolation_level="AUTOCOMMIT",
        pool_size=POOL_SIZE,
        max_overflow=MAX_OVERFLOW,
        pool_recycle=RECYCLE_S,
        pool_pre_ping=True,
    )


@functools.lru_cache(maxsize=1)
def _limit_statements(milliseconds: int) -> None:
    def limit(connection: Any, record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {int(milliseconds)}")
        connection.commit()

    sa.event.listen(pooled_engine(), "connect", limit)
    pooled_engine().dispose()  # connections from before know no limit


class _Pooled:
    """A stock storage whose engine is swapped for the process's pooled one."""

    _engine: sa.Engine

    def __init__(self) -> None:
        super().__init__(UNCONNECTED, False)  # type: ignore[call-arg]
        self._engine = pooled_engine()

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """The webserver limits its statements; a pool it has already."""
        _limit_statements(statement_timeout)


class PooledRunStorage(_Pooled, PostgresRunStorage):
    """Runs."""


class PooledEventLogStorage(_Pooled, PostgresEventLogStorage):
    """Events."""

    def __init__(self) -> None:
        super().__init__()
        self._tables_seen: set[str] = set()

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Writes planned events in one statement, as the stock storage does with materializations only.

        A range run plans one event per asset and partition before its first step: one by one they were half of Dagster's
        whole cost.
        """
        if {event.get_dagster_event().event_type for event in events} != {PLANNED}:
            return super().store_event_batch(events)
        with self._connect() as conn:
            stored = conn.execute(self.prepare_insert_event_batch(events).returning(SqlEventLogStorageTable.c.id))
            ids = [int(row[0]) for row in stored.fetchall()]
        newest = {
            event.get_dagster_event().asset_key: (event, number) for event, number in zip(events, ids, strict=True)
        }
        with self.index_transaction() as conn:
            for event, number in newest.values():
                self._store_asset_event(conn, event, number)
        return None

    def has_table(self, table_name: str) -> bool:
        """Asked before every batch of materializations; a table that is there stays."""
        if table_name not in self._tables_seen and super().has_table(table_name):
            self._tables_seen.add(table_name)
        return table_name in self._tables_seen

    def initialize_concurrency_limit_to_default(self, concurrency_key: str) -> bool:
        """Gives a pool its default limit; of two processes that do so at once, the second finds it done.

        The stock method answers the second's unique violation with an UPDATE in the same, aborted transaction.
        """
        try:
            return super().initialize_concurrency_limit_to_default(concurrency_key)
        except sa.exc.InternalError as error:
            if getattr(error.orig, "pgcode", None) != psycopg2.errorcodes.IN_FAILED_SQL_TRANSACTION:
                raise
            return True


class PooledScheduleStorage(_Pooled, PostgresScheduleStorage):
    """Ticks and instigators."""


class LeadFactoryDagsterStorage(DagsterPostgresStorage):
    """``storage: custom`` of dagster.yaml; takes no configuration, because the address comes from our settings."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(UNCONNECTED, should_autocreate_tables=False, inst_data=inst_data)
        if os.environ.get(VALIDATING) == "1":  # asks for state that no validation needs: no server is started for it
            self._run_storage, self._event_log_storage = InMemoryRunStorage(), InMemoryEventLogStorage()  # type: ignore[assignment]
            return
        self._run_storage = PooledRunStorage()
        self._event_log_storage = PooledEventLogStorage()
        self._schedule_storage = PooledScheduleStorage()

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No fields."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: object
    ) -> LeadFactoryDagsterStorage:
        """Made by Dagster from dagster.yaml."""
        return cls(inst_data)

    @property
    def event_storage_data(self) -> None:
        """The parts have no configuration of their own."""

    @property
    def run_storage_data(self) -> None:
        """The parts have no configuration of their own."""

    @property
    def schedule_storage_data(self) -> None:
        """The parts have no configuration of their own."""
