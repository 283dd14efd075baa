"""`leadfactory rotate-secret`: a secret is changed while everything runs, with two live values in between."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import CommandError, as_json, console

What = Annotated[
    str,
    typer.Argument(
        help="database, secret-key, backup-key, yelp, google, openai, sendgrid, stripe, stripe-webhook, sendgrid-webhook or "
        "sendgrid-inbound."
    ),
]
ValueFile = Annotated[Path | None, typer.Option(help="A file with the new value, where the vendor makes it.")]
Promote = Annotated[bool, typer.Option("--promote", help="Use the value that was added, once every process knows it.")]
Retire = Annotated[bool, typer.Option("--retire", help="Take the old value out, once nobody uses it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and change nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of lines.")]
NEXT = {
    "add": "restart edge, code location and workers one after the other; then run this again with --promote",
    "promote": "restart them once more; links and backups under the old value go on working",
    "retire": "restart them; the old value is not accepted any more",
    "replaced": "restart edge, code location and workers; then revoke the old value at the vendor",
}


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "rotate-secret",
        epilog="Examples: leadfactory rotate-secret secret-key   ·   leadfactory rotate-secret secret-key --promote   ·   "
        "leadfactory rotate-secret stripe --value-file=/run/new-stripe-key   ·   leadfactory rotate-secret database",
    )(rotate_secret)


def rotate_secret(
    what: What, value_file: ValueFile = None, promote: Promote = False, retire: Retire = False, dry_run: DryRun = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Change a secret without losing a request: add the new value, then use it, then retire the old one. Prints no value."""
    if promote and retire:
        raise CommandError("--promote and --retire are two steps: choose one")
    if what == "database":
        told = _database(dry_run=dry_run)
    else:
        told = _listed(what, "promote" if promote else "retire" if retire else "add", value_file, dry_run=dry_run)
    if json:
        as_json(told)
        return
    for name, value in told.items():
        console.print(f"{name.replace('_', ' ')}: {', '.join(value) if isinstance(value, tuple | list) else value}")


def _listed(what: str, step: Any, value_file: Path | None, *, dry_run: bool) -> dict[str, Any]:
    from leadfactory import secret_rotation
    from leadfactory.secret_rotation import KINDS, NotRotated

    if what not in KINDS:
        raise CommandError(f"{what!r} is no secret of ours: name database, {', '.join(KINDS)}")
    kind = KINDS[what]
    try:
        value = None if value_file is None else value_file.read_text().strip()
        done = secret_rotation.rotate(kind, step, value, dry_run=dry_run)
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be read or written ({error.strerror})") from None
    except NotRotated as error:
        raise CommandError(str(error)) from None
    if not dry_run:
        _note(what, dataclasses.asdict(done))
    following = NEXT["replaced" if step == "add" and not kind.listed else step]
    return dataclasses.asdict(done) | {"dry_run": dry_run, "next": following}


def _database(*, dry_run: bool) -> dict[str, Any]:
    from leadfactory import embedded, roles
    from leadfactory.settings import settings

    if settings().database_url is not None:
        raise CommandError(
            "LEADFACTORY_DATABASE_URL is set: run `leadfactory db-setup --admin-url=… --passwords=…` with a new file of passwords, "
            "and write the new URL over LEADFACTORY_DATABASE_URL_FILE; running processes read it again when the old one is refused"
        )
    if not embedded.is_running(settings().home):
        raise CommandError("the embedded server does not run: start `leadfactory dev`, or any command that uses it")
    done = list(roles.LOGINS) if dry_run else embedded.rotate_passwords(settings().home)
    if not dry_run:
        _note("database", {"roles": done})
    return {
        "roles": done,
        "dry_run": dry_run,
        "next": "nothing: running processes read the new password when the old one is refused",
    }


def _note(what: str, detail: dict[str, Any]) -> None:
    from cli.stores import actor, recording
    from leadfactory import audit_log

    with recording() as (tx, now):
        audit_log.record(tx, actor=actor(), action="rotate_secret", subject=what, detail=detail, now=now)
