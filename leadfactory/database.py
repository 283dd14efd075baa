"""The system of record: the shared MetaData, the engine, and ``Database.begin()``. Each room's tables live in the room."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from leadfactory.settings import Settings

SCHEMA = "leadfactory"
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(schema=SCHEMA, naming_convention=NAMING)
Moment = sa.TIMESTAMP(timezone=True)
Json = postgresql.JSONB


def cohort() -> tuple[sa.Column, sa.Column]:
    """The two columns that tie a row to its campaign-day for life."""
    return (sa.Column("campaign", sa.Text, nullable=False), sa.Column("cohort_on", sa.Date, nullable=False))


def one_of(column: str, *values: str) -> sa.CheckConstraint:
    """A CHECK that ``column`` holds one of ``values``."""
    return sa.CheckConstraint(f"{column} IN ({', '.join(repr(v) for v in values)})", name=f"{column}_known")


class DatabaseUnavailable(RuntimeError):
    """The database does not answer; the message names the address (never the password) and the remedy."""


class Database:
    """One engine over the system of record. Rooms take it and open one transaction per thing that must be whole."""

    def __init__(self, url: str, *, pool_size: int = 4) -> None:
        self.url = sa.engine.make_url(url).set(drivername="postgresql+psycopg")
        self.engine = sa.create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=4,
            pool_pre_ping=True,
            connect_args={"options": f"-csearch_path={SCHEMA} -ctimezone=UTC", "connect_timeout": 5},
        )

    @classmethod
    def from_settings(cls, settings: Settings, *, role: str = "app") -> Database:
        """The configured server, or the embedded one (found or started) when no URL is set."""
        if settings.database_url is not None:
            return cls(settings.database_url.get_secret_value())
        from leadfactory.embedded import ensure_running

        return cls(ensure_running(settings.home).url(role=role))

    @contextlib.contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Raises:
            DatabaseUnavailable: when no connection can be had.
        """
        try:
            connection = self.engine.connect()
        except sa.exc.OperationalError as error:
            raise DatabaseUnavailable(
                f"the database at {self.url.host}:{self.url.port}/{self.url.database} does not answer "
                f"({str(error.orig).strip().splitlines()[0]}): start it, or unset LEADFACTORY_DATABASE_URL to use the embedded one"
            ) from None
        with connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        """Closes the pool's connections."""
        self.engine.dispose()
