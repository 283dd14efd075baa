"""How commands speak: one console for people, one JSON document for programs, one exit for expected errors."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import typer
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.rule import Rule
from rich.table import Table as RichTable
from rich.text import Text

_ANY_WIDTH = 10_000

console = Console(highlight=False, markup=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


class Table(RichTable):
    """A table of which no word is broken: where the window is too narrow for its longest words, each row is told as a record.

    An id that is cut, or folded over five lines, can neither be read nor copied; ``psql`` does the same with ``\\x auto``.
    """

    def add_column(self, *header: Any, **how: Any) -> None:
        """A column as rich has it, folded unless told otherwise."""
        super().add_column(*header, **{"overflow": "fold", **how})

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table, or one record below the other where it does not fit."""
        if not self.columns or not self.show_header or self._fits(console, options):
            yield from super().__rich_console__(console, options)
            return
        if self.title:
            yield self.title
        for number, cells in enumerate(zip(*(column.cells for column in self.columns), strict=True), start=1):
            record = RichTable.grid(padding=(0, 2, 0, 0))
            record.add_column(no_wrap=True, style="bold")
            record.add_column(overflow="fold")
            for column, cell in zip(self.columns, cells, strict=True):
                record.add_row(column.header, cell)
            yield Rule(f"{number} of {self.row_count}", align="left", style="dim")
            yield record
        if self.caption:
            yield self.caption

    def _fits(self, console: Console, options: ConsoleOptions) -> bool:
        """Whether every column has room for its longest word; where not all have room for all they say, what is left goes to those.

        Rich would take from all alike, and break a word beside a column that has room to spare.
        """
        wide = options.update_width(_ANY_WIDTH)
        fewest, most, words = [], [], []
        for column in self.columns:
            cells = [Measurement.get(console, wide, cell) for cell in (column.header, *column.cells)]
            words.append(max(cell.minimum for cell in cells))
            most.append(max(cell.maximum for cell in cells))
            fewest.append(most[-1] if column.no_wrap else words[-1])
        frame = self.__rich_measure__(console, wide).minimum - sum(words)
        left, wanted = options.max_width - frame - sum(fewest), sum(most) - sum(fewest)
        if 0 <= left < wanted:
            for column, least, full in zip(self.columns, fewest, most, strict=True):
                column.width = least + (full - least) * left // wanted
        return left >= 0


class CommandError(Exception):
    """Something that the operator can mend; the message names the field, the value and the remedy."""


def paint(style: str, text: object) -> Text:
    """A word in a colour. What is printed is never read as markup: a reason, a name or a statement may hold brackets."""
    return Text(str(text), style=style)


def as_json(figures: Any) -> None:
    """Prints one JSON document, nothing else, on standard output."""
    print(json.dumps(figures, indent=2, default=str, ensure_ascii=False))


def fail(message: str, *, code: int = 1) -> NoReturn:
    """Prints ``message`` on standard error and exits with ``code``."""
    errors.print(paint("bold red", "error:"), message)
    raise typer.Exit(code)


def dollars(microusd: int | None) -> str:
    """Millionths of a dollar as a price, or a dash when unknown."""
    return "–" if microusd is None else f"${microusd / 1_000_000:,.2f}"
