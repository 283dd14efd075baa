"""Dagster's run, event and schedule storage on our Postgres: stock dagster-postgres, with a pool instead of a connection per query.

The stock engine opens a connection for every query (about six per event, some 100 ms); one pooled engine for all three
storages of a process takes that away. Constructed without touching the database: loading a workspace must not start a server.
"""

from __future__ import annotations

import functools
from typing import Any

import sqlalchemy as sa
from dagster._core.storage.base_storage import DagsterStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage

POOL_SIZE, MAX_OVERFLOW, RECYCLE_S = 4, 12, 1800


@functools.lru_cache(maxsize=4)
def pooled_engine(url: str) -> sa.Engine:
    """The one engine of this process for ``url``."""
    return sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=POOL_SIZE,
        max_overflow=MAX_OVERFLOW,
        pool_recycle=RECYCLE_S,
        pool_pre_ping=True,
    )


def storage_url() -> str:
    """DAGSTER_DATABASE_URL, or database ``dagster`` of the embedded server, on psycopg2 (its statements bind client-side)."""
    from leadfactory.settings import settings

    config = settings()
    if config.dagster_database_url is not None:
        url = config.dagster_database_url.get_secret_value()
    else:
        from leadfactory.embedded import ensure_running

        url = ensure_running(config.home).url("dagster")
    return sa.engine.make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


class _Pooled:
    """Swaps the stock engine for the process's pooled one, and keeps it when the webserver asks for its own."""

    _engine: sa.Engine
    postgres_url: str

    def __init__(self, postgres_url: str) -> None:
        super().__init__(postgres_url)  # type: ignore[call-arg]
        self._engine = pooled_engine(postgres_url)

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """The pooled engine already holds connections."""


class PooledRunStorage(_Pooled, PostgresRunStorage):
    """Runs."""


class PooledEventLogStorage(_Pooled, PostgresEventLogStorage):
    """Events."""


class PooledScheduleStorage(_Pooled, PostgresScheduleStorage):
    """Ticks and instigators."""


class LeadFactoryDagsterStorage(DagsterStorage, ConfigurableClass):
    """``storage: custom`` of dagster.yaml; takes no configuration, because the URL comes from our settings."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """Where this instance came from in dagster.yaml."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No fields."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: dict[str, Any]
    ) -> LeadFactoryDagsterStorage:
        """Made by Dagster from dagster.yaml."""
        return cls(inst_data)

    @functools.cached_property
    def run_storage(self) -> PooledRunStorage:  # type: ignore[override]
        """Runs, on first use."""
        return PooledRunStorage(storage_url())

    @functools.cached_property
    def event_log_storage(self) -> PooledEventLogStorage:  # type: ignore[override]
        """Events, on first use."""
        return PooledEventLogStorage(storage_url())

    @functools.cached_property
    def schedule_storage(self) -> PooledScheduleStorage:  # type: ignore[override]
        """Ticks, on first use."""
        return PooledScheduleStorage(storage_url())

    @property
    def event_storage_data(self) -> ConfigurableClassData | None:
        """The parts have no configuration of their own."""
        return None

    @property
    def run_storage_data(self) -> ConfigurableClassData | None:
        """The parts have no configuration of their own."""
        return None

    @property
    def schedule_storage_data(self) -> ConfigurableClassData | None:
        """The parts have no configuration of their own."""
        return None
