"""Reads the operator's files row by row: CSV of any usual delimiter and encoding, or Parquet. What is wrong is said by place."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from leadfactory.d02_sourcing.sourcing_rules import rules

# Letters; a longer line is no list of businesses, and would be in memory before it could be judged.
LONGEST_LINE = 4_000_000
DELIMITERS = (",", ";", "\t", "|")
TOO_LONG = object()  # instead of a value that is not taken into memory
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class FileRefused(ValueError):
    """A file that cannot be imported; the message names the file, the place and the remedy."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A file as it was found: its digest, its columns, and our field → its column."""

    path: Path
    sha256: str
    kind: str
    encoding: str
    delimiter: str
    columns: Mapping[str, str]


def open_source(path: Path, *, mapping: Mapping[str, str], encoding: str | None = None) -> Source:
    """Looks at a file: that it is there, readable, not empty, and which column is which field.

    Args:
        mapping: our field → the file's column; other fields are found by their heading.
        encoding: of a CSV file; found out when left out.

    Raises:
        FileRefused: names what is wrong and what to do.
    """
    if path.is_dir():
        raise FileRefused(f"{path} is a folder: give the path of a CSV or Parquet file")
    if not path.is_file():
        raise FileRefused(f"{path}: there is no such file: give the path of a CSV or Parquet file")
    size = path.stat().st_size
    if size == 0:
        raise FileRefused(f"{path} is empty: it needs a heading and one line per business")
    if size > rules().imports.most_bytes:
        raise FileRefused(f"{path} has {size} bytes, more than imports.most_bytes in config/sourcing.yaml: split it")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(4)
        while chunk := file.read(1 << 20):
            digest.update(head + chunk)
            head = b""
        digest.update(head)
    with path.open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    if parquet:
        kind, found_encoding, delimiter, headings = "parquet", "", "", _parquet_headings(path)
    else:
        kind, found_encoding = "csv", encoding or _encoding_of(path)
        delimiter, headings = _csv_headings(path, found_encoding)
    return Source(path, digest.hexdigest(), kind, found_encoding, delimiter, columns_of(headings, mapping, path.name))


def rows(source: Source) -> Iterator[tuple[int, dict[str, str], str | None]]:
    """Every record: its line (the heading is 1), field → text, and what is wrong with its shape, or None.

    Raises:
        FileRefused: when the file cannot be read on.
    """
    for line, row, wrong in _parquet_rows(source) if source.kind == "parquet" else _csv_rows(source):
        zero = next((field for field, cell in row.items() if "\x00" in cell), None)
        yield line, row, wrong or (zero and f"holds a zero byte in its {zero}: write that cell again")


def columns_of(headings: list[str], mapping: Mapping[str, str], name: str) -> dict[str, str]:
    """Our field → the file's column: what was mapped, then what the headings say.

    Raises:
        FileRefused: for an unknown field or column, a column used twice, or no column for the name.
    """
    known = rules().imports.headings
    for field, column in mapping.items():
        if field not in known:
            raise FileRefused(f"--map {field}={column}: {field!r} is no field: choose from {', '.join(sorted(known))}")
        if column not in headings:
            raise FileRefused(f"--map {field}={column}: {name} has no column {column!r}; it has {', '.join(headings)}")
    found = dict(mapping)
    for field, names in known.items():
        if field not in found:
            same = [heading for heading in headings if _bare(heading) in names and heading not in found.values()]
            if same:
                found[field] = min(same, key=lambda heading: names.index(_bare(heading)))
    if "name" not in found:
        raise FileRefused(
            f"{name}: no column is the name of the business; say which with --map name=COLUMN; it has {', '.join(headings)}"
        )
    return found


def _bare(heading: str) -> str:
    return re.sub(r"[^\w]|_", "", heading.casefold().replace("ß", "ss"))


def _encoding_of(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
        for bom, name in _BOMS:
            if start.startswith(bom):
                return name
        file.seek(0)
        decoder, read = codecs.getincrementaldecoder("utf-8")(), 0
        while chunk := file.read(1 << 20):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise FileRefused(
                    f"{path} is not UTF-8: byte {chunk[error.start : error.start + 1]!r} near position {read + error.start}; say what it "
                    "is, for example --encoding cp1252 (Excel on Windows) or latin-1"
                ) from None
            read += len(chunk)
    return "utf-8"


def _text(path: Path, encoding: str) -> io.TextIOWrapper:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise FileRefused(f"--encoding {encoding}: no such encoding; try utf-8, cp1252, latin-1 or utf-16") from None
    return path.open(encoding=encoding, newline="")


def _csv_headings(path: Path, encoding: str) -> tuple[str, list[str]]:
    with _text(path, encoding) as file:
        try:
            first = next((line for line in _lines(file, path) if line.strip()), "")
        except UnicodeError as error:
            raise FileRefused(f"{path} is not {encoding} ({error}): choose another --encoding") from None
    if "\x00" in first:
        raise FileRefused(f"{path} holds zero bytes: it is no CSV; save it as CSV or Parquet")
    bare = re.sub(r'"[^"]*"', "", first)
    delimiter = max(DELIMITERS, key=bare.count)
    headings = [heading.strip() for heading in next(csv.reader([first], delimiter=delimiter), [])]
    if not any(headings):
        raise FileRefused(f"{path} has no heading: its first line must name the columns")
    twice = sorted({heading for heading in headings if heading and headings.count(heading) > 1})
    if twice:
        raise FileRefused(f"{path} has the column {', '.join(twice)} more than once: rename one")
    return delimiter, headings


def _csv_rows(source: Source) -> Iterator[tuple[int, dict[str, str], str | None]]:
    longest = rules().imports.longest_field
    csv.field_size_limit(1 << 24)
    with _text(source.path, source.encoding) as file:
        reader = csv.reader(_lines(file, source.path), delimiter=source.delimiter)
        headings: list[str] = []
        line = 1
        try:
            for record in reader:
                if not any(cell.strip() for cell in record):
                    line = reader.line_num + 1
                    continue
                if not headings:
                    headings, line = [cell.strip() for cell in record], reader.line_num + 1
                    continue
                at = dict(zip(headings, record, strict=False))
                wrong = None
                if len(record) != len(headings):
                    wrong = (
                        f"has {len(record)} fields, the heading has {len(headings)}: a quote or a delimiter is missing"
                    )
                elif any(len(cell) > longest for cell in record):
                    wrong = f"holds a field of more than {longest} letters: a quote is missing"
                yield line, {field: at.get(column, "").strip() for field, column in source.columns.items()}, wrong
                line = reader.line_num + 1
        except csv.Error as error:
            raise FileRefused(f"{source.path.name}, line {reader.line_num}: {error}; nothing was imported") from None
        except UnicodeError as error:
            raise FileRefused(
                f"{source.path.name}, after line {reader.line_num}: not {source.encoding} ({error}); nothing was imported"
            ) from None


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    """The lines of a file, each of a length that fits into memory."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise FileRefused(
                f"{path}, line {number} has more than {LONGEST_LINE:,} letters: it is no CSV of businesses"
            )
        yield line


def _parquet_headings(path: Path) -> list[str]:
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    limits = rules().imports
    try:
        told = pq.read_metadata(path)
        unpacked = sum(told.row_group(number).total_byte_size for number in range(told.num_row_groups))
        if told.num_rows > limits.most_rows:
            raise FileRefused(
                f"{path} has {told.num_rows} rows, more than imports.most_rows in config/sourcing.yaml: split it"
            )
        if unpacked > limits.most_bytes:
            raise FileRefused(
                f"{path} unpacks to {unpacked} bytes, more than imports.most_bytes in config/sourcing.yaml: split it"
            )
        return list(told.schema.to_arrow_schema().names)
    except (ArrowException, OSError) as error:
        raise FileRefused(
            f"{path} begins like Parquet and cannot be read ({str(error).splitlines()[0]}): write it again"
        ) from None


def _parquet_rows(source: Source) -> Iterator[tuple[int, dict[str, str], str | None]]:
    import pyarrow.parquet as pq

    number, longest = 1, rules().imports.longest_field
    columns = sorted(set(source.columns.values()))
    # A value that stands in every row is held once, as the file holds it: the rows of a small file may be many gigabytes.
    with pq.ParquetFile(source.path, read_dictionary=columns) as file:
        for batch in file.iter_batches(batch_size=5_000, columns=columns):
            cells = {name: _short(batch.column(name), longest) for name in columns}
            for at in range(batch.num_rows):
                number += 1
                record = {name: of[at] for name, of in cells.items()}
                wrong = f"holds a field of more than {longest} letters: split it or leave the column out"
                yield (
                    number,
                    {
                        field: "" if (cell := record[column]) is TOO_LONG else _cell(cell)
                        for field, column in source.columns.items()
                    },
                    wrong if any(cell is TOO_LONG for cell in record.values()) else None,
                )


def _short(column: Any, longest: int) -> list[Any]:
    """The values of a column; TOO_LONG instead of a text that is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        values = _short(column.dictionary, longest)
        return [None if at is None else values[at] for at in column.indices.to_pylist()]
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_binary(column.type):
        long = pc.fill_null(pc.greater(pc.binary_length(column), 4 * longest), False)
        if pc.any(long).as_py():
            kept = pc.if_else(long, pa.scalar(None, column.type), column).to_pylist()
            return [TOO_LONG if far else value for value, far in zip(kept, long.to_pylist(), strict=True)]
    found = column.to_pylist()
    return [TOO_LONG if isinstance(value, str) and len(value) > longest else value for value in found]


def _cell(value: Any) -> str:
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # a ZIP code or a number that a spreadsheet made a float
    return str(value).strip()
