"""`leadfactory verify-data-integrity`, `data-corruption-report` and `recover-files`: do the tables keep what was promised, row by row."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import CommandError, Table, as_json, console, paint

if TYPE_CHECKING:
    from leadfactory.backup.damage import Looked
    from leadfactory.quality.invariants import Verified

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to ``app``."""
    app.command("verify-data-integrity", epilog="Example: leadfactory verify-data-integrity --json")(verify)
    app.command(
        "recover-files", epilog="Examples: leadfactory recover-files --dry-run   ·   leadfactory recover-files"
    )(recover_files)
    app.command(
        "data-corruption-report",
        epilog="Examples: leadfactory data-corruption-report   ·   leadfactory data-corruption-report --out=/tmp/damage.md",
    )(report)


def verify(
    pages: Annotated[
        bool, typer.Option("--pages", help="Read every page of the cluster too, as a backup does.")
    ] = False,
    json: Json = False,
) -> None:
    """Ask every invariant of the tables, and read every file, with counts; exit code 1 when one is broken. Changes nothing."""
    found = _verified() + (_pages() if pages else [])
    if json:
        as_json([dataclasses.asdict(one) for one in found])
    else:
        table = Table("invariant", "looked at", "broken")
        for one in found:
            table.add_row(one.name, f"{one.looked_at:,}", paint("red" if one.broken else "green", f"{one.broken:,}"))
        console.print(table)
        for one in (each for each in found if each.broken):  # after the table, where the eye is when the command ends
            console.print(
                paint("red", f"{one.name}:"), f"for example {one.samples[0] if one.samples else 'no row of it'}"
            )
        broken = sum(1 for one in found if one.broken)
        console.print(
            f"{broken} of {len(found)} invariants are broken: leadfactory data-corruption-report tells what and what to do"
            if broken
            else f"all {len(found)} invariants hold"
        )
    if any(one.broken for one in found):
        raise typer.Exit(1)


def recover_files(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is damaged and put nothing back.")] = False,
    json: Json = False,
) -> None:
    """Put damaged or lost files of lake, blobs and warehouse back from the newest backup that has them as they must be."""
    from cli.campaigns import system_of_record
    from leadfactory.backup import damage, looks
    from leadfactory.settings import settings

    with system_of_record() as db:
        with db.begin() as tx:
            broken = [each for area in damage.look(tx, settings()) for each in area.broken]
        back, left = ([], broken) if dry_run else damage.recover(settings(), broken)
        if back:
            looks.note(db, settings(), {each.area for each in back})  # the alert ends when the damage does
    if json:
        as_json(
            {
                "recovered": [dataclasses.asdict(each) for each in back],
                "damaged": [dataclasses.asdict(each) for each in left],
            }
        )
    else:
        for each in back:
            console.print(paint("green", "back:"), f"{each.area}/{each.path}")
        for each in left:
            console.print(paint("red", "damaged:"), f"{each.area}/{each.path} {each.what}")
        console.print(f"{len(back)} files came back, {len(left)} are still damaged")
    if left:
        raise typer.Exit(1)


def report(
    out: Annotated[Path | None, typer.Option(help="Write it to this file as Markdown; printed when left out.")] = None,
) -> None:
    """Tell what is broken, where, and what to do, for whoever repairs it; ids only, no address."""
    from leadfactory.settings import settings

    found = _verified()
    lines = [f"# Data corruption report, {settings().clock.now():%Y-%m-%d %H:%M} UTC", ""]
    broken = [one for one in found if one.broken]
    for one in broken:
        lines += [
            f"## {one.name}: {one.broken:,} of {one.looked_at:,}",
            "",
            f"Must hold: {one.promise}.",
            "",
            f"Do: {one.remedy}.",
            "",
        ]
        lines += [f"- `{key}`" for key in one.samples]
        if one.broken > len(one.samples):
            lines.append(f"- and {one.broken - len(one.samples):,} more")
        lines.append("")
    lines.append(f"{len(found) - len(broken)} of {len(found)} invariants hold.")
    text = "\n".join(lines) + "\n"
    if out is None:
        console.print(text)
        return
    try:
        out.write_text(text)
    except OSError as error:
        raise CommandError(f"--out={str(out)!r} cannot be written ({error.strerror}): name another file") from None
    console.print(f"written to {out}: {len(broken)} of {len(found)} invariants are broken")


def _pages() -> list[Verified]:
    from leadfactory.backup import damage
    from leadfactory.quality.invariants import Verified
    from leadfactory.settings import settings

    found = damage.pages(settings())
    promise = "every page of the cluster has the checksum that it was written with"
    return [Verified("pages_are_whole", promise, 1, len(found), found, "leadfactory restore-database --verify")]


def _verified() -> list[Verified]:
    from cli.campaigns import system_of_record
    from leadfactory.backup import damage
    from leadfactory.d09_delivery.policy import policy
    from leadfactory.quality import invariants
    from leadfactory.settings import settings

    with system_of_record() as db, db.begin() as tx:
        tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = invariants.verify(tx, now=settings().clock.now(), cooldown_days=policy().recontact_cooldown_days)
        return found + [_of_files(each) for each in damage.look(tx, settings())]


def _of_files(looked: Looked) -> Verified:
    """A look at files as an invariant."""
    from leadfactory.backup import damage
    from leadfactory.quality.invariants import SAMPLES, Verified

    samples = [f"{each.path} {each.what}" for each in looked.broken[:SAMPLES]]
    promise = f"every file of the {looked.area} is there, and is what was written"
    return Verified(f"{looked.area}_is_whole", promise, looked.files, len(looked.broken), samples, damage.REMEDY)
