"""Columns are named as docs/naming.md says."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.tables import metadata

COLUMNS = [column for table in metadata.sorted_tables for column in table.columns]
COUNTED_BY_MINUTE = {"auth_failures.minute", "webhook_refusals.minute"}


def _named(kind: type[sa.types.TypeEngine[object]]) -> dict[str, str]:
    return {f"{column.table.name}.{column.name}": column.name for column in COLUMNS if isinstance(column.type, kind)}


def test_times_say_that_they_are_times() -> None:
    times = _named(sa.DateTime)
    wrong = [full for full, name in times.items() if not name.endswith(("_at", "_until", "_to"))]
    assert set(wrong) == COUNTED_BY_MINUTE


def test_every_time_has_a_zone() -> None:
    assert [
        str(column) for column in COLUMNS if isinstance(column.type, sa.DateTime) and not column.type.timezone
    ] == []


def test_days_say_that_they_are_days() -> None:
    days = _named(sa.Date)
    assert len(days) > 20
    assert [full for full, name in days.items() if not name.endswith("_on")] == []


def test_what_is_named_a_time_or_a_day_is_one() -> None:
    kinds = {"_at": sa.DateTime, "_on": sa.Date}
    wrong = [
        str(column)
        for column in COLUMNS
        for end, kind in kinds.items()
        if column.name.endswith(end) and not isinstance(column.type, kind)
    ]
    assert wrong == []


def test_money_is_whole_numbers() -> None:
    money = [column for column in COLUMNS if column.name.endswith(("_cents", "_microusd"))]
    assert len(money) > 10
    assert [str(column) for column in money if not isinstance(column.type, sa.Integer)] == []
