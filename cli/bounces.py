"""`leadfactory bounces`: mail that came back to an SMTP relay's envelope sender, from a mailbox, a pipe or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.output import CommandError, as_json, console

app = typer.Typer(no_args_is_help=True, help="Bounces of the mailer smtp.")
LARGEST = 10 * 2**20


@app.command(epilog="Examples: leadfactory bounces take < message.eml   ·   leadfactory bounces take ~/Maildir/new")
def take(
    source: Annotated[
        Path | None, typer.Argument(help="A message, or a folder of them; the standard input when left out.")
    ] = None,
    recipient: Annotated[
        str | None, typer.Option(help="The address that it came to, when the mail server tells it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a line.")] = False,
) -> None:
    """Take returned mails: a dead address is suppressed at once, a passing failure is noted; the same mail again changes nothing."""
    from leadfactory import migrate
    from leadfactory.database import Database
    from leadfactory.inbox.receiving import Receiver
    from leadfactory.settings import settings

    migrate.upgrade(settings())
    db = Database.from_settings(settings())
    receiver = Receiver(db, settings(), settings().clock)
    counts = {"messages": 0, "about_a_send": 0, "new": 0, "suppressed": 0}
    try:
        for raw in _messages(source):
            taken = receiver.bounce(raw, recipient)
            counts["messages"] += 1
            counts["about_a_send"] += taken.events
            counts["new"] += taken.stored
            counts["suppressed"] += taken.suppressed
    finally:
        db.dispose()
    if json:
        as_json(counts)
    else:
        console.print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()))


def _messages(source: Path | None) -> Iterator[bytes]:
    if source is None:
        yield sys.stdin.buffer.read(LARGEST + 1)[:LARGEST]
        return
    if not source.exists():
        raise CommandError(f"{source} does not exist: name a message or a folder of messages")
    for path in sorted(each for each in source.iterdir() if each.is_file()) if source.is_dir() else [source]:
        with path.open("rb") as file:
            yield file.read(LARGEST)
