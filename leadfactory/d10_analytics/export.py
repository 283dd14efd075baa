"""The lake: one Parquet file per table and campaign-day, written anew when its rows changed, replaced atomically."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import io
import os
import time
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d10_analytics import columns
from leadfactory.d10_analytics.tables import lake_manifest
from leadfactory.database import Database
from leadfactory.settings import Settings

ATTEMPTS = 3  # a writer that dirties a campaign-day while it is read makes us read it again


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """What one export wrote: campaign-days, files, rows, bytes; ``behind`` campaign-days changed again meanwhile."""

    units: int
    files: int
    rows: int
    size_bytes: int
    behind: int
    seconds: float

    def metadata(self) -> dict[str, Any]:
        """As asset metadata."""
        return {
            "campaign-days exported": self.units, "files": self.files, "dagster/row_count": self.rows,
            "KiB": round(self.size_bytes / 1024, 1), "campaign-days behind again": self.behind, "seconds": round(self.seconds, 2),
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
    """Writes what is behind: all dirty campaign-days, or those of ``units`` whatever their flags.

    Raises:
        OSError: when the lake cannot be written; flags stay set, and the next export writes it all again.
    """
    began = time.monotonic()
    _schemas(settings.lake)
    with db.begin() as tx:
        behind = campaign_days.dirty_days(tx)
    chosen = sorted(set(units) if units is not None else set(behind))
    files, rows, size, late = 0, 0, 0, 0
    for unit in chosen:
        written = _unit(db, settings.lake, unit, clock.now())
        late += written is None
        for each in written or ():
            files, rows, size = files + 1, rows + each.rows, size + len(each.content)
    for each in _registries(db):
        _put(settings.lake, each.path, each.content)
        files, rows, size = files + 1, rows + each.rows, size + len(each.content)
    _publish_manifest(db, settings.lake)
    return ExportReport(len(chosen), files, rows, size, late, time.monotonic() - began)


def _unit(db: Database, lake: str, unit: CampaignDay, now: dt.datetime) -> list[_File] | None:
    """One campaign-day in one snapshot; its flags fall in the transaction that read it. None when it kept changing."""
    for _ in range(ATTEMPTS):
        connection = db.engine.connect().execution_options(isolation_level="REPEATABLE READ")
        try:
            with connection, connection.begin():
                flags = campaign_days.dirty_days(connection).get(unit, ())
                files = [_of_unit(connection, name, unit) for name in columns.policy().tables]
                for each in files:
                    _put(lake, each.path, each.content)
                campaign_days.clear_dirty(connection, unit, flags)
                connection.execute(
                    insert(lake_manifest).on_conflict_do_update(
                        index_elements=["table_name", "campaign", "cohort_on"],
                        set_={
                            name: insert(lake_manifest).excluded[name]
                            for name in ("path", "row_count", "sha256", "exported_at")
                        },
                    ),
                    [_entry(each, now) for each in files],
                )
            return files
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != "40001":  # serialization_failure: somebody wrote meanwhile
                raise
    return None


def _entry(each: _File, now: dt.datetime) -> dict[str, Any]:
    return {
        "table_name": each.table, "campaign": each.campaign, "cohort_on": each.cohort_on, "path": each.path, "row_count": each.rows,
        "sha256": hashlib.sha256(each.content).hexdigest(), "exported_at": now,
    }  # fmt: skip


def _of_unit(tx: sa.Connection, name: str, unit: CampaignDay) -> _File:
    source, chosen = columns.table(name), columns.policy().tables[name].export
    query = sa.select(*(source.c[c] for c in chosen)).where(
        source.c.campaign == unit.campaign, source.c.cohort_on == unit.day
    )
    content, rows = _parquet(tx, name, chosen, query.order_by(*source.primary_key.columns))
    return _File(
        name, unit.campaign, unit.day, f"{name}/date={unit.day.isoformat()}/{unit.campaign}.parquet", content, rows
    )


def _registries(db: Database) -> Iterator[_File]:
    with db.begin() as tx:
        for name, rules in columns.policy().registries.items():
            source = columns.table(name)
            query = sa.select(*(source.c[c] for c in rules.export)).order_by(*source.primary_key.columns)
            content, rows = _parquet(tx, name, rules.export, query)
            yield _File(name, "", dt.date.min, f"{name}/all/{name}.parquet", content, rows)


def _parquet(tx: sa.Connection, name: str, chosen: tuple[str, ...], query: sa.Select[Any]) -> tuple[bytes, int]:
    """The rows as Parquet; the same rows give the same bytes."""
    rows = tx.execute(query).all()
    schema = columns.schema(name, chosen)
    arrays = [
        pa.array([str(v) if isinstance(v, uuid.UUID) else v for v in values], type=field.type)
        for field, values in zip(schema, zip(*rows, strict=True) if rows else [()] * len(schema), strict=True)
    ]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), sink, compression="zstd")
    return sink.getvalue(), len(rows)


def _schemas(lake: str) -> None:
    """An empty, typed file for every table, so that a query over a table without rows has its columns."""
    for name, rules in columns.policy().tables.items():
        sink = io.BytesIO()
        pq.write_table(columns.schema(name, rules.export).empty_table(), sink)
        _put(lake, f"{name}/_schema/empty.parquet", sink.getvalue())


def _publish_manifest(db: Database, lake: str) -> None:
    """``_manifest.parquet`` names every file; written last, so that a reader who sees a name finds the file."""
    with db.begin() as tx:
        rows = tx.execute(sa.select(lake_manifest).order_by(*lake_manifest.primary_key.columns)).mappings().all()
    names = [column.name for column in lake_manifest.columns]
    sink = io.BytesIO()
    types = {"row_count": pa.int64(), "cohort_on": pa.date32(), "exported_at": pa.timestamp("us", tz="UTC")}
    arrays = [pa.array([row[name] for row in rows], type=types.get(name, pa.string())) for name in names]
    pq.write_table(pa.Table.from_arrays(arrays, names=names), sink)
    _put(lake, "_manifest.parquet", sink.getvalue())


def _put(lake: str, path: str, content: bytes) -> None:
    """Writes whole or not at all; a file with the same bytes is left alone."""
    if "://" not in lake:
        target = Path(lake) / path
        if target.is_file() and target.stat().st_size == len(content) and target.read_bytes() == content:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.new")
        try:
            with beside.open("wb") as sink:
                sink.write(content)
                sink.flush()
                os.fsync(sink.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        return
    import fsspec

    filesystem, root = fsspec.core.url_to_fs(lake)
    with filesystem.open(f"{root}/{path}", "wb") as remote:  # object stores replace an object as a whole
        remote.write(content)
