"""Keeps exports and those who read the lake apart, so that no build of the marts and no backup reads half of an export.

A lake on this machine is held by a lock on a file in it, one in an object store, which has no locks, by an advisory lock of the database
that it is exported from. Both are shared among readers, and gone with the process that held them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

from leadfactory.d10_analytics import lake_files
from leadfactory.database import Database
from leadfactory.settings import Settings

Still = Callable[[], None]
LOCK_FILE = ".lock"


class LakeNotHeld(OSError):
    """The lake was let go before its reader was done, so that what was read may be half of an export."""


def number(lake: str) -> int:
    """The advisory lock's 64-bit key for a lake in an object store."""
    return int.from_bytes(hashlib.sha256(f"lake:{lake.rstrip('/')}".encode()).digest()[:8], "big", signed=True)


@contextlib.contextmanager
def held(lake: str, db: Database | None, *, alone: bool) -> Iterator[Still]:
    """Waits its turn and holds the lake while the block runs: an export ``alone``, readers together.

    Args:
        lake: its folder or URL.
        db: where a lake in an object store is held; None: it is not, for nothing is exported while the database is down.
        alone: for who writes.

    Yields:
        A check whether the lake was held until now, which raises ``LakeNotHeld`` if it was not.
    """
    root = lake_files.folder(lake)
    if root is not None:
        with _of_folder(root, alone=alone):
            yield lambda: None
    elif db is None:
        yield lambda: None
    else:
        with _of_store(lake, db, alone=alone) as still:
            yield still


@contextlib.contextmanager
def reading(settings: Settings) -> Iterator[Still]:
    """As ``held``, among readers, for who has no database at hand."""
    in_store = lake_files.folder(settings.lake) is None
    db = Database.from_settings(settings) if in_store else None
    try:
        with held(settings.lake, db, alone=False) as still:
            yield still
    finally:
        if db is not None:
            db.dispose()


@contextlib.contextmanager
def _of_folder(root: Path, *, alone: bool) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with (root / LOCK_FILE).open("w") as lock:  # the kernel frees it when the process dies
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def _of_store(lake: str, db: Database, *, alone: bool) -> Iterator[Still]:
    take, drop = (
        (sa.func.pg_advisory_lock, sa.func.pg_advisory_unlock)
        if alone
        else (sa.func.pg_advisory_lock_shared, sa.func.pg_advisory_unlock_shared)
    )
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.execute(sa.select(take(number(lake))))

        def still() -> None:
            try:
                session.execute(sa.text("SELECT"))
            except sa.exc.DBAPIError as error:
                raise LakeNotHeld(
                    f"the database's connection that held {lake} was lost ({str(error.orig).strip().splitlines()[0]}), so that an export "
                    "may have run meanwhile: run again"
                ) from error

        try:
            yield still
        finally:
            with contextlib.suppress(sa.exc.SQLAlchemyError):  # the connection is gone, and the lock with it
                session.execute(sa.select(drop(number(lake))))
