"""The lake against Postgres, row by row: what is missing in the files, what is in them and not there, and what says something else.

The files are read back from where they lie, so that an export that lost, kept or garbled a row is found whatever its manifest says.
A campaign-day that changed since its export is not judged: the next export takes it. Of an archived one the lake has more than Postgres.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from leadfactory import archives, campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d10_analytics import columns, compacting, lake_lock
from leadfactory.d10_analytics.export import LEDGER
from leadfactory.d10_analytics.exporting import stored
from leadfactory.d10_analytics.tables import lake_manifest
from leadfactory.database import Database
from leadfactory.settings import Settings

MOST_DAYS = 50  # a night compares the campaign-days that were exported last


@dataclasses.dataclass(frozen=True)
class Difference:
    """One row on which lake and Postgres are apart: ``missing`` in the lake, ``extra`` in it, or ``altered``, with the columns."""

    kind: str
    table: str
    row: str
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = f" ({', '.join(self.columns)})" if self.columns else ""
        return f"{self.table} {self.row} is {self.kind} in the lake{told}"


def compare(table: str, key: Collection[str], ours: pa.Table, theirs: pa.Table) -> list[Difference]:
    """Differences between the lake's rows and those of Postgres, both with the columns of the policy."""
    lake, there = ({tuple(row[name] for name in key): row for row in each.to_pylist()} for each in (ours, theirs))
    found = [Difference("missing", table, _told(of)) for of in there.keys() - lake.keys()]
    found += [Difference("extra", table, _told(of)) for of in lake.keys() - there.keys()]
    for of in lake.keys() & there.keys():
        apart = tuple(name for name in there[of] if lake[of].get(name) != there[of][name])
        if apart or lake[of].keys() != there[of].keys():
            found.append(Difference("altered", table, _told(of), apart or tuple(lake[of].keys() ^ there[of].keys())))
    return sorted(found, key=lambda each: (each.table, each.kind, each.row))


def differences(db: Database, settings: Settings, *, most_days: int = MOST_DAYS) -> tuple[int, list[Difference]]:
    """How many campaign-days were compared, those that were exported last, and every difference, in one snapshot."""
    found: list[Difference] = []
    connection = db.engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with lake_lock.held(settings.lake, db, alone=False), connection, connection.begin():
        units = _settled(connection, most_days)
        for unit in units:
            gone = archives.tables_gone(connection, unit)
            for name in columns.policy().tables:
                if (
                    name != LEDGER
                ):  # its calls are settled at any time; without a flag nobody knows which files are behind
                    apart = of_table(connection, settings.lake, name, unit)
                    found += [each for each in apart if each.kind != "extra" or name not in gone]
    return len(units), found


def of_table(tx: sa.Connection, lake: str, name: str, unit: CampaignDay) -> list[Difference]:
    """Every difference of one table and campaign-day, read in ``tx`` and from the file."""
    m = lake_manifest.c
    listed = sa.select(m.path).where(m.table_name == name, m.campaign == unit.campaign, m.cohort_on == unit.day)
    own = f"{name}/date={unit.day.isoformat()}/{unit.campaign}.parquet"
    found = compacting.rows_of(lake, tx.scalar(listed) or own, [(unit.campaign, unit.day)])
    ours = columns.schema(name).empty_table() if found is None else found
    key = [column.name for column in columns.table(name).primary_key.columns]
    return compare(name, key, ours, stored(tx, name, unit))


def _settled(tx: sa.Connection, most: int) -> list[CampaignDay]:
    """Campaign-days whose files are not behind, those that were written last first."""
    dirty = campaign_days.dirty_days(tx)
    m = lake_manifest.c
    rows = tx.execute(
        sa.select(m.campaign, m.cohort_on, sa.func.max(m.exported_at).label("at"))
        .where(m.table_name != LEDGER, m.campaign != columns.WHOLE[0])
        .group_by(m.campaign, m.cohort_on)
        .order_by(sa.desc("at"), m.cohort_on.desc(), m.campaign)
        .limit(most + len(dirty))
    )
    units = (CampaignDay(row.campaign, row.cohort_on) for row in rows)
    return [unit for unit in units if unit not in dirty][:most]


def _told(of: tuple[Any, ...]) -> str:
    return "/".join(value.isoformat() if isinstance(value, dt.date) else str(value) for value in of)
