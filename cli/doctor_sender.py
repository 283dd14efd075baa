"""`leadfactory doctor sender`: SPF, DKIM and DMARC of the domains that letters come from, before a mailbox provider looks."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from cli.doctor import Finding, show
from cli.output import CommandError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of lines.")]


def register(app: typer.Typer) -> None:
    """Adds the command to ``app``."""
    app.command(
        "sender",
        epilog="Examples: leadfactory doctor sender   ·   leadfactory doctor sender ana@mail.example.com --selector=relay1 --json",
    )(sender)


def sender(
    address: Annotated[
        str | None, typer.Argument(help="An address or a domain; the senders of all campaigns when left out.")
    ] = None,
    selector: Annotated[
        list[str] | None, typer.Option(help="A DKIM selector, repeatable; SendGrid's s1 and s2 when left out.")
    ] = None,
    resolver: Annotated[
        str | None, typer.Option(help="address:port of a name server; this machine's when left out.")
    ] = None,
    json: Json = False,
) -> None:
    """Ask DNS for SPF, DKIM and DMARC of a sender's domain; exit code 1 when one is missing or broken. Changes nothing."""
    from leadfactory.d04_enrichment.mail_domains import MailDomains
    from leadfactory.d04_enrichment.policy import policy
    from leadfactory.d09_delivery import sender_dns
    from leadfactory.settings import settings

    where = settings().website_resolver if resolver is None else resolver
    if resolver is not None and not resolver.rpartition(":")[2].isdecimal():
        raise CommandError(f"--resolver={resolver!r} names no server: write address:port, such as 1.1.1.1:53")
    found = []
    for each in [address] if address is not None else _senders():
        asked = MailDomains(where, policy().mail_check)
        try:
            told = asyncio.run(sender_dns.look(each, selector or sender_dns.SELECTORS["sendgrid"], asked))
        except ValueError as error:
            raise CommandError(str(error)) from None
        found += [Finding(f"{one.name} {sender_dns.domain_of(each)}", one.state, one.told, one.remedy) for one in told]
    show(found, json=json)


def _senders() -> list[str]:
    import sqlalchemy as sa

    from cli.stores import reading
    from leadfactory.d01_targeting.tables import campaigns

    with reading() as tx:
        sender = campaigns.c.sender_email
        found = list(tx.scalars(sa.select(sender).where(sender.is_not(None)).distinct().order_by(sender)))
    if not found:
        raise CommandError(
            "no campaign has a sender yet: name one, as in `leadfactory doctor sender ana@mail.example.com`"
        )
    return list({each.rpartition("@")[2]: each for each in found}.values())
