"""A read replica, where there is one: figures and reports are read there, as long as it is near the primary.

The primary says where its log stands, the replica how far it has replayed it. A replica that is down, behind by more than a minute, or no
replica at all, is not asked: the primary is, as without one. What writes, and what must see its own writes, never comes here.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import sqlalchemy as sa

from leadfactory.database import Database, DatabaseUnavailable
from leadfactory.settings import Settings

T = TypeVar("T")
MOST_LAG_S = 60.0
ASK_AGAIN_S = 5.0  # how long an answer holds; every reader would ask both servers otherwise
STANDS = "SELECT pg_current_wal_lsn()::text, clock_timestamp()"
REPLAYED = """SELECT pg_is_in_recovery() AS follows, pg_last_wal_replay_lsn() >= CAST(:stands AS pg_lsn) AS caught_up,
  extract(epoch FROM CAST(:now AS timestamptz) - pg_last_xact_replay_timestamp())::float AS behind"""


class Nearest:
    """Where to read: the replica while it is near, else the primary. ``lag_s`` is what was found last, None of no usable replica."""

    def __init__(self, primary: Database, replica: Database | None) -> None:
        self.primary, self._replica = primary, replica
        self.lag_s: float | None = None
        self._asked_at = -ASK_AGAIN_S
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: Settings, primary: Database) -> Nearest:
        """With the replica of LEADFACTORY_REPLICA_URL, if it names one. Nothing is connected yet."""
        if settings.replica_url is None:
            return cls(primary, None)
        read_again = settings.mounted("LEADFACTORY_REPLICA_URL")
        return cls(primary, Database(settings.replica_url.get_secret_value(), pool_size=2, read_again=read_again))

    @property
    def configured(self) -> bool:
        """Whether there is a replica to ask at all."""
        return self._replica is not None

    def database(self) -> Database:
        """The replica while it is near enough, else the primary."""
        if self._replica is None:
            return self.primary
        with self._lock:
            if time.monotonic() - self._asked_at >= ASK_AGAIN_S:
                self.lag_s, self._asked_at = self._lag(self._replica), time.monotonic()
        return self.primary if self.lag_s is None or self.lag_s > MOST_LAG_S else self._replica

    def ask(self, what: Callable[[Database], T]) -> T:
        """What ``what`` reads on the replica while it is near; what that does not answer, or breaks off, is asked of the primary.

        Raises:
            DatabaseUnavailable: neither answers.
        """
        nearest = self.database()
        try:
            return what(nearest)
        except (DatabaseUnavailable, sa.exc.DBAPIError):
            if nearest is self.primary:
                raise
            return what(self.primary)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that writes nothing, on the one or the other.

        Raises:
            DatabaseUnavailable: neither answers.
        """
        with self.database().begin() as tx:
            tx.execute(sa.text("SET LOCAL transaction_read_only = on"))
            yield tx

    def dispose(self) -> None:
        """Closes the replica's connections; the primary belongs to somebody else."""
        if self._replica is not None:
            self._replica.dispose()

    def _lag(self, replica: Database) -> float | None:
        """Seconds behind; None where that cannot be known, or the server is none that follows."""
        try:
            with self.primary.begin() as tx:
                stands, now = tx.execute(sa.text(STANDS)).one()
            with replica.begin() as tx:
                found = tx.execute(sa.text(REPLAYED), {"stands": stands, "now": now}).one()
        except (DatabaseUnavailable, sa.exc.DBAPIError):
            return None
        if not found.follows:
            return None
        if found.caught_up:
            return 0.0
        return None if found.behind is None else max(0.0, found.behind)
