"""What the lake may hold, from config/lake_columns.yaml, and the Arrow type of each column."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path

import pyarrow as pa
import pydantic
import sqlalchemy as sa

from leadfactory import yaml_config
from leadfactory.tables import metadata

OF_THE_COHORT = ("campaign", "cohort_on")
WHOLE = ("_all", dt.date.min)  # where the manifest lists a registry's one file


class TablePolicy(pydantic.BaseModel):
    """The columns of one table that are exported, and those that are not, with the reason.

    - ``derive``: further text columns, each as SQL over the table's own columns: what of a column that stays may leave
    - ``via``: the table, with the shared column, that knows to which campaign-day a row belongs, where the row does not say it
    - ``only``: SQL that says which rows leave; all of them when it is not given
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    export: tuple[str, ...]
    leave: dict[str, str]
    derive: dict[str, str] = {}
    via: dict[str, str] = {}
    only: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the file, in its order."""
        return (*(OF_THE_COHORT if self.via else ()), *self.export, *self.derive)


class LakePolicy(pydantic.BaseModel):
    """config/lake_columns.yaml: tables by campaign-day, registries as one file each, and tables that stay in Postgres."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    as_of: dt.date
    tables: dict[str, TablePolicy]
    registries: dict[str, TablePolicy]
    never: dict[str, str]


@functools.lru_cache(maxsize=1)
def policy() -> LakePolicy:
    """The checked policy of this checkout."""
    return checked(metadata)


def checked(schema_of: sa.MetaData, path: Path | None = None) -> LakePolicy:
    """The policy, held against the tables that there are.

    Raises:
        ConfigError: when a table or a column is decided twice, not at all, or does not exist: a new one needs a decision.
    """
    found = yaml_config.load("lake_columns", LakePolicy, path)
    listed = {**found.tables, **found.registries}
    problems = _difference(
        "tables", [t.name for t in schema_of.tables.values()], [*found.tables, *found.registries, *found.never]
    )
    for name, rules in listed.items():
        if f"leadfactory.{name}" in schema_of.tables:
            have = [column.name for column in schema_of.tables[f"leadfactory.{name}"].columns]
            problems += _difference(name, have, [*rules.export, *rules.leave])
    if problems:
        raise yaml_config.ConfigError(
            f"config/lake_columns.yaml: decide about {'; '.join(problems)} "
            "(each column in export or in leave once, each table in tables, registries or never once)"
        )
    return found


def _difference(where: str, have: list[str], told: list[str]) -> list[str]:
    wrong = sorted((set(have) ^ set(told)) | {name for name in told if told.count(name) > 1})
    return [f"{where}: {', '.join(wrong)}"] if wrong else []


def table(name: str) -> sa.Table:
    """A table of the system of record by name."""
    return metadata.tables[f"leadfactory.{name}"]


def schema(name: str) -> pa.Schema:
    """The Arrow schema of the file of an exported table."""
    rules, source = rules_of(name), table(name)
    of_unit = {"campaign": pa.string(), "cohort_on": pa.date32()} if rules.via else {}
    fields = of_unit | {column: arrow_type(source.c[column]) for column in rules.export}
    return pa.schema(list((fields | dict.fromkeys(rules.derive, pa.string())).items()))


def rules_of(name: str) -> TablePolicy:
    """The policy of an exported table.

    Raises:
        KeyError: for a table that stays in Postgres.
    """
    found = policy()
    return found.tables[name] if name in found.tables else found.registries[name]


def selected(name: str) -> sa.Select:
    """The rows and columns of a table that may leave, in the order of its key; ``via`` joins the campaign-day."""
    rules, source = rules_of(name), table(name)
    derived = [sa.literal_column(expression).label(column) for column, expression in rules.derive.items()]
    chosen = [*(source.c[column] for column in rules.export), *derived]
    if rules.via:
        owner = cohort_owner(name)
        (shared,) = rules.via.values()
        query = sa.select(*(owner.c[column] for column in OF_THE_COHORT), *chosen).join_from(
            source, owner, source.c[shared] == owner.c[shared]
        )
    else:
        query = sa.select(*chosen)
    if rules.only:
        query = query.where(sa.text(rules.only))
    return query.order_by(*source.primary_key.columns)


def cohort_owner(name: str) -> sa.Table:
    """The table that knows the campaign-day of the rows of ``name``: itself, or the one of ``via``."""
    return table(next(iter(rules_of(name).via), name))


def arrow_type(column: sa.Column) -> pa.DataType:
    """Numbers as numbers, exact decimals, moments in UTC; ids as text.

    Raises:
        TypeError: for what has no typed place in the lake (bytes, JSON, arrays).
    """
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return pa.bool_()
    if isinstance(kind, sa.SmallInteger):
        return pa.int16()
    if isinstance(kind, sa.Integer):
        return pa.int64()
    if isinstance(kind, sa.Double):
        return pa.float64()
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
