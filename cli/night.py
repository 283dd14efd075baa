"""`leadfactory night`: what a night did, as it also goes to Slack and mail when the night is over."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Annotated

import typer

from cli.output import as_json, console


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog="Examples: leadfactory night   ·   leadfactory night --date 2026-10-06 --json")(night)


def night(
    date: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The night of this day, 02:00 UTC; today's when left out.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:  # fmt: skip
    """Review a night: each campaign-day with state, counts, spend, what was put off or failed and why, runs, and alerts."""
    from cli.stores import reading
    from leadfactory.monitoring import night as nights
    from leadfactory.settings import settings

    config = settings()
    day = date.date() if date else config.clock.today()
    with reading() as tx:
        found = nights.review(tx, day, config)
    if json:
        as_json(dataclasses.asdict(found) | {"finished": found.finished})
    else:
        console.print(nights.text(found))
