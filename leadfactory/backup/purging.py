"""Purges what config/retention.yaml says: rows, texts of rows, files. A rehearsal counts the same and removes nothing.

Which rows of a table may go at all is decided here: what still waits, or what something still refers to, stays whatever its age.
Audits and mail go by whole campaign-days (archiving.py).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.backup import archiving, wall
from leadfactory.backup.retention import Files, Rows, rules
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.tables import metadata

BATCH = 10_000  # rows of one transaction
# SQL over the alias t that must hold of a row that goes.
MAY_GO = {
    "webhook_inbox": "t.processed_at IS NOT NULL",
    # Whole cohorts only: all their calls are old and over, and the lake lists at least as many. Its files keep what left Postgres.
    "vendor_calls": """(coalesce(t.campaign, '_none'), coalesce(t.cohort_on, t.occurred_on)) IN (
        SELECT m.campaign, m.cohort_on FROM vendor_calls c JOIN lake_manifest m ON m.table_name = 'vendor_calls'
          AND m.campaign = coalesce(c.campaign, '_none') AND m.cohort_on = coalesce(c.cohort_on, c.occurred_on)
        GROUP BY m.campaign, m.cohort_on, m.row_count
        HAVING max(c.occurred_on) < :before AND bool_and(c.status <> 'started') AND m.row_count >= count(*))""",
    "email_drafts": """NOT EXISTS (SELECT FROM email_sends s WHERE s.draft_id = t.draft_id AND s.state IN ('planned', 'claimed', 'unknown'))
        AND EXISTS (SELECT FROM campaign_days d WHERE (d.campaign, d.cohort_on) = (t.campaign, t.cohort_on) AND d.state IN ('listening', 'closed'))""",
}


@dataclasses.dataclass(frozen=True)
class Purged:
    """What went, or in a rehearsal would go: ``rows``, ``texts`` or ``files`` of something older than ``before``.

    Of what goes by whole campaign-days also how many of these, and which stay although they are old enough, with the reason.
    """

    what: str
    kind: str
    before: dt.datetime
    count: int
    bytes: int = 0
    campaign_days: int = 0
    left: tuple[str, ...] = ()


def purge(db: Database, settings: Settings, *, dry_run: bool = False) -> list[Purged]:
    """Purges rows by the factory's clock and files by the wall's; each thing with its count, also where there was nothing."""
    now, found = settings.clock.now(), []
    if not dry_run:
        with db.begin() as tx:
            campaign_days.close_finished(tx, now)
    for each in archiving.archive(db, settings, dry_run=dry_run):
        what = f"{each.kind} of whole campaign-days"
        found.append(Purged(what, "rows", each.before, each.rows, campaign_days=each.days, left=tuple(each.left)))
    for table, rule in rules().purge.items():
        before = now - dt.timedelta(days=rule.days)
        found.append(
            Purged(table, "texts" if rule.empty else "rows", before, _rows(db, table, rule, before, dry_run=dry_run))
        )
    for files in rules().files:
        found.append(_files(settings.home, files, wall.now() - dt.timedelta(days=files.days), dry_run=dry_run))
    return found


def _rows(db: Database, table: str, rule: Rows, before: dt.datetime, *, dry_run: bool) -> int:
    where = f"t.{rule.by} < :before AND ({MAY_GO.get(table, 'TRUE')})"
    if rule.empty:
        where += f" AND coalesce({', '.join(f't.{name}' for name in rule.empty)}) IS NOT NULL"
    if dry_run:
        with db.begin() as tx:
            return int(tx.scalar(sa.text(f"SELECT count(*) FROM {table} t WHERE {where}"), {"before": before}) or 0)  # noqa: S608
    key = ", ".join(column.name for column in metadata.tables[f"leadfactory.{table}"].primary_key.columns)
    chosen = f"SELECT {key} FROM {table} t WHERE {where} LIMIT {BATCH} FOR UPDATE SKIP LOCKED"  # noqa: S608 - of our own files
    emptied = ", ".join(f"{name} = NULL" for name in rule.empty)
    action = f"UPDATE {table} SET {emptied}" if emptied else f"DELETE FROM {table}"  # noqa: S608 - of our own files
    total = 0
    while True:
        with db.begin() as tx:
            done = tx.execute(sa.text(f"{action} WHERE ({key}) IN ({chosen})"), {"before": before}).rowcount
        total += done
        if done < BATCH:
            return total


def _files(home: Path, rule: Files, before: dt.datetime, *, dry_run: bool) -> Purged:
    count = size = 0
    for path in _old(home / rule.under, rule.names, before.timestamp()):
        size += sum(each.stat().st_size for each in _below(path))
        count += 1
        if not dry_run:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return Purged(rule.what, "files", before, count, size)


def _old(folder: Path, names: tuple[str, ...], before: float) -> Iterator[Path]:
    """What matches and was not changed since, nothing of it; links are left alone."""
    found = {path for name in names for path in folder.glob(name)} if folder.is_dir() else set()
    for path in sorted(found):
        if (
            not path.is_symlink()
            and max((each.stat().st_mtime for each in (path, *_below(path))), default=before) < before
        ):
            yield path


def _below(path: Path) -> list[Path]:
    return [each for each in path.rglob("*") if each.is_file() and not each.is_symlink()] if path.is_dir() else [path]


def over_campaigns(tx: sa.Connection, now: dt.datetime) -> list[str]:
    """Campaigns of which every day is closed and nothing was heard for so long that their partition keys may go."""
    query = """SELECT c.campaign FROM campaigns c WHERE (c.state = 'closed' OR c.ends_on < :day) AND c.created_at < :before
        AND NOT EXISTS (SELECT FROM campaign_days d WHERE d.campaign = c.campaign AND (d.state <> 'closed' OR d.last_event_at >= :before))
        ORDER BY 1"""
    before = now - dt.timedelta(days=rules().partition_key_days)
    return list(tx.scalars(sa.text(query), {"before": before, "day": before.date()}))
