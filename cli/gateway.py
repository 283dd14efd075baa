"""`leadfactory quota`, `rate-limits`, `breaker` and `cache`: what the vendors still allow, and an operator's word to the gateway."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import getpass
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import CommandError, Table, as_json, console, dollars, paint

if TYPE_CHECKING:
    import sqlalchemy as sa
    from rich.text import Text

    from leadfactory.d00_gateway.policies import Policies

breaker = typer.Typer(no_args_is_help=True, help="Circuit breakers: list them, or overrule one for all processes.")
cache = typer.Typer(no_args_is_help=True, help="Stored vendor answers: how many, how old, how often used; clear them.")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Vendor = Annotated[str, typer.Argument(help="A vendor of config/vendors.yaml, for example yelp.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept in the audit log and shown to whoever is held back.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to ``app``."""
    app.add_typer(breaker, name="breaker")
    app.add_typer(cache, name="cache")
    app.command(epilog="Examples: leadfactory quota   ·   leadfactory quota --json")(quota)
    app.command("rate-limits", epilog="Example: leadfactory rate-limits --json")(rate_limits)


def quota(json: Json = False) -> None:
    """Show what each vendor's limits and each budget have left, when they reset and when they run out at today's pace."""
    from leadfactory.d00_gateway import usage

    with _begin() as tx:
        rates, budgets = usage.rates(tx, _policies()), usage.spending(tx)
    if json:
        as_json(
            {"rates": [dataclasses.asdict(one) for one in rates], "budgets": [dataclasses.asdict(b) for b in budgets]}
        )
        return
    table = _table("vendor", "per", "used", "leased", "limit", "share", "resets", "runs out")
    for one in rates:
        ends = "now" if one.share >= 1 else _time(one.exhausted_at) if one.exhausted_at else "not in this window"
        if one.blocked_until:
            ends = f"vendor said stop until {_time(one.blocked_until)}"
        table.add_row(
            one.vendor, one.rate, str(one.used), str(one.leased), str(one.limit), _share(one.share), _time(one.resets_at),
            ends if one.rate == "day" or one.blocked_until else "–",
        )  # fmt: skip
    console.print(table)
    table = _table("budget", "key", "spent", "reserved", "cap", "share")
    for each in budgets:
        table.add_row(
            each.scope, each.key, dollars(each.spent), dollars(each.reserved), dollars(each.cap), _share(each.share)
        )
    console.print(table if budgets else "no budget was drawn on yet")


def rate_limits(json: Json = False) -> None:
    """Show what each rate granted, let wait and refused, and the value that would fit better."""
    from leadfactory.d00_gateway import usage

    with _begin() as tx:
        found = usage.advice(tx, _policies())
    if json:
        as_json([dataclasses.asdict(one) for one in found])
        return
    table = _table("vendor", "per", "limit", "granted in 7 days", "waited", "refused", "429s", "proposed", "because")
    for one in found:
        proposed = str(one.proposed) if one.proposed == one.limit else paint("yellow", one.proposed)
        table.add_row(
            one.vendor, one.rate, str(one.limit), str(one.granted), str(one.waited), str(one.refused),
            str(one.vendor_said_no), proposed, one.because,
        )  # fmt: skip
    console.print(table)
    console.print("to change a limit: vendors.<name>.rates in config/vendors.yaml")


@breaker.command("list", epilog="Example: leadfactory breaker list --json")
def list_breakers(json: Json = False) -> None:
    """List the breakers: closed (calls pass), open (they are held back), half open (one call probes)."""
    from leadfactory.d00_gateway import usage

    with _begin() as tx:
        found = usage.breakers(tx, _policies())
    if json:
        as_json(found)
        return
    table = _table("vendor", "state", "forced", "faults in a row", "tried again", "reason")
    for row in found:
        colour = "green" if (row["forced"] or row["state"]) == "closed" else "red"
        table.add_row(
            str(row["vendor"]), paint(colour, row["state"]), str(row["forced"] or "–"), str(row["failures"]),
            _time(row["retry_at"]), str(row["reason"] or "–"),
        )  # fmt: skip
    console.print(table)


@breaker.command(
    "force-open", epilog="Example: leadfactory breaker force-open yelp --reason='their status page is red'"
)
def force_open(vendor: Vendor, reason: Reason, json: Json = False) -> None:
    """Hold back every call to a vendor, in all processes, until `breaker auto`."""
    _force(vendor, "open", reason, json=json)


@breaker.command("force-close", epilog="Example: leadfactory breaker force-close yelp --reason='faults were ours'")
def force_close(vendor: Vendor, reason: Reason, json: Json = False) -> None:
    """Let every call to a vendor pass, whatever it answers, until `breaker auto`."""
    _force(vendor, "closed", reason, json=json)


@breaker.command(epilog="Example: leadfactory breaker auto yelp")
def auto(vendor: Vendor, reason: Reason = "the breaker decides again", json: Json = False) -> None:
    """Let the breaker decide again, starting from closed."""
    _force(vendor, None, reason, json=json)


@cache.command("stats", epilog="Example: leadfactory cache stats --json")
def cache_stats(json: Json = False) -> None:
    """Show the stored answers of each vendor, those past their term, and the hits of the last seven days."""
    from leadfactory.d00_gateway import usage
    from leadfactory.settings import settings

    with _begin() as tx:
        found = usage.cached(tx, settings().clock.now())
    if json:
        as_json(found)
        return
    table = _table("vendor", "answers", "past their term", "KiB", "oldest", "hits of calls in 7 days")
    for row in found:
        calls, hits = int(str(row["calls"])), int(str(row["hits"]))
        share = f"{hits} of {calls} ({hits / calls:.0%})" if calls else "no calls"
        table.add_row(
            str(row["vendor"]), str(row["answers"]), str(row["expired"]), f"{int(str(row['bytes'])) / 1024:,.0f}",
            _time(row["oldest_at"]), share,
        )  # fmt: skip
    console.print(table if found else "nothing is stored and nothing was called yet")


@cache.command(
    "clear",
    epilog="Examples: leadfactory cache clear --vendor=yelp --dry-run   ·   leadfactory cache clear --older-than=6h --yes",
)
def cache_clear(
    vendor: Annotated[str | None, typer.Option(help="Only this vendor's answers.")] = None,
    older_than: Annotated[str | None, typer.Option(help="Only answers older than this: 30m, 6h or 2d.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Delete stored vendor answers; they are fetched, and paid for, again. Limits, breakers, budgets and ledger stay."""
    from leadfactory.d00_gateway import usage
    from leadfactory.inbox import audit
    from leadfactory.settings import settings

    if vendor is not None:
        _policies().of(vendor)
    now = settings().clock.now()
    before = None if older_than is None else now - _age(older_than)
    with _begin() as tx:
        count = usage.stored(tx, vendor=vendor, fetched_before=before)
    if count and not dry_run:
        if not yes:
            typer.confirm(f"{count} stored answers will be deleted and paid for again when needed. Go on?", abort=True)
        with _begin() as tx:
            count = usage.clear_cache(tx, vendor=vendor, fetched_before=before)
            audit.note(
                tx,
                f"operator {getpass.getuser()}",
                "cache_clear",
                now,
                vendor=vendor,
                older_than=older_than,
                answers=count,
            )
    if json:
        as_json({"answers": count, "dry_run": dry_run})
    else:
        console.print(f"{count} stored answers {'would be' if dry_run else 'were'} deleted")


def _force(vendor: str, state: Any, reason: str, *, json: bool) -> None:
    from leadfactory.d00_gateway import breaker as breakers
    from leadfactory.inbox import audit
    from leadfactory.settings import settings

    policy = _policies().of(vendor)
    if policy.breaker is None:
        raise CommandError(f"vendor {vendor!r} has no breaker (config/vendors.yaml: vendors.{vendor}.breaker)")
    if not reason.strip():
        raise CommandError("--reason is empty: say why, for whoever reads the audit log")
    with _begin() as tx:
        breakers.force(tx, vendor, state, reason.strip())
        word = "auto" if state is None else f"force_{'open' if state == 'open' else 'close'}"
        now = settings().clock.now()
        audit.note(tx, f"operator {getpass.getuser()}", f"breaker_{word}", now, vendor=vendor, reason=reason.strip())
    if json:
        as_json({"vendor": vendor, "forced": state, "reason": reason.strip()})
        return
    told = {"open": "held back", "closed": "let through", None: "left to the breaker"}[state]
    console.print(f"calls to {vendor} are {told}; every process hears it within a second")


def _age(text: str) -> dt.timedelta:
    units = {"m": "minutes", "h": "hours", "d": "days"}
    if text[-1:] not in units or not text[:-1].isdigit():
        raise CommandError(f"--older-than={text!r} is not an age: write 30m, 6h or 2d")
    return dt.timedelta(**{units[text[-1]]: int(text[:-1])})


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column)
    return table


def _share(share: float) -> Text:
    colour = "red" if share >= 1 else "yellow" if share > 0.8 else "green"
    return paint(colour, f"{share:.0%}")


def _time(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment is not None else "–"


@contextlib.contextmanager
def _begin() -> Iterator[sa.Connection]:
    from cli.campaigns import system_of_record

    with system_of_record() as db, db.begin() as tx:
        yield tx


def _policies() -> Policies:
    from leadfactory.d00_gateway.policies import Policies
    from leadfactory.settings import settings

    return Policies.for_settings(settings())
