"""Old months of the lake as one file for each table: a scan of ten thousand small files takes a hundred times that of one.

A month is old when its last day is 35 days past. The manifest goes on listing each campaign-day with the hash of its own rows, and says in
which file they lie; whoever reads takes from a month's file the rows of those campaign-days that the manifest lists for it. So a
campaign-day that is exported late has a file of its own until the same export has made the month's file anew, and a kill between any two
steps leaves a lake that reads right.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import io
from collections import defaultdict
from collections.abc import Collection, Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from leadfactory import archives
from leadfactory.campaign_days import campaign_days
from leadfactory.d10_analytics import columns, lake_files
from leadfactory.d10_analytics.tables import lake_manifest
from leadfactory.database import Database

OLD_AFTER_DAYS = 35
NO_CAMPAIGN = "_none"  # rows of no campaign lie with the day on which they happened
Cohort = tuple[str, dt.date]
_HAS_LEFT: dict[archives.Kind, sa.ColumnElement[bool]] = {
    "audits": campaign_days.c.audits_archived_at.is_not(None), "mail": campaign_days.c.mail_archived_at.is_not(None),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class _Listed:
    """One line of the manifest."""

    table: str
    campaign: str
    cohort_on: dt.date
    path: str

    @property
    def cohort(self) -> Cohort:
        return self.campaign, self.cohort_on


def path_of(table: str, day: dt.date) -> str:
    """The file of the month of ``day``."""
    return f"{table}/month={day:%Y-%m}/{table}.parquet"


def is_month(path: str) -> bool:
    """Whether a path of the manifest is that of a month, and so holds the rows of other campaign-days too."""
    return "/month=" in path


def compact(db: Database, lake: str, today: dt.date) -> int:
    """Merges what lies apart in old months; how many files went. The caller holds the lake alone."""
    gone = 0
    for month, listed in sorted(_old_months(db, today).items()):
        if all(each.path == month for each in listed):
            continue
        merged = _merged(lake, month, listed)
        if merged is None:
            continue  # a file is lost: the comparison with Postgres names its rows
        lake_files.put(lake, month, as_parquet(merged))
        with db.begin() as tx:
            m = lake_manifest.c
            units = sa.tuple_(m.campaign, m.cohort_on).in_([each.cohort for each in listed])
            tx.execute(sa.update(lake_manifest).where(m.table_name == listed[0].table, units).values(path=month))
        for path in {each.path for each in listed} - {month}:  # last: nobody is told of them any more
            lake_files.remove(lake, path)
            gone += 1
    return gone


def forget_months(tx: sa.Connection) -> None:
    """Of a lake that was lost: the files of months are gone too, and every campaign-day gets one of its own again.

    Not so what was archived: that only a backup has, and the manifest says where it has to come back.
    """
    gone = [
        sa.and_(_HAS_LEFT[kind], lake_manifest.c.table_name.in_(tables)) for kind, tables in archives.TABLES.items()
    ]
    day = campaign_days.c
    archived = sa.exists().where(
        day.campaign == lake_manifest.c.campaign, day.cohort_on == lake_manifest.c.cohort_on, sa.or_(*gone)
    )
    of_months = sa.and_(lake_manifest.c.path.contains("/month="), ~archived)
    if tx.scalar(sa.select(sa.exists().where(of_months))):  # a writer of the manifest is not waited for without need
        tx.execute(sa.delete(lake_manifest).where(of_months))


def rows_of(lake: str, path: str, cohorts: Collection[Cohort]) -> pa.Table | None:
    """The rows of ``cohorts`` in a file, in its order; None when there is no such file."""
    content = lake_files.get(lake, path)
    if content is None:
        return None
    found = pq.read_table(io.BytesIO(content))
    return _only(found, cohorts) if is_month(path) else found


def holds(content: bytes, listed: Iterable[tuple[Cohort, str]]) -> bool:
    """Whether the file of a month has the very rows of each campaign-day that the manifest lists for it, by their hash."""
    try:
        rows = pq.read_table(io.BytesIO(content))
        mine = ((as_parquet(_only(rows, [cohort]).combine_chunks()), sha256) for cohort, sha256 in listed)
        return all(hashlib.sha256(each).hexdigest() == sha256 for each, sha256 in mine)
    except (pa.ArrowException, KeyError, OSError):
        return False  # no Parquet any more


def as_parquet(rows: pa.Table) -> bytes:
    """The rows as a file of the lake; the same rows in the same order give the same bytes."""
    sink = io.BytesIO()
    pq.write_table(rows, sink, compression="zstd")
    return sink.getvalue()


def _only(rows: pa.Table, cohorts: Collection[Cohort]) -> pa.Table:
    campaign = pc.fill_null(rows["campaign"], NO_CAMPAIGN)
    day = rows["cohort_on"]
    if "occurred_on" in rows.column_names:
        day = pc.coalesce(day, rows["occurred_on"])
    units = pa.table({"campaign": campaign, "day": day, "at": pa.array(range(rows.num_rows), pa.int64())})
    wanted = pa.table(
        {"campaign": pa.array([c for c, _ in cohorts], pa.string()), "day": pa.array([d for _, d in cohorts], pa.date32())}
    )  # fmt: skip
    kept = units.join(wanted, ["campaign", "day"], join_type="left semi")["at"]
    return rows.take(kept.take(pc.sort_indices(kept)))


def _old_months(db: Database, today: dt.date) -> dict[str, list[_Listed]]:
    """Path of an old month → what the manifest lists of it."""
    m = lake_manifest.c
    query = (
        sa.select(m.table_name, m.campaign, m.cohort_on, m.path)
        .where(m.campaign != columns.WHOLE[0], m.cohort_on < today - dt.timedelta(days=OLD_AFTER_DAYS))
        .order_by(m.cohort_on, m.campaign)
    )
    found: dict[str, list[_Listed]] = defaultdict(list)
    with db.begin() as tx:
        for row in tx.execute(query):
            after = (row.cohort_on.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
            if after <= today - dt.timedelta(days=OLD_AFTER_DAYS):
                found[path_of(row.table_name, row.cohort_on)].append(
                    _Listed(row.table_name, row.campaign, row.cohort_on, row.path)
                )
    return found


def _merged(lake: str, month: str, listed: list[_Listed]) -> pa.Table | None:
    """All rows of the month, campaign-day after campaign-day, with the columns of today."""
    schema = columns.schema(listed[0].table)
    kept = [each.cohort for each in listed if each.path == month]
    parts = [rows_of(lake, month, kept)] if kept else []
    parts += [rows_of(lake, each.path, [each.cohort]) for each in listed if each.path != month]
    if any(part is None for part in parts):
        return None
    whole = pa.concat_tables([shaped(part, schema) for part in parts if part is not None])
    return whole.sort_by([("cohort_on", "ascending"), ("campaign", "ascending")])


def shaped(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with the columns of ``schema``: what an older export did not have is unknown."""
    of = {
        field.name: rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    }
    return pa.table(of, schema=schema)
