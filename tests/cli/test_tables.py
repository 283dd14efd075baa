"""Tables of commands in wide and narrow windows."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from cli.output import Table

IDS = ("2803a1d1-5f4c-4f62-9486-7d4a18da677c", "3f9f3541-d6cd-4a67-afeb-2827700b55f3")


def printed(width: int) -> str:
    """A table of one purchase and its business in a window of ``width`` letters."""
    window = Console(file=StringIO(), width=width)
    table = Table("purchase", "business", "state", title="purchases")
    table.add_row(*IDS, "paid")
    window.print(table)
    assert isinstance(window.file, StringIO)
    return window.file.getvalue()


@pytest.mark.parametrize("width", [100, 80, 60])
def test_an_id_is_never_broken_however_narrow_the_window(width: int) -> None:
    assert all(one in printed(width) for one in IDS)


def test_a_row_that_does_not_fit_is_told_as_a_record() -> None:
    told = [line.split() for line in printed(80).splitlines()]

    assert [*told[0], *told[2], *told[4]] == ["purchases", "purchase", IDS[0], "state", "paid"]


def test_a_table_that_fits_keeps_its_columns() -> None:
    assert f"{IDS[0]} │ {IDS[1]} │ paid" in printed(100)


def test_no_word_is_broken_beside_a_column_that_has_room_to_spare() -> None:
    window = Console(file=StringIO(), width=60)
    table = Table("vendor", "resets", "what it says")
    table.add_row(
        "pagespeed", "2026-11-30 18:16:45 UTC", "a sentence that is long enough to want all the room there is"
    )
    window.print(table)
    assert isinstance(window.file, StringIO)
    assert {"2026-11-30", "pagespeed", "sentence"} <= set(window.file.getvalue().split())
