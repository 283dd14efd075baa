"""`leadfactory purchases …`: what was bought, its story, evidence for a dispute, refunds, and whether the books agree."""

from __future__ import annotations

import asyncio
import uuid
from typing import Annotated, Any

import typer

from cli.output import CommandError, Table, as_json, console, paint
from cli.stores import actor, database, reading

app = typer.Typer(
    no_args_is_help=True, help="Purchases: list, show, evidence for a dispute, refund, and the match with Stripe."
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Which = Annotated[str, typer.Argument(help="The purchase's id, as `purchases list` prints it.")]


@app.command(
    "list", epilog="Examples: leadfactory purchases list   ·   leadfactory purchases list --state=disputed --json"
)
def list_purchases(
    state: Annotated[
        str | None,
        typer.Option(
            help="pending, failed, expired, paid, partially_refunded, refunded, disputed, dispute_won, dispute_lost or quarantined."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many rows.")] = 50,
    json: Json = False,
) -> None:
    """List purchases, the newest first, and the balance of each account of the book."""
    from leadfactory.d07_storefront import browsing, ledger

    with reading() as tx:
        rows, book = browsing.listed(tx, state=state, limit=limit), ledger.balances(tx)
    if json:
        as_json({"purchases": rows, "book": book})
        return
    table = Table()
    names = (
        "purchase_id",
        "state",
        "campaign",
        "cohort_on",
        "amount_cents",
        "refunded_cents",
        "currency",
        "paid_at",
        "report",
        "mail",
    )
    for name in names:
        table.add_column(name)
    for row in rows:
        shown = row | {"mail": f"{row['mail']}: {row['mail_reason']}"} if row["mail_reason"] else row
        table.add_row(*("–" if shown[name] is None else str(shown[name]) for name in names))
    console.print(table)
    for currency, accounts in book.items():
        told = ", ".join(f"{name} {cents:,}" for name, cents in accounts.items())
        console.print(f"book in {currency} cents: {told}; sum {sum(accounts.values())}")


@app.command(epilog="Example: leadfactory purchases show 6b2f7a53-9d1e-4c64-8a8e-0c7f0f6c5a11")
def show(purchase: Which, json: Json = False) -> None:
    """Tell one purchase's story: events, postings, reports, mails, openings, refunds. No address is shown."""
    from leadfactory.d07_storefront import browsing

    with reading() as tx:
        found = browsing.story(tx, _id(purchase))
    if json:
        as_json(found)
        return
    for name, value in found.items():
        if not isinstance(value, list):
            console.print(paint("bold", name), "–" if value is None else str(value), sep="  ")
    for name, entries in found.items():
        if isinstance(entries, list):
            console.print(paint("bold", name), f"({len(entries)})")
            for each in entries:
                console.print("  " + ", ".join(f"{key} {value}" for key, value in each.items() if value is not None))


@app.command(epilog="Example: leadfactory purchases evidence 6b2f7a53-9d1e-4c64-8a8e-0c7f0f6c5a11 > evidence.json")
def evidence(purchase: Which) -> None:
    """Print the evidence pack for a dispute as JSON: terms, price, hashes of the report, deliveries, openings."""
    from leadfactory.d07_storefront import browsing
    from leadfactory.settings import settings

    with reading() as tx:
        as_json(browsing.evidence(tx, _id(purchase), settings().clock.now()))


@app.command(
    epilog="Examples: leadfactory purchases refund ID --dry-run   ·   leadfactory purchases refund ID --amount=50 --reason='slow answer'"
)
def refund(
    purchase: Which,
    amount: Annotated[
        float | None, typer.Option(help="Dollars (or the purchase's currency); all that is left when left out.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Kept with the refund.")] = "asked for by the buyer",
    by: Annotated[
        str | None, typer.Option(help="Who gives it back; the name you are logged in by when left out.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be given back; call and write nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Give money back through Stripe, all or a part. A full refund closes the report's links."""
    from leadfactory.d00_gateway.gateway import shared
    from leadfactory.d00_gateway.stripe import StripeClient
    from leadfactory.d07_storefront import refunds
    from leadfactory.settings import settings

    cents = None if amount is None else round(amount * 100)
    asked: dict[str, Any] = {
        "reason": reason,
        "requested_by": f"operator {by.strip()}" if by and by.strip() else actor(),
        "now": settings().clock.now(),
        "amount_cents": cents,
    }
    try:
        with reading() as tx:
            planned = refunds.plan(tx, _id(purchase), **asked)
            tx.rollback()
        told = {
            "purchase_id": str(planned.purchase_id),
            "amount_cents": planned.amount_cents,
            "currency": planned.currency,
        }
        if dry_run:
            as_json(told | {"dry_run": True}) if json else console.print(
                f"would give back {planned.amount_cents / 100:,.2f} {planned.currency.upper()}; nothing was written"
            )
            return
        if not yes:
            typer.confirm(f"Give back {planned.amount_cents / 100:,.2f} {planned.currency.upper()}?", abort=True)
        db = database()
        with db.begin() as tx:
            refunds.plan(tx, _id(purchase), **asked)
    except (refunds.NotRefundable, LookupError) as error:
        raise CommandError(str(error)) from None
    stripe = StripeClient(shared(settings(), db), settings())
    done = asyncio.run(refunds.give_all(db=db, stripe=stripe, clock=settings().clock))
    if json:
        as_json(told | {"accepted": done.accepted, "rejected": done.rejected, "waiting": done.waiting})
    else:
        console.print(f"{done.accepted} given, {done.rejected} rejected by Stripe, {done.waiting} waiting for Stripe")


@app.command("match", epilog="Example: leadfactory purchases match --json")
def match(json: Json = False) -> None:
    """Hold Stripe's paid sessions and refunds, our purchases and the delivered reports against each other; name what differs."""
    from leadfactory.d00_gateway.gateway import shared
    from leadfactory.d00_gateway.stripe import StripeClient
    from leadfactory.d07_storefront import reconciling
    from leadfactory.settings import settings

    db = database()
    stripe = StripeClient(shared(settings(), db), settings())
    found = asyncio.run(reconciling.differences(db=db, clock=settings().clock, settings=settings(), stripe=stripe))
    if json:
        as_json({"difference": len(found), "named": [vars(each) for each in found]})
    else:
        for each in found:
            console.print(paint("yellow", each.name), f"{each.what}: {each.told}", sep="  ")
        console.print(f"difference {len(found)}")
    if found:
        raise typer.Exit(2)


def _id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise CommandError(f"PURCHASE={text!r} is no purchase id: take it from `leadfactory purchases list`") from None
