"""`leadfactory verify-integrations`: does every vendor answer, with the key we have, and what quota is left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import typer

from cli import stack
from cli.doctor import Finding
from cli.output import Table, as_json, console, paint
from leadfactory.d00_gateway.errors import VendorError
from leadfactory.settings import settings


def run(*, json: bool) -> None:
    """One call without side effects per vendor; exit code 1 when one does not answer or refuses the key."""
    with _vendors_there(quiet=json):
        results = asked()
    if json:
        as_json(results)
    else:
        table = Table()
        for column in ("vendor", "answer", "quota left", "base URL"):
            table.add_column(column)
        for name, result in results.items():
            colour = "green" if result["ok"] else "red"
            table.add_row(name, paint(colour, result["told"]), str(result["quota"]), str(result["base_url"]))
        console.print(table)
    if not all(result["ok"] for result in results.values()):
        raise typer.Exit(1)


def asked() -> dict[str, dict[str, object]]:
    """What each vendor said, and what our own limits leave of its quota."""
    from leadfactory.d00_gateway import usage
    from leadfactory.d00_gateway.policies import Policies
    from leadfactory.database import Database

    results = asyncio.run(_ping_all())
    db = Database.from_settings(settings())
    try:
        with db.begin() as tx:
            rates = usage.rates(tx, Policies.for_settings(settings()))
    finally:
        db.dispose()
    for name, result in results.items():
        left = [
            f"{one.limit - one.used - one.leased} of {one.limit} a {one.rate}" for one in rates if one.vendor == name
        ]
        result["quota"] = ", ".join(left[-1:]) or "no limit is set"
    return results


def findings() -> list[Finding]:
    """The same for `doctor`."""
    return [
        Finding(
            name,
            "ok" if result["ok"] else "broken",
            f"{result['told']}; {result['quota']}",
            "" if result["ok"] else "leadfactory breaker list; then the key and the vendor's status page",
        )
        for name, result in asked().items()
    ]


async def _ping_all() -> dict[str, dict[str, object]]:
    from leadfactory.d00_gateway.gateway import shared
    from leadfactory.d00_gateway.openai import OpenAIClient
    from leadfactory.d00_gateway.pagespeed import PagespeedClient
    from leadfactory.d00_gateway.places import PlacesClient
    from leadfactory.d00_gateway.sendgrid import SendGridClient
    from leadfactory.d00_gateway.stripe import StripeClient
    from leadfactory.d00_gateway.yelp import YelpClient

    config = settings()
    gateway = shared(config)
    clients: dict[str, Any] = {
        "yelp": YelpClient,
        "places": PlacesClient,
        "pagespeed": PagespeedClient,
        "openai": OpenAIClient,
        "sendgrid": SendGridClient,
        "stripe": StripeClient,
    }
    results: dict[str, dict[str, object]] = {}
    async with gateway.running(unit=None, asset="verify_integrations"):
        for name, client in clients.items():
            try:
                told, ok = await client(gateway, config).ping(), True
            except VendorError as error:
                told, ok = str(error), False
            results[name] = {"ok": ok, "told": told, "base_url": getattr(config, f"{name}_base_url")}
    return results


@contextlib.contextmanager
def _vendors_there(*, quiet: bool) -> Iterator[None]:
    """The stores, and the sandbox when the settings point at it and nobody runs it yet."""
    say = (lambda line: None) if quiet else (lambda line: console.print(paint("green", "✓"), line))
    with stack.database(say):
        if settings().uses_sandbox and not stack.answers(f"{settings().sandbox_url}/_health"):
            with stack.sandbox(say, any_port=True):
                yield
        else:
            yield
