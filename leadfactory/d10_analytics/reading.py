"""Reading the published marts: one version at a time, never a write, no way to other files; and results as CSV, JSON or Parquet."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import datetime as dt
import decimal
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadfactory.settings import Settings

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

FORMATS = ("csv", "json", "parquet")


class NothingPublished(LookupError):
    """No marts were published yet; the message says how they come to be."""


class RefusedQuery(ValueError):
    """A statement that DuckDB refuses, in its words."""


@dataclasses.dataclass(frozen=True)
class Build:
    """Which build a result is from."""

    build_id: str
    built_at: dt.datetime
    lake_manifest_sha256: str

    def whole(self, day: dt.date) -> bool:
        """Whether ``day`` (UTC) was over when the marts were built."""
        return self.built_at >= dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), tzinfo=dt.UTC)

    def sentence(self, now: dt.datetime) -> str:
        """Build and age in words."""
        hours = (now - self.built_at).total_seconds() / 3600
        return f"marts {self.build_id}, built {self.built_at:%Y-%m-%d %H:%M} UTC ({hours:.1f} h ago), lake {self.lake_manifest_sha256[:12]}"


class Marts:
    """The published marts, open for reading until ``close``; later publications are not seen."""

    def __init__(self, settings: Settings) -> None:
        """Opens the published file.

        Raises:
            NothingPublished: when there is none.
        """
        import duckdb

        if not settings.warehouse.is_file():
            raise NothingPublished(
                f"no marts are published at {settings.warehouse}: run the jobs lake and marts in the UI, or `make demo`"
            )
        self._open: duckdb.DuckDBPyConnection = duckdb.connect(
            str(settings.warehouse), read_only=True, config={"enable_external_access": "false"}
        )
        self._open.execute("SET TimeZone = 'UTC'")
        self._open.execute("SET schema = 'marts'")
        self._open.execute("SET lock_configuration = true")
        (row,) = self._open.execute("SELECT build_id, epoch_us(built_at), lake_manifest_sha256 FROM version").fetchall()
        self.build = Build(row[0], dt.datetime.fromtimestamp(row[1] / 1e6, dt.UTC), row[2])

    def ask(self, query: str, parameters: list[Any] | None = None) -> pa.Table:
        """The result of one statement.

        Raises:
            RefusedQuery: with what DuckDB says.
        """
        import duckdb
        import pyarrow as pa

        try:
            found = self._open.sql(query, params=parameters)
            return pa.table({}) if found is None else _plain_sums(found.to_arrow_table())
        except duckdb.CatalogException as error:
            if "Table with name" not in str(error):
                raise RefusedQuery(str(error)) from None
            said = str(error).splitlines()[0]  # what DuckDB proposes next is often a catalog of its own
            raise RefusedQuery(f"{said} There are {', '.join(self.tables())}") from None
        except duckdb.Error as error:
            raise RefusedQuery(str(error)) from None

    def tables(self) -> dict[str, list[str]]:
        """Every table with its columns."""
        found = self.ask(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'marts' ORDER BY 1, column_index"
        )
        listed: dict[str, list[str]] = {}
        for row in found.to_pylist():
            listed.setdefault(row["table_name"], []).append(row["column_name"])
        return listed

    def close(self) -> None:
        """Lets go of the file."""
        self._open.close()

    def __enter__(self) -> Marts:
        return self

    def __exit__(self, *left: object) -> None:
        self.close()


def written(rows: pa.Table, kind: str) -> bytes:
    """The rows as a file: CSV with a header (NULL is empty), a JSON array of objects, or Parquet.

    Raises:
        ValueError: for another kind.
    """
    if kind == "parquet":
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        pq.write_table(rows, sink, compression="zstd")
        return sink.getvalue()
    if kind == "json":
        found = [{name: _number(value) for name, value in row.items()} for row in rows.to_pylist()]
        return (json.dumps(found, indent=2, default=_plain, ensure_ascii=False) + "\n").encode()
    if kind != "csv":
        raise ValueError(f"format {kind!r} is unknown: choose one of {', '.join(FORMATS)}")
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(rows.column_names)
    sheet.writerows([_cell(value) for value in row.values()] for row in rows.to_pylist())
    return text.getvalue().encode()


def save(rows: pa.Table, kind: str, target: Path) -> None:
    """Writes the rows to ``target``, whole or not at all.

    Raises:
        OSError: when it cannot be written.
    """
    beside = target.with_name(f".{target.name}.new")
    beside.write_bytes(written(rows, kind))
    beside.replace(target)


def _plain_sums(rows: pa.Table) -> pa.Table:
    """Sums of integers, which DuckDB makes 128 bits wide, as the integers of 64 bits that they fit in: numbers everywhere."""
    import pyarrow as pa

    for index, field in enumerate(rows.schema):
        if pa.types.is_decimal(field.type) and (field.type.precision, field.type.scale) == (38, 0):
            with contextlib.suppress(pa.ArrowInvalid):  # larger than that: it stays as it is
                rows = rows.set_column(index, field.name, rows.column(index).cast(pa.int64()))
    return rows


def _number(value: Any) -> Any:
    """A value as JSON has it: a decimal is a number, what is no number is null."""
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else str(value)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else value
