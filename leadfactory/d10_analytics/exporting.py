"""One day's rows of a table of the factory as they are now, by the lake's column policy: what may not leave Postgres does not leave here."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

import pyarrow as pa
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d10_analytics import columns

DATED = ("cohort_on", "first_cohort_on", "read_on", "occurred_on")  # which day of a row is meant, in this order


class NotExported(LookupError):
    """A table that stays in Postgres or does not exist; the message says why, or what there is."""


def rows(tx: sa.Connection, name: str, day: dt.date, campaign: str | None = None) -> pa.Table:
    """The rows of ``day``, and of ``campaign`` where rows have one; of a registry without a day all of them.

    Raises:
        NotExported: for a table that may not leave or that is none.
    """
    found = columns.policy()
    if name in found.never:
        raise NotExported(f"stays in Postgres: {found.never[name]}")
    if name not in {**found.tables, **found.registries}:
        raise NotExported(f"no such table; there are {', '.join([*found.tables, *found.registries])}")
    rules, owner = columns.rules_of(name), columns.cohort_owner(name).c
    query = columns.selected(name)
    known = (
        set(owner.keys()) if rules.via else set(rules.columns)
    )  # rows of some tables are of their sale's or letter's campaign-day
    dated = next((column for column in DATED if column in known), None)
    if dated is not None:
        query = query.where(owner[dated] == day)
    if campaign is not None:
        if "campaign" not in known:
            raise NotExported("its rows are of no campaign; leave --campaign out")
        query = query.where(owner.campaign == campaign)
    return _typed(name, tx.execute(query).all())


def stored(tx: sa.Connection, name: str, unit: CampaignDay) -> pa.Table:
    """The rows of a campaign-day of an exported table."""
    owner = columns.cohort_owner(name).c
    query = columns.selected(name).where(owner.campaign == unit.campaign, owner.cohort_on == unit.day)
    return _typed(name, tx.execute(query).all())


def _typed(name: str, found: Sequence[sa.Row]) -> pa.Table:
    schema = columns.schema(name)
    plain = [[str(value) if isinstance(value, uuid.UUID) else value for value in row] for row in found]
    arrays = [pa.array([row[index] for row in plain], type=field.type) for index, field in enumerate(schema)]
    return pa.Table.from_arrays(arrays, schema=schema)
