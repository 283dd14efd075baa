"""What has changed in the columns of the lake since it was last written, in words; such a table is exported anew."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Collection

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from leadfactory.d10_analytics import columns, lake_files
from leadfactory.d10_analytics.tables import lake_manifest


def path_of(table: str) -> str:
    """The empty, typed file that tells the columns of a table's files."""
    return f"{table}/_schema/empty.parquet"


def found(lake: str) -> dict[str, list[str]]:
    """Table → what is different in its columns now, in words; nothing for a table that the lake never had."""
    told = {}
    for name in columns.policy().tables:
        content = lake_files.get(lake, path_of(name))
        if content is not None:
            changes = explained(pq.read_schema(io.BytesIO(content)), columns.schema(name))
            if changes:
                told[name] = changes
    return told


def explained(before: pa.Schema, now: pa.Schema) -> list[str]:
    """Columns that came, went, or are of another type."""
    old, new = ({field.name: field.type for field in each} for each in (before, now))
    came = [f"{name} ({new[name]}) is new" for name in new if name not in old]
    went = [f"{name} is left out" for name in old if name not in new]
    other = [f"{name} was {old[name]} and is {new[name]}" for name in new if name in old and old[name] != new[name]]
    return [*came, *went, *other]


def add_behind(
    tx: sa.Connection,
    behind: dict[tuple[str, dt.date], list[str]],
    changed: Collection[str],
    done: Collection[tuple[str, dt.date]],
) -> None:
    """Adds to ``behind`` every campaign-day of the tables that changed, but those that are exported anyhow."""
    m = lake_manifest.c
    listed = sa.select(m.campaign, m.cohort_on, m.table_name).where(m.table_name.in_(changed))
    for row in tx.execute(listed.where(m.campaign != columns.WHOLE[0])):
        cohort = (row.campaign, row.cohort_on)
        if cohort not in done and row.table_name not in behind.setdefault(cohort, []):
            behind[cohort].append(row.table_name)
