"""The rows that tell metrics and the UI which backups there are; a backup that cannot write one is still a backup."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.backup.catalogue import Backup
from leadfactory.backup.tables import backups
from leadfactory.database import Database, DatabaseUnavailable

log = logging.getLogger(__name__)


def begin(db: Database | None, backup_id: str, kind: str, now: dt.datetime) -> None:
    """A backup begins; those that never ended are of dead processes."""
    with _told(db) as tx:
        if tx is not None:
            dead = {"ok": False, "reason": "its process ended before it was done", "finished_at": now}
            tx.execute(sa.update(backups).where(backups.c.ok.is_(None)).values(dead))
            tx.execute(sa.insert(backups).values(id=backup_id, kind=kind, started_at=now))


def done(db: Database | None, backup: Backup) -> None:
    """It is in the store."""
    with _told(db) as tx:
        if tx is not None:
            _keep(tx, backup)


def failed(db: Database | None, backup_id: str, reason: str, now: dt.datetime) -> None:
    """It is not, and why."""
    with _told(db) as tx:
        if tx is not None:
            values = {"ok": False, "reason": reason[:1000], "finished_at": now}
            tx.execute(sa.update(backups).where(backups.c.id == backup_id).values(values))


def verified(db: Database | None, backup: Backup, problems: list[str], now: dt.datetime) -> None:
    """Every byte of it was read."""
    with _told(db) as tx:
        if tx is not None:
            _keep(tx, backup)
            values = {"ok": False, "reason": problems[0][:1000]} if problems else {"verified_at": now}
            tx.execute(sa.update(backups).where(backups.c.id == backup.id).values(values))


def removed(db: Database | None, ids: list[str], now: dt.datetime) -> None:
    """Their retention is over."""
    with _told(db) as tx:
        if tx is not None and ids:
            tx.execute(sa.update(backups).where(backups.c.id.in_(ids)).values(removed_at=now))


def _keep(tx: sa.Connection, backup: Backup) -> None:
    """After a restore the row may be missing, or be that of a backup that still runs: the store knows better."""
    values = {
        "kind": backup.kind, "started_at": backup.started_at, "finished_at": backup.finished_at, "ok": True, "reason": None,
        "bytes": backup.bytes, "wal_from": backup.wal_from, "wal_to": backup.wal_to,
    }  # fmt: skip
    statement = insert(backups).values(id=backup.id, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


@contextlib.contextmanager
def _told(db: Database | None) -> Iterator[sa.Connection | None]:
    if db is None:
        yield None
        return
    try:
        with db.begin() as tx:
            yield tx
    except (DatabaseUnavailable, sa.exc.SQLAlchemyError) as error:
        log.warning("the backup's row could not be written: %s", error)
