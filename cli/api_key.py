"""`leadfactory api-key`: who may see the dashboards, scrape the metrics, review letters."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import CommandError, Table, as_json, console
from cli.stores import actor, recording

if TYPE_CHECKING:
    import sqlalchemy as sa

app = typer.Typer(no_args_is_help=True, help="API keys of the edge: create, list, rotate, revoke. A key is shown once.")
Name = Annotated[str, typer.Argument(help="Whose key it is; the audit log calls its holder so.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of lines.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and change nothing.")]
_UNITS = {"h": "hours", "d": "days"}


@app.command(epilog="Examples: leadfactory api-key create ana --scope=dashboards --scope=review   ·   "
    "leadfactory api-key create prometheus --scope=metrics --expires-in=365d --json")  # fmt: skip
def create(
    name: Name,
    scope: Annotated[list[str], typer.Option(help="dashboards, metrics, review or admin; may be repeated.")],
    expires_in: Annotated[str, typer.Option(help="How long it is good for: 12h or 90d.")] = "90d",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make a key and print it: it cannot be shown again."""
    from leadfactory import api_keys

    life = _span("--expires-in", expires_in)

    def work(tx: sa.Connection, now: dt.datetime) -> dict[str, Any]:
        key = api_keys.create(tx, name, scope, now + life, now)
        return {"name": name, "scopes": sorted(set(scope)), "expires_at": now + life, "key": key}

    _change("api_key_create", name, work, dry_run=dry_run, json=json)


@app.command("list", epilog="Example: leadfactory api-key list --all")
def list_keys(
    all_of_them: Annotated[bool, typer.Option("--all", help="Those that are over or revoked too.")] = False,
    json: Json = False,
) -> None:
    """List keys with scopes, age, end and last use; a key that is being rotated has two rows."""
    from cli.stores import reading
    from leadfactory import api_keys
    from leadfactory.settings import settings

    with reading() as tx:
        rows = api_keys.listed(tx, settings().clock.now(), dead=all_of_them)
    if json:
        as_json(rows)
        return
    table = Table()
    columns = ("key_id", "name", "scopes", "state", "created_at", "expires_at", "last_used_at")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    console.print(table if rows else "there is no key: leadfactory api-key create --help")


@app.command(epilog="Example: leadfactory api-key rotate prometheus --overlap=7d")
def rotate(
    name: Name,
    overlap: Annotated[str, typer.Option(help="How long the present value is good beside the new one.")] = "7d",
    expires_in: Annotated[
        str | None, typer.Option(help="How long the new value is good for; as long as the present one when left out.")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make a new value of a key and print it; both are good until the overlap ends."""
    from leadfactory import api_keys

    span = _span("--overlap", overlap)
    life = None if expires_in is None else _span("--expires-in", expires_in)

    def work(tx: sa.Connection, now: dt.datetime) -> dict[str, Any]:
        key = api_keys.rotate(tx, name, now, overlap=span, expires_at=None if life is None else now + life)
        return {"name": name, "old_value_until": now + span, "key": key}

    _change("api_key_rotate", name, work, dry_run=dry_run, json=json)


@app.command(epilog="Examples: leadfactory api-key revoke ana   ·   leadfactory api-key revoke prometheus --id=4")
def revoke(
    name: Name,
    key_id: Annotated[int | None, typer.Option("--id", help="Only the value of this id.")] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """End a key at once, with all sessions that it opened."""
    from leadfactory import api_keys

    def work(tx: sa.Connection, now: dt.datetime) -> dict[str, Any]:
        return {"name": name, "values_ended": api_keys.revoke(tx, name, now, key_id=key_id)}

    _change("api_key_revoke", name, work, dry_run=dry_run, json=json)


def _change(action: str, name: str, work: Any, *, dry_run: bool, json: bool) -> None:
    from leadfactory import api_keys, audit_log

    with recording(dry_run=dry_run) as (tx, now):
        try:
            done = work(tx, now)
        except api_keys.KeyRefused as error:
            raise CommandError(str(error)) from None
        told = {
            key: str(value) if isinstance(value, dt.datetime) else value for key, value in done.items() if key != "key"
        }
        audit_log.record(tx, actor=actor(), action=action, subject=name, detail=told, now=now)
    if dry_run:
        done = {**done, "dry_run": True} | ({"key": None} if "key" in done else {})
    if json:
        as_json(done)
        return
    for field, value in done.items():
        if value is not None:
            console.print(f"{field.replace('_', ' ')}: {_cell(value)}")
    if done.get("key"):
        console.print("Keep it now: only its hash is stored.")


def _span(option: str, text: str) -> dt.timedelta:
    found = re.fullmatch(r"([1-9]\d{0,4})([hd])", text)
    if found is None:
        raise CommandError(f"{option}={text!r} is not a time: write 12h or 90d")
    return dt.timedelta(**{_UNITS[found[2]]: int(found[1])})


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
