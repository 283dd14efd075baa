"""`leadfactory plan`: what one or several campaign-days would need and bring, before anything is spent."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rich.box import SIMPLE_HEAD

from cli.output import CommandError, Table, as_json, console, dollars
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import campaigns, previewing
from leadfactory.settings import settings


def run(names: list[str], *, date: str | None, json: bool) -> None:
    """Prints the plan of the named campaigns, or of all that are active on the day."""
    from cli.campaigns import system_of_record

    day = _day(date)
    with system_of_record() as db, db.begin() as tx:
        slugs = [campaigns.get(tx, name)["campaign"] for name in dict.fromkeys(names)] or campaigns.active(tx, day)
        if not slugs:
            raise CommandError(
                f"no campaign is active on {day}: create one with `leadfactory seed-campaigns --vertical=restaurant --zip=10001 --quota=100`"
            )
        plan = previewing.preview(tx, [CampaignDay(slug, day) for slug in slugs])
    if json:
        as_json(plan.figures() | {"dry_run": True})
        return
    for each in plan.days:
        console.print(targets_table(each))
        for stop in each.stops:
            console.print(f"  bounded by: {stop}")
    show(plan)
    for gate in plan.gates:
        console.print(f"  would be stopped by: {gate}")


def _day(date: str | None) -> dt.date:
    if date is None:
        return settings().clock.today()
    try:
        return dt.date.fromisoformat(date)
    except ValueError:
        raise CommandError(f"--date={date!r} is not a date: write it as YYYY-MM-DD") from None


def show(
    plan: previewing.Plan, *, title: str = "All together, from stored yields (nothing is called or spent)"
) -> None:
    """The totals of a plan."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column("expected", justify="right")
    for name, value in plan.lines():
        table.add_row(name, value)
    console.print(table)


def targets_table(day: previewing.DayPreview) -> Table:
    """One row per target of a campaign-day."""
    state = " (what is left of its stored plan)" if day.stored else ""
    table = Table(title=f"{day.unit.key}{state}", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("target")
    for column in ("looked at", "new", "calls", "audits", "cost", "leads", "mails", "sales", "per sale"):
        table.add_column(column, justify="right")
    for each in day.targets:
        table.add_row(
            f"{each.target.place}{_tried(each.target.judged, day.covered[each.target.target_id].looked_at)}",
            day.covered[each.target.target_id].told,
            *_cells(each.expected),
        )
    if day.own.businesses:
        table.add_row("own lists (imported)", "–", *_cells(day.own))
    return table


def _tried(judged: int, looked_at: int) -> str:
    """What a target's expected leads rest on, where that is not its own scored days."""
    return "" if judged else " (searched, not scored on an earlier day yet)" if looked_at else " (untried)"


def _cells(expected: Any) -> list[str]:
    return [
        str(expected.businesses), str(expected.calls.get("yelp", 0)), str(expected.audits), dollars(expected.microusd),
        f"{expected.leads:.1f}", f"{expected.mails:.1f}", f"{expected.sales:.3f}",
        "–" if expected.microusd_per_sale is None else dollars(round(expected.microusd_per_sale)),
    ]  # fmt: skip


def refuse_loss(plan: previewing.Plan, *, accept: bool) -> None:
    """Stops a launch that is expected to lose money, unless the operator accepts it.

    Raises:
        CommandError: names each campaign, what a sale costs and the price.
    """
    if accept or not plan.losers:
        return
    told = "; ".join(f"{day.unit.campaign} {previewing.loss(day, plan.price_cents)}" for day in plan.losers)
    raise CommandError(f"{told}. Raise the price or the yield, lower the cost, or launch with --accept-loss")
