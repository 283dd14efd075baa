"""Every column that can hold words is declared: emptied by an erasure, or with the reason why it stays."""

from __future__ import annotations

from leadfactory.erasure.places import KEPT, NOT_PERSONAL, PERSONAL, listed
from leadfactory.erasure.remains import text_columns
from leadfactory.tables import metadata

TABLES = {table.name: table for table in metadata.sorted_tables}


def test_every_text_column_is_declared() -> None:
    undeclared = [
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in text_columns(table)
        if not listed(table.name, column.name)
    ]
    assert undeclared == [], "say in leadfactory/erasure/places.py what erasing a person does with them"


def test_every_declared_column_exists() -> None:
    told = [(place.table, name) for place in PERSONAL for name in place.columns]
    told += [(table, name) for table, names in NOT_PERSONAL.items() for name in names.split()]
    told += [tuple(name.split(".")) for name in KEPT if "." in name]
    assert [pair for pair in told if pair[0] not in TABLES or pair[1] not in TABLES[pair[0]].columns] == []


def test_no_column_is_declared_twice() -> None:
    emptied = {(place.table, name) for place in PERSONAL for name in place.columns}
    stays = {(table, name) for table, names in NOT_PERSONAL.items() for name in names.split()}
    assert emptied & stays == set()
