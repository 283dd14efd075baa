"""The lake export: one Parquet file per table and campaign-day, written anew when its rows changed, replaced atomically."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import archives, campaign_days, crash_points
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d10_analytics import columns, compacting, configured, copying, lake_files, lake_lock, schema_changes
from leadfactory.d10_analytics.keeping import LEDGER as LEDGER
from leadfactory.d10_analytics.keeping import Lost, with_gone
from leadfactory.d10_analytics.tables import lake_manifest
from leadfactory.database import Database
from leadfactory.settings import Settings

ATTEMPTS = 3  # a writer that dirties a campaign-day while it is read makes us read it again
# Calls of no campaign lie by the day on which they were made; no slug starts with "_".
NO_CAMPAIGN = compacting.NO_CAMPAIGN
EXPORT_LOCK = int.from_bytes(hashlib.sha256(b"lake_export").digest()[:8], "big", signed=True)

# The ledger sets no flags: an attempt is settled after its stage has written its rows, some by the reaper much later. So its
# files are behind when their row count differs, or when calls are so young that one may have been settled since.
# The database's clock dates attempts, whatever the factory's clock says.
# Ledgers that are only added to and set no flags either are behind when their row count differs.
_LEDGER_BEHIND = sa.text(
    """SELECT c.campaign, c.cohort_on
       FROM (SELECT coalesce(campaign, :none) AS campaign, coalesce(cohort_on, occurred_on) AS cohort_on,
                    count(*) AS calls, max(started_at) AS newest
             FROM vendor_calls GROUP BY 1, 2) c
       LEFT JOIN lake_manifest m ON (m.table_name, m.campaign, m.cohort_on) = (:ledger, c.campaign, c.cohort_on)
       WHERE m.row_count IS DISTINCT FROM c.calls OR c.newest > clock_timestamp() - interval '3 days' OR :anew
       ORDER BY 1, 2"""
)


@dataclasses.dataclass
class ExportReport:
    """What one export did: campaign-days read; files, rows and bytes of those that changed; ``behind`` kept changing; files that were
    merged into those of old months; what is different in the columns of a table that was therefore exported anew. ``lost`` are files of
    archived campaign-days that are gone: a backup has them."""

    units: int = 0
    files: int = 0
    rows: int = 0
    size_bytes: int = 0
    behind: int = 0
    lost: int = 0
    seconds: float = 0.0
    rows_by_table: dict[str, int] = dataclasses.field(default_factory=dict)
    compacted: int = 0
    schema_changes: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """As asset metadata."""
        return {
            "campaign-days exported": self.units, "files changed": self.files, "dagster/row_count": self.rows,
            "KiB": round(self.size_bytes / 1024, 1), "campaign-days behind again": self.behind,
            "files of archived campaign-days that are gone (leadfactory recover-files)": self.lost,
            "rows by table": dict(self.rows_by_table), "files compacted": self.compacted,
            "columns changed": {name: "; ".join(told) for name, told in self.schema_changes.items()}, "seconds": round(self.seconds, 2),
        }  # fmt: skip


@dataclasses.dataclass(frozen=True)
class _File:
    table: str
    campaign: str
    cohort_on: dt.date
    path: str
    content: bytes
    rows: int


def export_lake(
    *, db: Database, clock: Clock, settings: Settings, units: Collection[CampaignDay] | None = None
) -> ExportReport:
    """Writes what is behind: all dirty campaign-days, or those of ``units`` whatever their flags; then the registries.

    A lake without a manifest is a new or a lost one: then everything is behind. A table whose columns changed is behind as a whole.
    Registries come after the campaign-days, so that every id in a fact is found in its registry. Old months are compacted last.

    Raises:
        OSError: when the lake cannot be written; the flags of what was not written stay set for the next export.
    """
    began, now, report = time.monotonic(), clock.now(), ExportReport()
    with _alone(db), lake_lock.held(settings.lake, db, alone=True):
        report.schema_changes = schema_changes.found(settings.lake)
        _put_schemas(settings.lake, without=report.schema_changes)
        behind: dict[tuple[str, dt.date], list[str]] = {}
        with db.begin() as tx:
            anew = lake_files.get(settings.lake, lake_files.MANIFEST) is None
            if anew:
                compacting.forget_months(tx)
            found = units if units is not None else _every_day(tx) if anew else campaign_days.dirty_days(tx)
            chosen = sorted(set(found))
            if units is None:
                behind = _ledgers_behind(tx, without=chosen, anew=anew)
                schema_changes.add_behind(
                    tx, behind, report.schema_changes, {(unit.campaign, unit.day) for unit in chosen}
                )
        for unit in chosen:
            report.units += 1
            report.behind += not _cohort(db, settings.lake, (unit.campaign, unit.day), now, report)
        for cohort, ledgers in sorted(behind.items()):
            _cohort(db, settings.lake, cohort, now, report, only=tuple(ledgers))
        _registries(db, settings.lake, now, report)
        if units is None:
            _put_schemas(settings.lake)
        report.compacted = compacting.compact(db, settings.lake, now.date())
        _put_manifest(db, settings.lake)  # last, so that a reader who sees a name finds the file
    report.seconds = time.monotonic() - began
    return report


@contextlib.contextmanager
def _alone(db: Database) -> Iterator[None]:
    """One export at a time: the older of two manifests must not be the one that stays."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.execute(sa.select(sa.func.pg_advisory_lock(EXPORT_LOCK)))
        try:
            yield
        finally:
            session.execute(sa.select(sa.func.pg_advisory_unlock(EXPORT_LOCK)))


def _every_day(tx: sa.Connection) -> list[CampaignDay]:
    days = campaign_days.campaign_days.c
    return [CampaignDay(row.campaign, row.cohort_on) for row in tx.execute(sa.select(days.campaign, days.cohort_on))]


def _ledgers_behind(
    tx: sa.Connection, *, without: Sequence[CampaignDay], anew: bool
) -> dict[tuple[str, dt.date], list[str]]:
    """Cohorts of which ledgers that set no flags are behind, with these; without those that are exported anyhow."""
    done = {(unit.campaign, unit.day) for unit in without}
    found: dict[tuple[str, dt.date], list[str]] = {}
    for row in tx.execute(_LEDGER_BEHIND, {"none": NO_CAMPAIGN, "ledger": LEDGER, "anew": anew}):
        found.setdefault((row.campaign, row.cohort_on), []).append(LEDGER)
    for name in (name for name, rules in columns.policy().tables.items() if rules.via):
        for row in tx.execute(more_than_listed(name)):
            found.setdefault((row.campaign, row.cohort_on), []).append(name)
    return {cohort: names for cohort, names in found.items() if cohort not in done}


def more_than_listed(name: str) -> sa.Select:
    """The cohorts of which an append-only ledger has another number of rows than its file."""
    rows = columns.selected(name).order_by(None).subquery()
    unit = (rows.c.campaign, rows.c.cohort_on)
    have = sa.select(*unit, sa.func.count().label("n")).group_by(*unit).subquery()
    m = lake_manifest
    listed = (m.c.table_name == name) & (m.c.campaign == have.c.campaign) & (m.c.cohort_on == have.c.cohort_on)
    return (
        sa.select(have.c.campaign, have.c.cohort_on)
        .join_from(have, m, listed, isouter=True)
        .where(m.c.row_count.is_distinct_from(have.c.n))
    )


def _cohort(
    db: Database, lake: str, cohort: tuple[str, dt.date], now: dt.datetime, report: ExportReport,
    only: tuple[str, ...] | None = None,
) -> bool:  # fmt: skip
    """One cohort in one snapshot; its flags fall in the transaction that read it. False when it kept changing.

    Clearing the flags of a row that somebody changed since our snapshot fails (40001), and we read again; whoever changes it
    after us waits for our commit and sets them anew. So no change is lost, and files are written only when neither happened.
    """
    names = only or tuple(columns.policy().tables)
    for _ in range(ATTEMPTS):
        connection = db.engine.connect().execution_options(isolation_level="REPEATABLE READ")
        try:
            with connection, connection.begin():
                unit = None if cohort[0] == NO_CAMPAIGN else CampaignDay(*cohort)
                gone = frozenset() if unit is None else archives.tables_gone(connection, unit)
                made = [_of_cohort(connection, lake, name, cohort, gone) for name in names]
                files = [each for each in made if each is not None]
                if only is None and unit is not None:
                    flags = campaign_days.dirty_days(connection).get(unit, ())
                    campaign_days.clear_dirty(connection, unit, flags)
                if files:
                    _note(connection, files, now)
                _put(lake, _of_their_own(connection, cohort, files), report)
                crash_points.reached(crash_points.BEFORE_COMMIT)
            crash_points.reached(crash_points.AFTER_COMMIT)
            report.lost += len(made) - len(files)
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != "40001":  # serialization_failure
                raise
        else:
            return True
    return False


def _registries(db: Database, lake: str, now: dt.datetime, report: ExportReport) -> None:
    """The registries in one snapshot, one file each."""
    connection = db.engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with connection, connection.begin():
        files = [
            _file(name, columns.WHOLE, f"{name}/all/{name}.parquet", copying.copied(connection, name, "whole"))
            for name in columns.policy().registries
        ]
        files += [
            _File(name, *columns.WHOLE, f"{name}/all/{name}.parquet", parquet(schema, rows), len(rows))
            for name, (schema, rows) in configured.tables().items()
        ]
        _note(connection, files, now)
        _put(lake, files, report)
        crash_points.reached(crash_points.BEFORE_COMMIT)
    crash_points.reached(crash_points.AFTER_COMMIT)


def _of_cohort(
    tx: sa.Connection, lake: str, name: str, cohort: tuple[str, dt.date], gone: Collection[str]
) -> _File | None:
    """The file of one table; None of an archived one whose old file is lost: it has to come back, and nothing takes its place."""
    campaign, day = cohort
    scope: copying.Scope = "no_campaign" if campaign == NO_CAMPAIGN else "cohort"
    rows = copying.copied(tx, name, scope, campaign, day)
    if name == LEDGER or name in gone:
        try:
            rows = with_gone(tx, lake, name, cohort, rows)
        except Lost:
            return None
    return _file(name, cohort, f"{name}/date={day.isoformat()}/{campaign}.parquet", rows)


def _file(name: str, cohort: tuple[str, dt.date], path: str, rows: pa.Table) -> _File:
    return _File(name, *cohort, path, compacting.as_parquet(rows), rows.num_rows)


def parquet(schema: pa.Schema, rows: Sequence[Sequence[Any]]) -> bytes:
    """The rows as Parquet; the same rows in the same order give the same bytes."""
    values = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [
        pa.array([str(v) if isinstance(v, uuid.UUID) else v for v in column], type=field.type)
        for field, column in zip(schema, values, strict=True)
    ]
    return compacting.as_parquet(pa.Table.from_arrays(arrays, schema=schema))


def _note(tx: sa.Connection, files: Sequence[_File], now: dt.datetime) -> None:
    """Enters the files in the manifest; one whose content did not change keeps its time."""
    new = insert(lake_manifest)
    told = {name: new.excluded[name] for name in ("path", "row_count", "sha256", "exported_at")}
    upsert = new.on_conflict_do_update(
        index_elements=["table_name", "campaign", "cohort_on"],
        set_=told,
        where=lake_manifest.c.sha256 != new.excluded.sha256,
    )
    rows = [
        {
            "table_name": each.table, "campaign": each.campaign, "cohort_on": each.cohort_on, "path": each.path,
            "row_count": each.rows, "sha256": hashlib.sha256(each.content).hexdigest(), "exported_at": now,
        }
        for each in files
    ]  # fmt: skip
    tx.execute(upsert, rows)


def _of_their_own(tx: sa.Connection, cohort: tuple[str, dt.date], files: Sequence[_File]) -> list[_File]:
    """The files that the manifest lists by their own path: the rows of the others lie in the file of an old month, unchanged."""
    m = lake_manifest.c
    paths = set(tx.scalars(sa.select(m.path).where(m.campaign == cohort[0], m.cohort_on == cohort[1])))
    return [each for each in files if each.path in paths]


def _put(lake: str, files: Sequence[_File], report: ExportReport) -> None:
    for each in files:
        if lake_files.put(lake, each.path, each.content):
            report.files += 1
            report.rows += each.rows
            report.size_bytes += len(each.content)
            report.rows_by_table[each.table] = report.rows_by_table.get(each.table, 0) + each.rows


def _put_schemas(lake: str, *, without: Collection[str] = ()) -> None:
    """An empty, typed file for every table, so that a query over a table without any row has its columns; and that a change of them is
    seen: of a table that changed it is written when its campaign-days are."""
    for name in columns.policy().tables:
        if name not in without:
            lake_files.put(lake, schema_changes.path_of(name), parquet(columns.schema(name), ()))


def _put_manifest(db: Database, lake: str) -> None:
    schema = pa.schema([(column.name, columns.arrow_type(column)) for column in lake_manifest.columns])
    with db.begin() as tx:
        rows = tx.execute(sa.select(lake_manifest).order_by(*lake_manifest.primary_key.columns)).all()
    lake_files.put(lake, lake_files.MANIFEST, parquet(schema, rows))
