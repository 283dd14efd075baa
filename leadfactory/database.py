"""The system of record: the shared MetaData, the engine, and ``Database.begin()``. Each room's tables live in the room."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
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
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ENCRYPTED = ("require", "verify-ca", "verify-full")
WRONG_PASSWORD = "password authentication failed"
ROTATION_S = 3.0  # how long a password that is being rotated may be in one place and not yet in the other


def secured(url: str | sa.URL) -> sa.URL:
    """The URL with TLS asked for where it leaves this machine; as it is on loopback and on a socket.

    Raises:
        ValueError: it leaves this machine and says that TLS is not needed.
    """
    made = sa.engine.make_url(url)
    asked = made.query.get("host", made.host or "")
    hosts = [asked] if isinstance(asked, str) else list(asked)
    if all(host == "" or host.startswith("/") or host in LOOPBACK for part in hosts for host in part.split(",")):
        return made
    mode = made.query.get("sslmode")
    if mode is None:
        return made.update_query_dict({"sslmode": "require"})
    if mode not in ENCRYPTED:
        raise ValueError(
            f"the database's URL says sslmode={mode!r}, but {made.host} is another machine: write one of {', '.join(ENCRYPTED)}, "
            "or leave it out, which asks for TLS"
        )
    return made


class Database:
    """One engine over the system of record. Rooms take it and open one transaction per thing that must be whole."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 4,
        embedded_in: Path | None = None,
        read_again: Callable[[], str] | None = None,
    ) -> None:
        """``embedded_in``: LEADFACTORY_HOME, when ``url`` is that home's embedded server, which may move to another port.
        ``read_again``: the URL as it stands now, whose password may have been rotated since."""
        self.url = secured(url).set(drivername="postgresql+psycopg")
        self._home = embedded_in
        self._read_again = read_again
        self.engine = sa.create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=4,
            pool_pre_ping=True,
            # jit: a statement of many gates looks dear to the planner and takes milliseconds; compiling it would take longer than it runs
            connect_args={"options": f"-csearch_path={SCHEMA} -ctimezone=UTC -cjit=off", "connect_timeout": 5},
        )
        if embedded_in is not None or read_again is not None:
            sa.event.listen(self.engine, "do_connect", self._connect)

    @classmethod
    def from_settings(cls, settings: Settings, *, role: str = "app") -> Database:
        """The configured server, or the embedded one (found or started) when no URL is set."""
        if settings.database_url is not None:
            return cls(
                settings.database_url.get_secret_value(), read_again=settings.mounted("LEADFACTORY_DATABASE_URL")
            )
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
        """Connects; where the server moved to another port or the password was rotated since, as it stands now."""
        until = time.monotonic() + ROTATION_S
        while True:
            try:
                return dialect.connect(*args, **{**parameters, "port": self.url.port, "password": self.url.password})
            except dialect.loaded_dbapi.OperationalError as error:
                rotating = WRONG_PASSWORD in str(error)
                now = self._as_it_stands()
                if now is not None and (now.port, now.password) != (self.url.port, self.url.password):
                    self.url = self.url.set(port=now.port, password=now.password)
                elif not rotating or time.monotonic() > until:
                    raise
                else:
                    time.sleep(0.05)

    def _as_it_stands(self) -> sa.URL | None:
        if self._read_again is not None:
            return sa.engine.make_url(self._read_again())
        from leadfactory.embedded import known

        assert self._home is not None
        server = known(self._home)
        return None if server is None else sa.engine.make_url(server.url(str(self.url.username).removeprefix("lf_")))


def _said(error: sa.exc.DBAPIError) -> str:
    return (str(error.orig).strip().splitlines() or ["it said nothing"])[0]
