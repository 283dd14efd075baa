"""Reading the published marts: one version at a time, never a write, no way to other files; and results as CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import io
import json
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
            return pa.table({}) if found is None else found.to_arrow_table()
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
        return (json.dumps(rows.to_pylist(), indent=2, default=_plain, ensure_ascii=False) + "\n").encode()
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


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else str(value)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else value
