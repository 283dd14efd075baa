"""The system of record: the shared MetaData, the engine, and ``Database.begin()``. Each room's tables live in the room."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from leadfactory import crash_points

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
    """The database does not answer, was lost, or cannot write; the message names the address (never the password) and the remedy."""


EXTERNAL = "start it, or unset LEADFACTORY_DATABASE_URL to use the embedded one"
EMBEDDED = "it was stopped or killed; the next `leadfactory` command starts it again, with all that was committed"
DISK_FULL = "53100"  # SQLSTATE


class Database:
    """One engine over the system of record. Rooms take it and open one transaction per thing that must be whole."""

    def __init__(self, url: str, *, pool_size: int = 4, embedded_in: Path | None = None) -> None:
        """``embedded_in``: LEADFACTORY_HOME, when ``url`` is that home's embedded server, which may move to another port."""
        self.url = sa.engine.make_url(url).set(drivername="postgresql+psycopg")
        self._home = embedded_in
        self.engine = sa.create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=4,
            pool_pre_ping=True,
            connect_args={"options": f"-csearch_path={SCHEMA} -ctimezone=UTC", "connect_timeout": 5},
        )
        if embedded_in is not None:
            sa.event.listen(self.engine, "do_connect", self._connect)

    @classmethod
    def from_settings(cls, settings: Settings, *, role: str = "app") -> Database:
        """The configured server, or the embedded one (found or started) when no URL is set."""
        if settings.database_url is not None:
            return cls(settings.database_url.get_secret_value())
        from leadfactory.embedded import ensure_running

        return cls(ensure_running(settings.home).url(role=role), embedded_in=settings.home)

    @contextlib.contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Raises:
            DatabaseUnavailable: when no connection can be had, it is lost on the way, or the server's disk is full.
        """
        try:
            connection = self.engine.connect()
        except sa.exc.OperationalError as error:
            raise DatabaseUnavailable(
                f"the database at {self._at} does not answer ({_said(error)}): {self._remedy}"
            ) from None
        try:
            with connection, connection.begin():
                yield connection
                crash_points.reached(crash_points.BEFORE_COMMIT)
            crash_points.reached(crash_points.AFTER_COMMIT)
        except sa.exc.DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == DISK_FULL:
                raise DatabaseUnavailable(
                    f"the disk of the database at {self._at} is full ({_said(error)}): free space and run again; nothing that "
                    "was committed is lost"
                ) from error
            if not error.connection_invalidated:
                raise
            raise DatabaseUnavailable(
                f"the connection to the database at {self._at} was lost ({_said(error)}): {self._remedy}"
            ) from error

    def dispose(self) -> None:
        """Closes the pool's connections."""
        self.engine.dispose()

    @property
    def _at(self) -> str:
        return f"{self.url.host}:{self.url.port}/{self.url.database}"

    @property
    def _remedy(self) -> str:
        return EXTERNAL if self._home is None else EMBEDDED

    def _connect(self, dialect: sa.Dialect, record: object, args: Any, parameters: dict[str, Any]) -> Any:
        """Connects; an embedded server that another process has started on another port since is found again."""
        try:
            return dialect.connect(*args, **{**parameters, "port": self.url.port})
        except dialect.loaded_dbapi.OperationalError:
            from leadfactory.embedded import find

            assert self._home is not None
            moved = find(self._home)
            if moved is None or moved.port == self.url.port:
                raise
            self.url = self.url.set(port=moved.port)
            return dialect.connect(*args, **{**parameters, "port": moved.port})


def _said(error: sa.exc.DBAPIError) -> str:
    return (str(error.orig).strip().splitlines() or ["it said nothing"])[0]
