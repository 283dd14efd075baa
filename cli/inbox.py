"""`leadfactory inbox` and `leadfactory sends`: what vendors told us, and why somebody was mailed or not."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any

import typer

from cli.output import CommandError, Table, as_json, console, paint
from cli.stores import database, reading

app = typer.Typer(no_args_is_help=True, help="Webhook events: list, show, replay.")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Since = Annotated[str | None, typer.Option(help="Received from here on, as 2026-10-06 or 2026-10-06T15:00+00:00.")]
Before = Annotated[str | None, typer.Option(help="Received before this.")]
Source = Annotated[str | None, typer.Option(help="sendgrid, smtp or stripe.")]
Kind = Annotated[str | None, typer.Option("--type", help="The vendor's event type, for example delivered.")]
State = Annotated[str | None, typer.Option(help="waiting, folded, unmatched, kept or quarantined.")]


@app.command("list", epilog="Example: leadfactory inbox list --state=quarantined --since=2026-10-06")
def list_events(
    since: Since = None,
    before: Before = None,
    source: Source = None,
    kind: Kind = None,
    state: State = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many rows.")] = 50,
    json: Json = False,
) -> None:
    """List events, the newest first, and count them by state."""
    from leadfactory.inbox import browsing

    chosen = _filter(since, before, source, kind, state)
    with reading() as tx:
        rows, by_state = browsing.found(tx, chosen, limit=limit), browsing.counts(tx, chosen)
    if json:
        as_json({"counts": by_state, "events": rows})
        return
    _table(rows, ("inbox_id", "source", "kind", "state", "reason", "received_at", "send_id"))
    console.print(", ".join(f"{count} {name}" for name, count in by_state.items()) or "no events")


@app.command(epilog="Example: leadfactory inbox show 42 --json")
def show(inbox_id: Annotated[int, typer.Argument(help="The id that `inbox list` prints.")], json: Json = False) -> None:
    """Show one event with its content; addresses are kept as hashes only."""
    from leadfactory.inbox import browsing

    with reading() as tx:
        found = browsing.shown(tx, inbox_id)
    if json:
        as_json(found)
    else:
        for name, value in found.items():
            console.print(paint("bold", name), str(value), sep="  ")


@app.command(epilog="Example: leadfactory inbox replay --state=unmatched --since=2026-10-06 --dry-run")
def replay(
    since: Since = None,
    before: Before = None,
    source: Source = None,
    kind: Kind = None,
    state: State = None,
    inbox_id: Annotated[int | None, typer.Option("--id", help="One event by its inbox id.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Let processed events wait again: the next drain folds them once more, which repeats no effect."""
    from leadfactory.inbox import browsing
    from leadfactory.settings import settings

    chosen = _filter(since, before, source, kind, state, inbox_id)
    if not chosen.where():
        raise CommandError("inbox replay without a filter is everything: name --since, --type, --state or --id")
    with reading() as tx:
        count = browsing.replay(tx, chosen, settings().clock.now())
        tx.rollback()
    if not dry_run and count and not yes:
        typer.confirm(f"{count} events will wait again. Go on?", abort=True)
    if not dry_run and count:
        with database().begin() as tx:
            count = browsing.replay(tx, chosen, settings().clock.now())
    if json:
        as_json({"events": count, "dry_run": dry_run})
    else:
        console.print(f"{count} events {'would wait' if dry_run else 'wait'} again")


def sends(*, state: str | None, why: str | None, limit: int, json: bool) -> None:
    """Lists sends, or tells the story of one business."""
    from leadfactory.d09_delivery import explaining
    from leadfactory.d09_delivery.claiming import Desk
    from leadfactory.settings import settings

    with reading() as tx:
        if why is None:
            rows = explaining.listed(tx, state=state, limit=limit)
        else:
            rows = explaining.why(tx, _business(why), Desk.of(settings()), settings().clock.now())
    if json:
        as_json(rows)
        return
    if why is None:
        _table(rows, ("campaign", "cohort_on", "business_id", "step", "state", "reason", "outcome", "planned_at"))
        return
    if not rows:
        console.print("nothing was ever planned for this business: it had no draft that could leave")
    for row in rows:
        console.print(
            paint("bold", f"step {row['step']} of {row['campaign']}"),
            f"{row['state']}, {row['outcome'] or row['archived'] or 'no event'}",
            sep="  ",
        )
        if row["gate"] is not None:
            console.print(f"  now  {'would leave' if row['gate'] == 'ready' else 'stopped by ' + row['gate']}")
        for move in row["moves"]:
            told = f": {move['reason']}" if move["reason"] else ""
            console.print(
                f"  {move['happened_at']:%Y-%m-%d %H:%M}  {move['from_state'] or '–'} → {move['to_state']}{told}"
            )
        for event in row["events"]:
            told = f" (no person: {event['bot_reason']})" if event["bot_reason"] else ""
            console.print(f"  {event['occurred_at']:%Y-%m-%d %H:%M}  event {event['kind']}{told}")


def _filter(
    since: str | None, before: str | None, source: str | None, kind: str | None, state: str | None, inbox_id: int | None = None
) -> Any:  # fmt: skip
    from leadfactory.inbox.browsing import Filter

    if source not in (None, "sendgrid", "smtp", "stripe"):
        raise CommandError(f"--source={source!r} is unknown: choose sendgrid, smtp or stripe")
    return Filter(_moment("since", since), _moment("before", before), source, kind, state, inbox_id)


def _moment(option: str, text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--{option}={text!r} is no time: write 2026-10-06 or 2026-10-06T15:00+00:00") from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _business(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise CommandError(f"--why={text!r} is no business id: take it from `leadfactory sends`") from None


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    table = Table()
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*("–" if row[name] is None else str(row[name]) for name in columns))
    console.print(table)
