"""`leadfactory audit-log`: who did what, and whether nobody changed what it says."""

from __future__ import annotations

import datetime as dt
import json as json_lines
import re
from typing import Annotated, Any

import typer

from cli.output import CommandError, Table, as_json, console, paint

Since = Annotated[str | None, typer.Option(help="From when: 2026-10-06, 2026-10-06T15:00, or 12h, 7d ago.")]
Actor = Annotated[
    str | None, typer.Option(help="Only actors whose name begins so: recipient, operator, 'operator ana'.")
]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most this many rows, the newest.")]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Compute the whole chain again and hold it against the signed digests; exit code 1 when it is broken.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "audit-log",
        epilog="Examples: leadfactory audit-log --since=7d --actor='operator ana'   ·   leadfactory audit-log --verify --json",
    )(audit_log)


def audit_log(since: Since = None, actor: Actor = None, limit: Limit = 100, verify: Verify = False, json: Json = False) -> None:  # fmt: skip
    """List what people asked of us and what operators did, newest first, or verify that none of it was changed."""
    from cli.stores import reading
    from leadfactory import audit_log as log
    from leadfactory.settings import settings

    if verify:
        from leadfactory import audit_digests

        with reading() as tx:
            keys = settings().signing_keys.get_secret_value()
            found = audit_digests.check(tx, keys, audit_digests.path(settings().home))
        _tell(found, json)
        return
    start = None if since is None else _moment(since, settings().clock.now())
    with reading() as tx:
        rows = log.rows(tx, since=start, actor=actor, limit=limit)
    if json:
        as_json(rows)
        return
    table = Table()
    for name in ("when (UTC)", "actor", "action", "subject", "detail"):
        table.add_column(name)
    for row in rows:
        detail = json_lines.dumps(row["detail"], ensure_ascii=False)
        table.add_row(f"{row['happened_at']:%Y-%m-%d %H:%M:%S}", row["actor"], row["action"], row["subject"], detail)
    console.print(table if rows else "nothing is noted")


def _tell(found: Any, json: bool) -> None:
    if json:
        as_json({"whole": found.whole, "rows": found.rows, "head": found.head, "problems": found.problems})
    elif found.whole:
        console.print(f"{found.rows} rows, none was changed or removed; head {found.head[:16] or '–'}")
    else:
        for problem in found.problems:
            console.print(paint("bold red", "broken:"), str(problem))
    if not found.whole:
        raise typer.Exit(1)


def _moment(text: str, now: dt.datetime) -> dt.datetime:
    ago = re.fullmatch(r"([1-9]\d{0,4})([hd])", text)
    if ago:
        return now - dt.timedelta(**{{"h": "hours", "d": "days"}[ago[2]]: int(ago[1])})
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--since={text!r} is no moment: write 2026-10-06, 2026-10-06T15:00, 12h or 7d") from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
