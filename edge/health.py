"""Whether this process can do its work: the database answers and its schema is the one that this version knows."""

from __future__ import annotations

import functools

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from leadfactory.database import Database, DatabaseUnavailable


async def health(request: Request) -> Response:
    """200 when both hold, else 503. Tells no address, version or key."""
    found = await run_in_threadpool(_look, request.app.state.desk.db)
    well = found == {"database": "ok", "migrations": "ok"}
    return JSONResponse({"status": "ok" if well else "failing", **found}, status_code=200 if well else 503)


def _look(db: Database) -> dict[str, str]:
    try:
        with db.begin() as tx:
            version = tx.scalar(sa.text("SELECT version_num FROM alembic_version"))
    except (DatabaseUnavailable, sa.exc.SQLAlchemyError):
        return {"database": "unreachable", "migrations": "unknown"}
    return {"database": "ok", "migrations": "ok" if version == _head() else "behind"}


@functools.lru_cache(maxsize=1)
def _head() -> str | None:
    from leadfactory import migrate

    return migrate.head()
