"""One run per campaign-day and asset group at a time: a session-level advisory lock on a connection of its own."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leadfactory.campaign_day import CampaignDay
from leadfactory.database import Database, DatabaseUnavailable

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)
POLL_S = 0.5


class CampaignDayBusy(RuntimeError):
    """Another process works on the campaign-day; the message names it."""


def lock_number(unit: CampaignDay, group: str) -> int:
    """The advisory lock's 64-bit key for a campaign-day and asset group."""
    return int.from_bytes(hashlib.sha256(f"{group}:{unit.key}".encode()).digest()[:8], "big", signed=True)


@contextlib.contextmanager
def campaign_day_lock(db: Database, unit: CampaignDay, group: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Holds the lock of ``unit`` and ``group`` while the block runs; a killed process loses it with its connection.

    The connection is its own: a pool, or a pooler that shares sessions, would lose or leak the lock.

    Raises:
        CampaignDayBusy: when it was not free within ``wait_s`` seconds.
        DatabaseUnavailable: when no connection can be had.
    """
    import psycopg  # loading a code location needs no driver

    number = lock_number(unit, group)
    url = db.url.set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"pid {os.getpid()} {group} {unit.key}"[:63]  # Postgres cuts it there; the pid must survive
    try:
        session = psycopg.connect(url, autocommit=True, application_name=name, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(
            f"no connection for the lock of campaign-day {unit} ({str(error).strip().splitlines()[0]}): "
            "start the database or free a connection"
        ) from None
    with session:
        deadline = time.monotonic() + wait_s
        told = False
        while not session.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()[0]:  # type: ignore[index]
            holder = _holder(session, number)
            if time.monotonic() >= deadline:
                raise CampaignDayBusy(
                    f"campaign-day {unit} ({group}) is being worked on by {holder}: wait for it to end and run again"
                )
            if not told:
                log.info("campaign-day %s (%s) is held by %s; waiting up to %.0f s", unit, group, holder, wait_s)
                told = True
            time.sleep(POLL_S)
        try:
            yield
        finally:  # let go before the caller is told that it is over: closing alone is noticed by the server a moment later
            with contextlib.suppress(psycopg.OperationalError):  # the server is gone, and the lock with it
                session.execute("SELECT pg_advisory_unlock(%s)", (number,))


def _holder(session: psycopg.Connection, number: int) -> str:
    row = session.execute(
        """SELECT a.application_name, a.backend_start AT TIME ZONE 'UTC' FROM pg_locks l JOIN pg_stat_activity a USING (pid)
           WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND ((l.classid::bigint << 32) | l.objid::bigint) = %s""",
        (number,),
    ).fetchone()
    return (
        f"{row[0] or 'an unnamed session'} since {row[1]:%Y-%m-%d %H:%M:%S} UTC" if row else "a session that just ended"
    )
