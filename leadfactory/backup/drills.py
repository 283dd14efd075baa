"""The restore drill: the latest backup on a scratch server, with all WAL that was archived, held against what was saved.

RPO is what a loss at the drill's start would have cost; RTO is the time until the restored server had passed its checks.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import sqlalchemy as sa

from leadfactory.backup import catalogue, restoring, wal, wall
from leadfactory.backup.keys import CannotDecrypt
from leadfactory.backup.making import Told, quiet
from leadfactory.backup.programs import ProgramFailed
from leadfactory.backup.side import RestoreFailed, Target
from leadfactory.backup.store import Store
from leadfactory.backup.tables import restore_drills
from leadfactory.database import Database
from leadfactory.settings import Settings


@dataclasses.dataclass(frozen=True)
class Drill:
    """How one went; ``reason`` of a failed one."""

    backup_id: str | None
    ok: bool
    rpo_s: float | None
    rto_s: float | None
    checks: list[dict[str, Any]]
    reason: str | None


def drill(settings: Settings, db: Database, *, told: Told = quiet) -> Drill:
    """Restores, judges, takes it away again, and records how it went, whatever came of it."""
    store, started_at = Store(settings.backups), wall.now()
    found = _drilled(settings, store, started_at, told)
    values = dataclasses.asdict(found) | {"started_at": started_at, "finished_at": wall.now()}
    with db.begin() as tx:
        tx.execute(sa.insert(restore_drills).values(values))
    return found


def recent(tx: sa.Connection, most: int = 10) -> list[dict[str, Any]]:
    """The last drills, the oldest of them first."""
    d = restore_drills
    query = sa.select(d.c.started_at, d.c.ok, d.c.rpo_s, d.c.rto_s).order_by(d.c.drill_id.desc()).limit(most)
    return [dict(row._mapping) for row in tx.execute(query)][::-1]


def _drilled(settings: Settings, store: Store, started_at: dt.datetime, told: Told) -> Drill:
    try:
        backup = catalogue.find(store, "latest")
    except catalogue.NoBackup as error:
        return Drill(None, False, None, None, [], str(error))
    safe_until = max(backup.finished_at, wal.complete_at(store) or backup.finished_at)
    rpo_s = max(0.0, (started_at - safe_until).total_seconds())
    try:
        done = restoring.rehearse(settings, store, backup, Target(as_far_as_possible=True), told=told)
    except restoring.Refused as error:
        return Drill(backup.id, False, rpo_s, None, [dataclasses.asdict(each) for each in error.checks], str(error))
    except (RestoreFailed, ProgramFailed, CannotDecrypt, OSError) as error:
        return Drill(backup.id, False, rpo_s, None, [], str(error))
    return Drill(backup.id, True, rpo_s, done.seconds, [dataclasses.asdict(each) for each in done.checks], None)
