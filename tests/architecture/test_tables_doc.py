"""docs/tables.md says of every table what it is, and says it as the schema and the assets do."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from leadfactory.roles import WITHHELD
from leadfactory.tables import metadata

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `(?P<table>\w+)` \|(?P<rest>.+)\|$", re.MULTILINE)
KINDS = {"asset", "part", "registry", "ledger", "state"}
MODES = {"replace", "fill", "claim", "fold", "append", "upsert"}


@dataclasses.dataclass(frozen=True)
class Told:
    """One row of the page."""

    table: str
    kind: str
    partitioned: str
    mode: str
    writer: str
    trigger: str


def page() -> list[Told]:
    text = (ROOT / "docs" / "tables.md").read_text()
    return [Told(each["table"], *(cell.strip(" `") for cell in each["rest"].split("|"))) for each in ROW.finditer(text)]


def declared_modes() -> dict[str, str]:
    """Asset → write mode, as the wiring declares them in its source: the decorator's second argument, or the tag of those
    without partitions that show a table."""
    found = {}
    tables = {table.name for table in metadata.sorted_tables}
    for path in sorted((ROOT / "leadfactory_assets").glob("d*.py")):
        for match in re.finditer(r'@cohort_asset\(\s*"\w+",\s*"(\w+)".*?\ndef (\w+)\(', path.read_text(), re.DOTALL):
            found[match[2]] = match[1]
        for match in re.finditer(r'@dg\.asset\(.*?WRITE_TAG: "(\w+)".*?\ndef (\w+)\(', path.read_text(), re.DOTALL):
            if match[2] in tables:
                found[match[2]] = match[1]
    return found


def test_the_page_has_every_table_once() -> None:
    assert sorted(each.table for each in page()) == sorted(table.name for table in metadata.sorted_tables)


@pytest.mark.parametrize("told", page(), ids=lambda told: told.table)
def test_a_table_is_partitioned_as_told(told: Told) -> None:
    columns = metadata.tables[f"leadfactory.{told.table}"].columns
    is_cohort = all(name in columns and not columns[name].nullable for name in ("campaign", "cohort_on"))
    assert told.partitioned == ("cohort" if is_cohort else "no")


@pytest.mark.parametrize("told", page(), ids=lambda told: told.table)
def test_a_table_is_described_in_known_words(told: Told) -> None:
    assert told.kind in KINDS
    assert told.mode in MODES
    assert told.trigger
    assert (
        any((ROOT / place / told.writer).is_dir() for place in ("leadfactory", "."))
        or (ROOT / "leadfactory" / f"{told.writer}.py").is_file()
    )


def test_assets_are_told_with_the_write_mode_that_they_declare() -> None:
    assert {each.table: each.mode for each in page() if each.kind == "asset"} == declared_modes()


def test_every_table_says_what_one_row_means() -> None:
    assert [table.name for table in metadata.sorted_tables if not table.comment] == []


def test_histories_whose_rows_may_not_change_are_told_as_append() -> None:
    closed = {table for table, rights in WITHHELD.items() if "UPDATE" in rights and table != "alembic_version"}
    assert {each.table for each in page() if each.table in closed and each.mode == "append"} == closed
