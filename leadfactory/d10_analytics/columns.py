"""What the lake may hold, from config/lake_columns.yaml, and the Arrow type of each column."""

from __future__ import annotations

import datetime as dt
import functools

import pyarrow as pa
import pydantic
import sqlalchemy as sa

from leadfactory import yaml_config
from leadfactory.tables import metadata


class TablePolicy(pydantic.BaseModel):
    """The columns of one table that are exported, and those that are not, with the reason."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    export: tuple[str, ...]
    leave: dict[str, str]


class LakePolicy(pydantic.BaseModel):
    """config/lake_columns.yaml: tables by campaign-day, registries as one file each."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    as_of: dt.date
    tables: dict[str, TablePolicy]
    registries: dict[str, TablePolicy]


@functools.lru_cache(maxsize=1)
def policy() -> LakePolicy:
    """The checked policy.

    Raises:
        ConfigError: when a column of a listed table is in neither list, in both, or does not exist: a new column needs a decision.
    """
    found = yaml_config.load("lake_columns", LakePolicy)
    for name, rules in {**found.tables, **found.registries}.items():
        have = {column.name for column in table(name).columns}
        told = [*rules.export, *rules.leave]
        wrong = sorted((have - set(told)) | (set(told) - have) | {c for c in told if told.count(c) > 1})
        if wrong:
            raise yaml_config.ConfigError(
                f"config/lake_columns.yaml: {name}: decide about {', '.join(wrong)} (each column in export or in leave, once)"
            )
    return found


def table(name: str) -> sa.Table:
    """A table of the system of record by name."""
    return metadata.tables[f"leadfactory.{name}"]


def schema(name: str, columns: tuple[str, ...]) -> pa.Schema:
    """The Arrow schema of the exported columns."""
    return pa.schema([pa.field(column, _arrow(table(name).c[column])) for column in columns])


def _arrow(column: sa.Column) -> pa.DataType:
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return pa.bool_()
    if isinstance(kind, sa.SmallInteger):
        return pa.int16()
    if isinstance(kind, sa.Integer):
        return pa.int64()
    if isinstance(kind, sa.Numeric):
        return pa.decimal128(kind.precision or 18, kind.scale or 0)
    if isinstance(kind, sa.TIMESTAMP):
        return pa.timestamp("us", tz="UTC")
    if isinstance(kind, sa.Date):
        return pa.date32()
    if isinstance(kind, sa.Uuid | sa.Text):
        return pa.string()
    raise TypeError(
        f"column {column} of type {kind} has no place in the lake: leave it out in config/lake_columns.yaml"
    )
