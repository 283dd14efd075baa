"""Whether this process lives, and whether it can do its work: the database answers, its schema is ours, the disk has room.

Answers within a tenth of a second: a database that takes longer is judged by what it said last, for a few seconds.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from leadfactory.database import Database, DatabaseUnavailable

WITHIN_S = 0.07
REMEMBERED_S = 15.0
FULL = 0.01  # share of the disk that is left: below it the database and the send journal cannot write
SILENT = {"database": "slow", "migrations": "unknown"}


class Readiness:
    """Asks the database, one question at a time, and remembers the answer."""

    def __init__(self, db: Database, home: Path, *, within_s: float = WITHIN_S) -> None:
        self._db, self._home, self._within_s = db, home, within_s
        self._asking: asyncio.Task[dict[str, str]] | None = None
        self._last, self._at = SILENT, 0.0

    async def prime(self) -> None:
        """Asks once without a limit of time, at start: the first look loads what later ones have."""
        self._last, self._at = await run_in_threadpool(_look, self._db), time.monotonic()

    async def look(self) -> dict[str, str]:
        """Each dependency with ``ok`` or what is wrong."""
        if self._asking is None or self._asking.done() or self._asking.get_loop() is not asyncio.get_running_loop():
            self._asking = asyncio.create_task(run_in_threadpool(_look, self._db))
        try:
            self._last = await asyncio.wait_for(asyncio.shield(self._asking), self._within_s)
            self._at = time.monotonic()
        except TimeoutError:
            if time.monotonic() - self._at > REMEMBERED_S:
                self._last = SILENT
        return {**self._last, "disk": _disk(self._home)}


async def health(request: Request) -> Response:
    """200 when all hold, else 503. Tells no address, version or key."""
    found = await request.app.state.readiness.look()
    well = set(found.values()) == {"ok"}
    return JSONResponse({"status": "ok" if well else "failing", **found}, status_code=200 if well else 503)


async def live(request: Request) -> Response:
    """200 while this process answers at all: what an orchestrator restarts it by."""
    return JSONResponse({"status": "ok"})


def _look(db: Database) -> dict[str, str]:
    from leadfactory import migrate  # it is asked for once the process is up, not at its start

    try:
        with db.begin() as tx:
            fits = migrate.fits(tx)
    except (DatabaseUnavailable, sa.exc.SQLAlchemyError):
        return {"database": "unreachable", "migrations": "unknown"}
    return {"database": "ok", "migrations": "ok" if fits else "behind"}


def _disk(home: Path) -> str:
    usage = shutil.disk_usage(next(p for p in (home, *home.parents) if p.exists()))
    return "ok" if usage.free / usage.total > FULL else "full"
