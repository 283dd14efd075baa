"""The lake goes on having what left Postgres: a file that is written anew holds what the old one had of it, and what there is now."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from leadfactory.d10_analytics import columns, compacting
from leadfactory.d10_analytics.tables import lake_manifest

LEDGER = "vendor_calls"  # leaves by whole cohorts, without a word on the campaign-day


class Lost(LookupError):
    """The lake's own file of rows that only it has cannot be read."""


def with_gone(tx: sa.Connection, lake: str, name: str, cohort: tuple[str, dt.date], now: pa.Table) -> pa.Table:
    """``now``, the rows of ``cohort`` that Postgres has, with those that the old file has and Postgres has not.

    Raises:
        Lost: the manifest lists rows of an archived campaign-day and there is no such file: nothing may be written in its place.
    """
    m = lake_manifest.c
    mine = sa.select(m.path).where(m.table_name == name, m.campaign == cohort[0], m.cohort_on == cohort[1])
    path = tx.scalar(mine.where(m.row_count > 0))
    old = compacting.rows_of(lake, path, [cohort]) if path else None
    if old is None:
        if path and name != LEDGER:
            raise Lost(path)
        return now
    old = compacting.shaped(old, now.schema)
    key = list(columns.table(name).primary_key.columns)[-1].name  # what of the key is one cohort's row
    gone = old.filter(pc.invert(pc.is_in(old[key], value_set=now[key].combine_chunks())))
    if not gone.num_rows:
        return now
    both = pa.concat_tables([gone, now]).sort_by(key).combine_chunks()
    return old.combine_chunks() if both.equals(old.sort_by(key).combine_chunks()) else both
