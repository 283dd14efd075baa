"""Commands about judgement: why a business got its score and mail, and what other rules would have made of stored cohorts."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import CommandError, Table, as_json, console, errors, paint

app = typer.Typer(no_args_is_help=True, help="Try scoring rules on what is stored.")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
_SHOWN = 20  # changed leads on the screen; --json has all
_MARKS = {"passed": ("green", "✓"), "stopped": ("red", "✗"), "waiting": ("yellow", "…"), "not reached": ("dim", "–")}


@app.command(
    epilog="Example: leadfactory scoring backtest --rules my-rules.yaml --since 2026-11-01 --campaign restaurant-10001"
)
def backtest(
    rules: Annotated[Path, typer.Option(help="A rule file in the form of config/scoring.yaml.")],
    since: Annotated[str, typer.Option(help="First cohort day, YYYY-MM-DD.")],
    until: Annotated[str | None, typer.Option(help="Last cohort day; today when left out.")] = None,
    campaign: Annotated[str | None, typer.Option(help="One campaign; all when left out.")] = None,
    json: Json = False,
) -> None:
    """Score stored cohorts by other rules: tier moves, expected revenue, changed leads. Touches no table."""
    from cli.campaigns import system_of_record
    from leadfactory.d01_targeting import campaigns
    from leadfactory.d05_scoring import rule_file
    from leadfactory.d05_scoring.backtesting import backtest as compare
    from leadfactory.d05_scoring.versions import RULES
    from leadfactory.d07_storefront.price_book import price_list
    from leadfactory.settings import settings

    if not rules.is_file():
        raise CommandError(f"--rules={rules}: no such file; copy config/scoring.yaml, change it and give its path")
    first = _day("--since", since)
    last = settings().clock.today() if until is None else _day("--until", until)
    if last < first:
        raise CommandError(f"--until={last} is before --since={first}: choose a later day")
    new = rule_file.load(rules.resolve())
    with system_of_record() as db, db.begin() as tx:
        if campaign is not None:
            campaigns.get(tx, campaign)
        found = compare(
            tx, new, since=first, until=last, now=settings().clock.now(), price_cents=price_list().prices["full_report"], campaign=campaign
        )  # fmt: skip
    shipped = rule_file.load(RULES)
    if new != shipped and new.version == shipped.version:
        errors.print(
            f"these rules bear the version {new.version} of those in place: give them another before you use them"
        )
    if json:
        as_json(found.figures() | {"since": first, "until": last, "campaign": campaign})
    else:
        _show_backtest(found, first, last)


def explain(business: str, *, json: bool) -> None:
    """Prints the walk of one business through the rooms, and the first gate that stopped it."""
    from cli.campaigns import system_of_record
    from leadfactory.d05_scoring import explaining, finding_businesses
    from leadfactory.settings import settings

    with system_of_record() as db, db.begin() as tx:
        found = explaining.explain(tx, finding_businesses.find(tx, business), settings().clock.now())
    if json:
        as_json(found.figures())
    else:
        _show_explanation(found)


def _day(option: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option}={text!r} is not a date: write it as YYYY-MM-DD") from None


def _show_backtest(found: Any, first: dt.date, last: dt.date) -> None:
    from leadfactory.d05_scoring.backtesting import ORDER

    console.print(
        f"rules {found.rules_version} on {found.leads} leads of {found.campaign_days} campaign-days, {first} to {last}; nothing was written"
    )
    if not found.leads:
        return
    table = Table(title="tier now → tier by these rules", title_justify="left")
    table.add_column("now")
    for tier in ORDER:
        table.add_column(tier, justify="right")
    for old in ORDER:
        table.add_row(old, *(str(found.moves[old, new] or "·") for new in ORDER))
    console.print(table)
    before, after = (f"${cents / 100:,.2f}" for cents in (found.expected_before_cents, found.expected_after_cents))
    console.print(f"qualified: {found.qualified_before} → {found.qualified_after}")
    console.print(
        f"expected revenue (an estimate: price x purchase probability of config/revenue.yaml): {before} → {after}"
    )
    gone = ", ".join(f"{name} of {count}" for name, count in sorted(found.expired.items()))
    console.print(
        f"expired inputs, counted as unknown: {found.leads_with_expired} leads" + (f" ({gone})" if gone else "")
    )
    if found.reread:
        console.print(f"scored before inputs were stored, read again from the rooms' rows: {found.reread} leads")
    console.print(f"changed: {len(found.changes)} leads")
    for each in found.changes[:_SHOWN]:
        console.print(f"  {each.business_id}  {each.campaign_day}  {_verdict(each.before)} → {_verdict(each.after)}")
    if len(found.changes) > _SHOWN:
        console.print(f"  and {len(found.changes) - _SHOWN} more: --json lists all")


def _verdict(verdict: Any) -> str:
    score = "–" if verdict.score is None else verdict.score
    return f"{verdict.tier} {score} " + ("qualified" if verdict.qualified else f"({verdict.reason})")


def _show_explanation(found: Any) -> None:
    who = found.own_name or found.site_host or "a business whose own name is not known"
    console.print(paint("bold", who), f"({found.site_host or 'no website read'}), {found.business_id}")
    others = f"; also in {', '.join(found.other_campaign_days)}" if found.other_campaign_days else ""
    console.print(f"campaign-day {found.campaign_day}{others}")
    for room in found.rooms:
        console.print(paint(*_MARKS[room.state]), f"{room.name:<9} {room.says or room.state}")
        if room.name == "scored":
            _show_score(room.details)
        elif room.name == "drafted":
            for each in room.details.get("rests_on", ()):
                console.print(f"              {each['says']}")
    gate = found.first_gate
    console.print("first gate: none, it was written to" if gate is None else f"first gate: {gate.name}, {gate.says}")


def _show_score(details: Any) -> None:
    if not details:
        return
    if details["sentence"]:
        console.print(f"              {details['sentence']}")
    for each in details["contributions"] or ():
        value = "unknown" if each["value"] is None else each["value"]
        told = (
            f"{each['points']:.2f} x weight {each['weight']:g}"
            if each["known"]
            else "counts against the confidence only"
        )
        console.print(f"              {each['factor']:<13}{each['signal']:<18}{value!s:<12}{told}")
    impact = details["revenue_impact"]
    if impact is not None:
        told = impact["in_mail"] or "estimated at too little to name"
        basis = impact["basis"][0] if impact["basis"] else "estimate"
        console.print(f"              revenue impact: {told}, confidence {impact['confidence']:.2f}; {basis}")
