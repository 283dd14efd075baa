"""Commands about the operator's own list and about who is who: import-businesses, businesses show, merge, unmerge, chain-policy."""

from __future__ import annotations

import getpass
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import CommandError, as_json, console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
By = Annotated[str | None, typer.Option("--by", help="Who does it; your login when left out.")]
businesses = typer.Typer(
    no_args_is_help=True, help="Registered businesses: show, merge, unmerge, and what becomes of chains."
)


def register(app: typer.Typer) -> None:
    """Adds the commands to the program."""
    app.command(
        "import-businesses",
        epilog="Examples: leadfactory import-businesses leads.csv --campaign dental-10001 --consent-basis consented --dry-run   ·   "
        "leadfactory import-businesses crm.parquet --campaign dental-10001 --consent-basis consented --map name=Company --map phone=Tel",
    )(import_businesses)
    app.add_typer(businesses, name="businesses")


def import_businesses(
    file: Annotated[Path, typer.Argument(help="A CSV or Parquet file with one business a row.")],
    campaign: Annotated[str, typer.Option(help="The campaign whose businesses these are.")],
    consent_basis: Annotated[str, typer.Option(help="consented, transactional, or simulated outside production.")],
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="field=Column, for example name=Company; may be repeated.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a CSV file that is not UTF-8, for example cp1252.")] = None,
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="Forget the rows after so many days; kept when left out.")
    ] = None,
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and write nothing.")] = False,
    json: Json = False,
) -> None:
    """Import your own list of businesses; the nightly run takes them into campaign-days before it asks Yelp."""
    from leadfactory.d02_sourcing import importing
    from leadfactory.settings import settings

    config = settings()
    with _database() as db, db.begin() as tx:
        found = importing.import_file(
            tx, file, campaign=campaign, consent_basis=consent_basis, mapping=_mapping(mapping or []), now=config.clock.now(),
            by=by or getpass.getuser(), encoding=encoding, keep_days=keep_days, production=config.env == "production",
        )  # fmt: skip
        if dry_run:
            tx.rollback()
    if json:
        as_json(found.figures() | {"campaign": campaign, "dry_run": dry_run})
        return
    if found.before:
        console.print(f"{file.name} was imported into {campaign} before; what is unchanged adds nothing")
    verb = "would import" if dry_run else "imported"
    console.print(
        f"{verb} {found.read} rows of {file.name} into {campaign}: {found.new} new, {found.changed} changed, "
        f"{found.unchanged} unchanged, {found.rejected} rejected"
    )
    console.print("  columns: " + ", ".join(f"{field}={column}" for field, column in found.source.columns.items()))
    for error in found.errors:
        console.print(f"  {error}")
    if found.rejected > len(found.errors):
        console.print(f"  … and {found.rejected - len(found.errors)} more, in rejected_rows")
    if not dry_run:
        console.print(f"next: leadfactory test-pipeline --campaign {campaign} --limit=10")


@businesses.command("show", epilog="Example: leadfactory businesses show 0b0f3c5e-5a43-5d5b-9c0e-0d3c1a2b4c5d --json")
def show(business_id: uuid.UUID, json: Json = False) -> None:
    """What is known of a business: cohorts, merges with their evidence, and which business stands for it."""
    from leadfactory.d02_sourcing import merging

    with _database() as db, db.begin() as tx:
        found = merging.history(tx, business_id)
    if json:
        as_json(found)
        return
    console.print(f"{found['business_id']}: registered {found['registered_at']:%Y-%m-%d} by {found['first_campaign']}")
    if found["stands_for_it"] != found["business_id"]:
        console.print(f"  merged into {found['stands_for_it']}")
    for each in found["cohorts"]:
        state = each["excluded_reason"] or ("duplicate, not mailed from here" if each["duplicate_of"] else "held here")
        console.print(f"  {each['campaign']}|{each['cohort_on']}: {state}; {each['evidence']}")
    for each in found["merges"]:
        console.print(
            f"  {each['merged_at']:%Y-%m-%d} {each['kind']}: {each['merged_id']} → {each['survivor_id']}; {each['evidence']}"
        )


@businesses.command(
    "merge", epilog="Example: leadfactory businesses merge SURVIVOR MERGED --reason='same owner, renamed in May'"
)
def merge(
    survivor: uuid.UUID, merged: uuid.UUID, reason: Annotated[str, typer.Option()], by: By = None, json: Json = False
) -> None:
    """Say that two registered businesses are one; a new row, no cohort is edited."""
    _say("merge", survivor, merged, reason, by, json)


@businesses.command(
    "unmerge", epilog="Example: leadfactory businesses unmerge SURVIVOR MERGED --reason='two branches after all'"
)
def unmerge(
    survivor: uuid.UUID, merged: uuid.UUID, reason: Annotated[str, typer.Option()], by: By = None, json: Json = False
) -> None:
    """Say that two merged businesses are two after all; no rule merges them again."""
    _say("unmerge", survivor, merged, reason, by, json)


@businesses.command("chain-policy", epilog="Example: leadfactory businesses chain-policy restaurant-10001 one")
def chain_policy(
    campaign: str,
    policy: Annotated[
        str, typer.Argument(help="all, one (branch per chain and campaign) or skip (what a new campaign does).")
    ],
    json: Json = False,
) -> None:
    """Say what a campaign does with branches of chains, recognised or on the exclusion list of chains, from now on."""
    from leadfactory.d02_sourcing import chains

    with _database() as db, db.begin() as tx:
        chains.set_policy(tx, campaign, policy)
    as_json({"campaign": campaign, "chain_policy": policy}) if json else console.print(f"{campaign}: chains: {policy}")


def _say(kind: str, survivor: uuid.UUID, merged: uuid.UUID, reason: str, by: str | None, json: bool) -> None:
    from leadfactory.d02_sourcing import merging
    from leadfactory.settings import settings

    decide = merging.merge if kind == "merge" else merging.unmerge
    with _database() as db, db.begin() as tx:
        added = decide(tx, survivor, merged, reason=reason, by=by or getpass.getuser(), now=settings().clock.now())
    if json:
        as_json({"kind": kind, "survivor": str(survivor), "merged": str(merged), "added": added})
    else:
        console.print(
            f"{kind}: {merged} → {survivor}"
            if added
            else f"{merged} and {survivor}: {kind} is what stands already; nothing added"
        )


def _mapping(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        field, equals, column = each.partition("=")
        if not (equals and field.strip() and column.strip()):
            raise CommandError(f"--map {each}: write it as field=Column, for example --map name=Company")
        if field.strip() in found:
            raise CommandError(f"--map {each}: {field.strip()} is mapped twice: keep one")
        found[field.strip()] = column.strip()
    return found


def _database() -> Any:
    from cli.campaigns import system_of_record as opened

    return opened()
