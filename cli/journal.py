"""`leadfactory replay-journal`: after a restore, what was perhaps sent since the backup becomes unknown and is never sent again."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Annotated

import typer

from cli.output import CommandError, as_json, console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def register(app: typer.Typer) -> None:
    """Adds the command to ``app``."""
    app.command(
        "replay-journal",
        epilog="Examples: leadfactory replay-journal --dry-run   ·   leadfactory replay-journal --since=2026-10-06T12:00+00:00",
    )(replay)


def replay(
    since: Annotated[str | None, typer.Option(help="Only what was claimed since; everything when left out.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Bring the ledger of sends up to the send journal. Can be run again; what the ledger knows is left alone."""
    from cli.campaigns import system_of_record
    from leadfactory.d09_delivery import replaying
    from leadfactory.inbox import audit
    from leadfactory.settings import settings

    config = settings()
    try:
        moment = None if since is None else dt.datetime.fromisoformat(since)
    except ValueError:
        raise CommandError(f"--since={since!r} is no time: write 2026-10-06 or 2026-10-06T15:00+00:00") from None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    with system_of_record() as db:
        found = replaying.replay(db, config.journal, config.clock.now(), since=moment, dry_run=dry_run)
        if not dry_run:
            with db.begin() as tx:
                audit.note(tx, "operator", "replay_journal", config.clock.now(), counts=found.counts)
    if json:
        as_json(dataclasses.asdict(found) | {"dry_run": dry_run})
        return
    verb = "would be" if dry_run else "are"
    console.print(f"{found.counts.get('known', 0)} sends of the journal are in the ledger, {found.counts.get('forgotten', 0)} {verb} unknown that were planned, {found.counts.get('new', 0)} {verb} unknown that had no row")  # fmt: skip
    for each in found.incomplete:
        console.print(f"{each}: the journal holds its recipient's hash only; nobody {verb} written to there within the cooldown")  # fmt: skip
