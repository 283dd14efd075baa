"""Rows of any table with only the columns that matter to a test; the others get something that the schema takes."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa

from leadfactory.database import Database
from leadfactory.tables import metadata
from tests.leads import TUESDAY, UNIT


def put(db: Database, table: str, **values: Any) -> dict[str, Any]:
    """Inserts one row and returns it."""
    found = metadata.tables[f"leadfactory.{table}"]
    row = {column.name: _filler(column) for column in found.columns if _must_be_given(column)}
    with db.begin() as tx:
        return dict(tx.execute(sa.insert(found).values(**row | values).returning(found)).mappings().one())


def ago(**how: float) -> dt.datetime:
    """So long before the tests' now."""
    return TUESDAY - dt.timedelta(**how)


def really_ago(**how: float) -> dt.datetime:
    """So long before the wall's now."""
    return dt.datetime.now(dt.UTC) - dt.timedelta(**how)


def _must_be_given(column: sa.Column[Any]) -> bool:
    return not column.nullable and column.server_default is None and column.identity is None


def _filler(column: sa.Column[Any]) -> Any:
    known = {"campaign": UNIT.campaign, "cohort_on": UNIT.day, "currency": "usd", "kind": "sale"}
    if column.name in known:
        return known[column.name]
    kind = column.type
    if isinstance(kind, sa.Uuid):
        return uuid.uuid4()
    if isinstance(kind, sa.LargeBinary):
        return b"\x01"
    if isinstance(kind, sa.DateTime):
        return TUESDAY
    if isinstance(kind, sa.Date):
        return TUESDAY.date()
    if isinstance(kind, sa.Integer | sa.Numeric):
        return 1
    if isinstance(kind, sa.Boolean):
        return False
    if isinstance(kind, sa.JSON):
        return {}
    if isinstance(kind, sa.ARRAY):
        return []
    return uuid.uuid4().hex
