"""`leadfactory targets …`: what a campaign aims at: list, add, set."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.output import as_json, console

app = typer.Typer(no_args_is_help=True, help="What a campaign aims at: places, quotas, coverage.")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Campaign = Annotated[str, typer.Argument(help="The campaign's slug.")]
Zips = Annotated[list[str] | None, typer.Option("--zip", help="A US ZIP code; may be repeated.")]
Cities = Annotated[list[str] | None, typer.Option("--city", help="A city as 'New York, NY'; may be repeated.")]
Metros = Annotated[list[str] | None, typer.Option("--metro", help="A metro of config/metros.yaml; may be repeated.")]
States = Annotated[list[str] | None, typer.Option("--state", help="A state as two letters; may be repeated.")]


@app.command("list", epilog="Example: leadfactory targets list restaurant-10001")
def list_targets(campaign: Campaign, json: Json = False) -> None:
    """Show the targets of a campaign with quota and how far it has come: results looked at of those that Yelp tells of."""
    from cli.campaigns import system_of_record
    from cli.output import Table
    from leadfactory.d01_targeting import aims, campaigns, coverage
    from leadfactory.settings import settings

    with system_of_record() as db, db.begin() as tx:
        slug = campaigns.get(tx, campaign)["campaign"]
        covered = {each.target_id: each for each in coverage.of_campaign(tx, slug, settings().clock.now())}
        rows = [row | _covered(covered[row["target_id"]]) for row in aims.of(tx, slug)]
    if json:
        as_json(rows)
        return
    table = Table()
    for column in ("target", "kind", "quota a day", "looked at", "searches", "state"):
        table.add_column(column)
    for row in rows:
        state = "exhausted" if row["exhausted_at"] else ("open" if row["active"] else "rests")
        table.add_row(
            row["place"], row["kind"], str(row["quota"]), covered[row["target_id"]].told, str(row["searches"]), state
        )
    console.print(table)


def _covered(each: Any) -> dict[str, Any]:
    return {"looked_at": each.looked_at, "told_total": each.told_total, "searches": each.searches}


@app.command(epilog="Example: leadfactory targets add restaurant-10001 --zip=10002 --zip=10003 --quota=40 --dry-run")
def add(
    campaign: Campaign,
    quota: Annotated[int, typer.Option(help="Businesses a day from each of these places, 1 to 100000.")],
    zip_code: Zips = None,
    city: Cities = None,
    metro: Metros = None,
    state: States = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be added and write nothing.")] = False,
    json: Json = False,
) -> None:
    """Aim a campaign at more places; those that overlap a target of the same vertical are refused."""
    from cli.campaigns import place_specs, system_of_record
    from leadfactory.d01_targeting import aims, campaigns
    from leadfactory.settings import settings

    specs = place_specs(zip_code, city, metro, state)
    with system_of_record() as db, db.begin() as tx:
        added = aims.add(tx, campaigns.get(tx, campaign), specs, quota=quota, now=settings().clock.now())
        if dry_run:
            tx.rollback()
    if json:
        as_json({"campaign": campaign, "added": added, "dry_run": dry_run})
        return
    told = ", ".join(added) or "nothing: it aims there already"
    console.print(f"{campaign}: {'would add' if dry_run else 'added'} {told}")


@app.command(
    "set",
    epilog="Examples: leadfactory targets set nyc 10001 --quota=40   ·   leadfactory targets set nyc 10001 --rest",
)
def set_target(
    campaign: Campaign,
    place: Annotated[str, typer.Argument(help="The target as `targets list` names it.")],
    quota: Annotated[int | None, typer.Option(help="Businesses a day, 1 to 100000.")] = None,
    active: Annotated[bool | None, typer.Option("--wake/--rest", help="Source from it again, or no more.")] = None,
    json: Json = False,
) -> None:
    """Give one target a quota of its own, rest it or wake it."""
    from cli.campaigns import system_of_record
    from leadfactory.d01_targeting import aims, campaigns

    with system_of_record() as db, db.begin() as tx:
        row = aims.change(tx, campaigns.get(tx, campaign), place, quota=quota, active=active)
    if json:
        as_json({"campaign": campaign, "target": row["place"], "quota": row["quota"], "active": row["active"]})
        return
    console.print(f"{campaign}: {row['place']} has quota {row['quota']} and {'is open' if row['active'] else 'rests'}")
