"""Writes config/zip_codes.tsv.gz, the US ZIP codes in use, from the zipcodes package: ``python ci/zip_codes.py``.

The package takes more than a second of a processor to unpack what it knows, in every process that asks where a place is; this table
takes a tenth of that. A test compares the two, so a newer package says so.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path

TABLE = Path(__file__).resolve().parent.parent / "config" / "zip_codes.tsv.gz"
COLUMNS = ("zip_code", "zip_code_type", "city", "county", "state", "country", "timezone", "lat", "long")


def lines() -> list[str]:
    """One line for each ZIP code in use, in order: its columns and, last, its area codes with a space between."""
    import zipcodes

    rows = sorted((row for row in zipcodes.list_all() if row["active"]), key=lambda row: str(row["zip_code"]))
    return [
        "\t".join([*(str(row[column] or "") for column in COLUMNS), " ".join(row["area_codes"] or ())]) for row in rows
    ]


def main() -> None:
    """Writes the table; the same bytes for the same package."""
    written = io.BytesIO()
    with gzip.GzipFile(fileobj=written, mode="wb", compresslevel=9, mtime=0) as packed:
        packed.write(("\n".join(lines()) + "\n").encode())
    TABLE.write_bytes(written.getvalue())
    print(f"{TABLE}: {len(written.getvalue())} bytes")


if __name__ == "__main__":
    main()
