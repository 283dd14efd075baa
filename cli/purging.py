"""`leadfactory purge`, `capacity-report` and `cost-report`: what goes, what grows, and what it costs."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from cli.output import as_json, console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def register(parent: typer.Typer) -> None:
    """Adds the commands to ``parent``."""
    parent.command("purge", epilog="Examples: leadfactory purge --dry-run   ·   leadfactory purge --json")(purge)
    parent.command(
        "capacity-report",
        epilog="Examples: leadfactory capacity-report   ·   leadfactory capacity-report --days=90 --json",
    )(capacity_report)
    parent.command(
        "cost-report", epilog="Examples: leadfactory cost-report   ·   leadfactory cost-report --days=90 --json"
    )(cost_report)


def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go and remove nothing.")] = False,
    json: Json = False,
) -> None:
    """Remove what is older than config/retention.yaml allows: rows, texts of letters, rotated logs, left files."""
    from cli.campaigns import system_of_record
    from leadfactory.backup import purging
    from leadfactory.settings import settings

    with system_of_record() as db:
        found = purging.purge(db, settings(), dry_run=dry_run)
    if json:
        as_json({"dry_run": dry_run, "purged": [dataclasses.asdict(each) for each in found]})
        return
    for each in found:
        size = f", {each.bytes / 2**20:,.1f} MiB" if each.bytes else ""
        days = f" of {each.campaign_days:,} campaign-days" if each.campaign_days else ""
        console.print(f"{each.what}: {each.count:,} {each.kind}{days} from before {each.before:%Y-%m-%d}{size}")
        for reason in each.left:
            console.print(f"  stays: {reason}", markup=False)
    console.print("nothing was removed" if dry_run else "removed")


def capacity_report(
    days: Annotated[int, typer.Option(min=1, max=3650, help="How many days back growth is measured.")] = 30,
    json: Json = False,
) -> None:
    """Show how large each store is, how fast it grows, and when the disk is full at that rate."""
    from cli.campaigns import system_of_record
    from leadfactory.backup import capacity
    from leadfactory.settings import settings

    with system_of_record() as db, db.begin() as tx:
        found = capacity.capacity(tx, settings(), days=days)
    if json:
        as_json(dataclasses.asdict(found))
        return
    for each in found.stores:
        console.print(f"{each.name}: {each.bytes / 2**20:,.1f} MiB")
    for table in found.tables[:10]:
        console.print(f"  {table.name}: {table.rows:,} rows, {table.bytes / 2**20:,.1f} MiB")
    for name, count in found.per_day.items():
        console.print(f"{name} a day over {days} days: {count:,.1f}")
    console.print(f"free: {found.free_bytes / 2**30:,.1f} GiB; {found.forecast}")


def cost_report(
    days: Annotated[int, typer.Option(min=1, max=3650, help="How many days back.")] = 30, json: Json = False
) -> None:
    """Show what vendors cost by vendor and campaign, what was saved by stored answers, and the cost of a mail and a sale."""
    from cli.campaigns import system_of_record
    from leadfactory.backup import capacity
    from leadfactory.settings import settings

    with system_of_record() as db, db.begin() as tx:
        found = capacity.costs(tx, settings().clock.now(), days=days)
    if json:
        as_json(found)
        return
    for row in found["vendors"]:
        console.print(
            f"{row['vendor']} {row['endpoint']}: ${row['cost_microusd'] / 1e6:,.2f} for {row['calls']:,} calls, {row['from_store']:,} answers "
            "from the store"
        )
    for row in found["campaigns"]:
        console.print(f"{row['campaign']}: ${row['cost_microusd'] / 1e6:,.2f}")
    console.print(
        f"together ${found['cost_microusd'] / 1e6:,.2f}; a mail ${(found['microusd_a_mail'] or 0) / 1e6:,.4f}, "
        + (f"a sale ${found['microusd_a_sale'] / 1e6:,.2f}" if found["microusd_a_sale"] else "no sale")
    )
