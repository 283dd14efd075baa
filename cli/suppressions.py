"""`leadfactory poll-suppressions`: SendGrid's own suppression lists, read now instead of at the next tick of the schedule."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Annotated, Any

import typer

from cli.output import CommandError, as_json, console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def register(app: typer.Typer) -> None:
    """Adds the command to ``app``."""
    app.command(
        "poll-suppressions",
        epilog="Examples: leadfactory poll-suppressions --dry-run   ·   leadfactory poll-suppressions --json",
    )(poll)


def poll(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what differs; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Take over what SendGrid's suppression lists know and no event told us, then name what still differs; exit code 1 if anything does."""
    found, differences = asyncio.run(_ask(dry_run))
    if json:
        as_json({"polled": found, "differences": differences, "dry_run": dry_run})
    else:
        if found is not None:
            console.print(f"{found['listed']} entries, {found['unheard']} that no event told of, {found['suppressed']} suppressed by it")  # fmt: skip
        for each in differences:
            console.print(f"{each['name']}  {each['what']}  {each['told']}")
        console.print(f"{len(differences)} differences" if differences else "the lists, the events and our suppressions agree")  # fmt: skip
    if differences:
        raise typer.Exit(1)


async def _ask(dry_run: bool) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    from cli.campaigns import system_of_record
    from leadfactory.d00_gateway.errors import VendorError
    from leadfactory.d00_gateway.gateway import Gateway
    from leadfactory.d00_gateway.sendgrid import SendGridClient
    from leadfactory.d09_delivery import folding, list_polling
    from leadfactory.settings import settings

    config = settings()
    with system_of_record() as db:
        sendgrid = SendGridClient(Gateway(db, clock=config.clock, settings=config), config)
        found = None
        try:
            if not dry_run:
                done = await list_polling.poll(db=db, clock=config.clock, settings=config, sendgrid=sendgrid)
                found = dataclasses.asdict(done)
                folding.drain(db=db, clock=config.clock)
            differs = await list_polling.differences(db=db, clock=config.clock, settings=config, sendgrid=sendgrid)
        except VendorError as error:
            raise CommandError(f"SendGrid's lists could not be read: {error}") from None
    return found, [dataclasses.asdict(each) for each in differs]
