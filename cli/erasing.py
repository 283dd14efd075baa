"""`leadfactory erase-person`: a person is forgotten everywhere, and what was done is printed and stored as the proof."""

from __future__ import annotations

import dataclasses
import functools
from typing import Annotated, Any

import typer

from cli.output import CommandError, as_json, console

Address = Annotated[str | None, typer.Argument(help="The address of who asked; without it all waiting requests.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count what would be removed, and remove nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("erase-person", epilog="Examples: leadfactory erase-person info@shop.example --dry-run   ·   leadfactory erase-person")(
        erase_person
    )  # fmt: skip


def erase_person(email: Address = None, dry_run: DryRun = False, json: Json = False) -> None:
    """Remove a person from every table, the lake and the marts; only the keyed hash that keeps us from writing stays.

    Without an address: works off all requests that recipients made by pressing "delete".
    """
    from leadfactory.d10_analytics import postgres_marts
    from leadfactory.d10_analytics.warehouse import rebuild_and_forget
    from leadfactory.database import Database
    from leadfactory.erasure import erasing
    from leadfactory.settings import settings

    configured = settings()
    db = Database.from_settings(configured)
    common: dict[str, Any] = {
        "db": db,
        "clock": configured.clock,
        "settings": configured,
        "marts": functools.partial(rebuild_and_forget, into=postgres_marts.owner_url(configured)),
    }
    try:
        if email is not None:
            proofs = [erasing.erase(email, **common, dry_run=dry_run)]
        else:
            with db.begin() as tx:
                pairs = erasing.waiting(tx)
            if dry_run:
                console.print(f"{len(pairs)} requests wait")
                return
            proofs, left = erasing.complete_all(**common)
            if left:
                raise erasing.NotErased("; ".join(left))
    except erasing.NotErased as error:
        raise CommandError(str(error)) from None
    finally:
        db.dispose()
    _print(proofs, dry_run, json)


def _print(proofs: list, dry_run: bool, json: bool) -> None:
    if json:
        as_json({"dry_run": dry_run, "erased": [dataclasses.asdict(each) for each in proofs]})
        return
    for proof in proofs:
        verb = "would be emptied" if dry_run else "emptied"
        rows = ", ".join(f"{table} {count}" for table, count in proof.places.items() if count) or "nothing is stored"
        console.print(f"{verb}: {rows}")
        if not dry_run:
            looked = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in proof.looked_at.items())
            console.print(
                f"lake files written anew: {proof.lake_files}; marts: {proof.marts}; looked at {looked}: nothing is left"
            )
            console.print(
                f"blobs removed: {proof.blobs_removed}; kept as the record of sales, or too young to judge: {proof.blobs_kept}"
            )
            console.print("kept: the keyed hash in suppressions; backups lose it with their 30 days")
    if not proofs:
        console.print("no request waits")
