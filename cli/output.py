"""How commands speak: one console for people, one JSON document for programs, one exit for expected errors."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table as RichTable

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


class Table(RichTable):
    """A table whose cells fold where the window is narrow: an id that ends in dots cannot be copied."""

    def add_column(self, *header: Any, **how: Any) -> None:
        """A column as rich has it, folded unless told otherwise."""
        super().add_column(*header, **{"overflow": "fold", **how})


class CommandError(Exception):
    """Something that the operator can mend; the message names the field, the value and the remedy."""


def as_json(figures: Any) -> None:
    """Prints one JSON document, nothing else, on standard output."""
    print(json.dumps(figures, indent=2, default=str, ensure_ascii=False))


def fail(message: str, *, code: int = 1) -> NoReturn:
    """Prints ``message`` on standard error and exits with ``code``."""
    errors.print(f"[bold red]error:[/] {message}", soft_wrap=True)
    raise typer.Exit(code)


def dollars(microusd: int | None) -> str:
    """Millionths of a dollar as a price, or a dash when unknown."""
    return "–" if microusd is None else f"${microusd / 1_000_000:,.2f}"
