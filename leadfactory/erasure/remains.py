"""Whether anything of a person is left: every address in every text column, in the lake and in the warehouse, by its keyed hash."""

from __future__ import annotations

import re
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from leadfactory.d10_analytics import lake_files
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.settings import Settings
from leadfactory.tables import metadata

ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[\w.-]+\w", re.UNICODE)


def text_columns(table: sa.Table) -> list[sa.Column]:
    """The columns that can hold words."""
    kinds = (sa.Text, sa.String, sa.JSON, postgresql.JSONB, sa.ARRAY)
    return [column for column in table.columns if isinstance(column.type, kinds)]


def is_of(text: str, hashes: KeyedHashes, wanted: Collection[bytes]) -> bool:
    """Whether one of the addresses in ``text`` has one of these hashes."""
    return any(
        hashes.address(found) in wanted or hashes.address_plus_stripped(found) in wanted
        for found in set(ADDRESS.findall(text))
    )


def look(
    tx: sa.Connection, hashes: KeyedHashes, wanted: Collection[bytes], settings: Settings
) -> tuple[dict[str, int], list[str]]:
    """How much was looked at, and where the person still is, as table.column, lake file or warehouse table."""
    left, columns = [], 0
    for table in metadata.sorted_tables:
        for column in text_columns(table):
            columns += 1
            words = sa.cast(column, sa.Text)
            if any(is_of(row, hashes, wanted) for row in tx.scalars(sa.select(words).where(words.contains("@")))):
                left.append(f"{table.name}.{column.name}")
    files, in_lake = _lake(hashes, wanted, settings)
    tables, in_warehouse = _warehouse(hashes, wanted, settings)
    return {"columns": columns, "lake_files": files, "warehouse_tables": tables}, [*left, *in_lake, *in_warehouse]


def _lake(hashes: KeyedHashes, wanted: Collection[bytes], settings: Settings) -> tuple[int, list[str]]:
    """Every Parquet file of the lake, wherever it is: a folder of this machine or an object store."""
    import fsspec
    import pyarrow.parquet as pq

    local = lake_files.folder(settings.lake)
    filesystem, base = fsspec.core.url_to_fs(str(local) if local is not None else settings.lake)
    paths = sorted(path for path in filesystem.find(base) if path.endswith(".parquet"))
    left = []
    for path in paths:
        with filesystem.open(path, "rb") as source:
            rows = pq.read_table(source).to_pylist()
        if any(is_of(str(row), hashes, wanted) for row in rows):
            left.append(f"lake {path.removeprefix(base).lstrip('/')}")
    return len(paths), left


def _warehouse(hashes: KeyedHashes, wanted: Collection[bytes], settings: Settings) -> tuple[int, list[str]]:
    if not settings.warehouse.is_file():
        return 0, []
    import duckdb

    left = []
    with duckdb.connect(str(settings.warehouse), read_only=True) as warehouse:
        tables = warehouse.execute("SELECT table_schema, table_name FROM information_schema.tables").fetchall()
        for schema, name in tables:
            rows = warehouse.execute(f'SELECT t::VARCHAR FROM "{schema}"."{name}" t').fetchall()  # noqa: S608
            if any(is_of(row[0] or "", hashes, wanted) for row in rows):
                left.append(f"warehouse {schema}.{name}")
    return len(tables), left
