"""`leadfactory pause`, `resume` and `pauses`: an operator's word that holds work back in every process, and takes it back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import CommandError, Table, as_json, console

if TYPE_CHECKING:
    import sqlalchemy as sa

    from leadfactory import pauses

What = Annotated[str, typer.Argument(help="all, campaign, sender or vendor.")]
Which = Annotated[str | None, typer.Argument(help="The campaign's slug, the sender's address or the vendor's name.")]
Reason = Annotated[str, typer.Option(help="Why; shown to whoever is held back and kept in the audit log.")]
By = Annotated[str | None, typer.Option(help="Who decides; the name you are logged in by when left out.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would hold back, or let go; change nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to ``app``."""
    app.command(
        epilog="Examples: leadfactory pause all --reason='Postgres is moved to a new disk'   ·   "
        "leadfactory pause campaign restaurant-10001 --reason='the owner asked'   ·   leadfactory pause vendor yelp --reason='bill'"
    )(pause)
    app.command(epilog="Example: leadfactory resume all --reason='the new disk is in'")(resume)
    app.command("pauses", epilog="Examples: leadfactory pauses   ·   leadfactory pauses --all --json")(list_pauses)


def pause(
    what: What, which: Which = None, *, reason: Reason, by: By = None, dry_run: DryRun = False, json: Json = False
) -> None:
    """Hold work back until `resume`: no run starts, running ones stop at the next lead, nothing is sent or called.

    Under `pause all` only backups, repair, the deletions that vendors' terms ask for and the webhook inbox go on.
    """
    from leadfactory import pauses

    _speak(pauses.pause, "pause", what, which, reason=reason, by=by, dry_run=dry_run, json=json)


def resume(
    what: What, which: Which = None, *, reason: Reason, by: By = None, dry_run: DryRun = False, json: Json = False
) -> None:
    """Let go on what was paused. Today's campaign-days that it held back are taken up within two minutes."""
    from leadfactory import pauses

    _speak(pauses.resume, "resume", what, which, reason=reason, by=by, dry_run=dry_run, json=json)


def list_pauses(
    all_of_them: Annotated[bool, typer.Option("--all", help="Those that were taken back too.")] = False,
    json: Json = False,
) -> None:
    """List what is paused, by whom and why."""
    import sqlalchemy as sa

    from cli.campaigns import system_of_record
    from leadfactory import pauses

    query = sa.select(pauses.pauses).order_by(pauses.pauses.c.pause_id.desc())
    with system_of_record() as db, db.begin() as tx:
        found = [dict(row._mapping) for row in tx.execute(query)]
    rows = [row for row in found if all_of_them or row["resumed_at"] is None]
    if json:
        as_json(rows)
        return
    columns = ("kind", "key", "reason", "paused_by", "paused_at", "resumed_by", "resumed_at", "resumed_why")
    table = Table(*columns)
    for row in rows:
        table.add_row(*("–" if row[name] in (None, "") else str(row[name]) for name in columns))
    console.print(table if rows else "nothing is paused")


def _speak(
    word: Any, action: str, what: str, which: str | None, *, reason: str, by: str | None, dry_run: bool, json: bool
) -> None:
    from cli.campaigns import system_of_record
    from cli.stores import actor
    from leadfactory import audit_log
    from leadfactory.settings import settings

    now, who = settings().clock.now(), by or actor().removeprefix("operator ")
    with system_of_record() as db, db.begin() as tx:
        kind, key = _subject(tx, what, which)
        held: pauses.Pause = word(tx, kind, key, reason=reason, by=who, now=now)
        figures = dataclasses.asdict(held) | {"action": action, "dry_run": dry_run} | _reach(tx, held)
        if dry_run:
            tx.rollback()
        else:
            subject = (
                f"sender of pause {held.pause_id}" if kind == "sender" else held.what
            )  # an address is never logged
            audit_log.record(
                tx, actor=f"operator {who}", action=action, subject=subject, detail={"reason": reason.strip()}, now=now
            )
    if json:
        as_json(figures)
        return
    verb = {"pause": "held back", "resume": "let go on"}[action]
    console.print(
        f"{held.what} {'would be' if dry_run else 'is'} {verb}: {figures['campaigns']} campaigns that source today, "
        f"{figures['sends']} planned sends" + ("" if dry_run else "; every process hears it within a second")
    )


def _subject(tx: sa.Connection, what: str, which: str | None) -> tuple[str, str]:
    """The kind and key that are meant.

    Raises:
        CommandError: there is no such thing.
    """
    import sqlalchemy as sa

    from leadfactory import pauses
    from leadfactory.d00_gateway.policies import Policies
    from leadfactory.d01_targeting.tables import campaigns
    from leadfactory.settings import settings

    if what not in pauses.KINDS:
        raise CommandError(f"{what!r} is nothing to pause: choose {', '.join(pauses.KINDS)}")
    if (what == "all") != (which is None):
        raise CommandError(
            f"`all` takes no name, and {which!r} is one" if which else f"which {what}? write it after the word {what}"
        )
    if what == "all":
        return "all", ""
    known = {
        "campaign": lambda: set(tx.scalars(sa.select(campaigns.c.campaign))),
        "sender": lambda: set(tx.scalars(sa.select(campaigns.c.sender_email).where(campaigns.c.sender_email.is_not(None)))),
        "vendor": lambda: set(Policies.for_settings(settings()).vendors),
    }[what]()  # fmt: skip
    if which not in known:
        raise CommandError(f"there is no {what} {which!r}: known are {', '.join(sorted(known)) or 'none yet'}")
    return what, str(which)


def _reach(tx: sa.Connection, held: pauses.Pause) -> dict[str, int]:
    """How many campaigns that source today and planned sends a pause reaches."""
    import sqlalchemy as sa

    from leadfactory.d01_targeting import campaigns
    from leadfactory.d01_targeting.tables import campaigns as table
    from leadfactory.d09_delivery.tables import email_sends as sends
    from leadfactory.settings import settings

    active = campaigns.active(tx, settings().clock.today())
    mine = {
        "all": sa.true(), "campaign": sends.c.campaign == held.key, "sender": sends.c.sender_email == held.key,
        "vendor": table.c.mailer == held.key,
    }[held.kind]  # fmt: skip
    query = sa.select(sa.func.count()).select_from(sends).join(table, table.c.campaign == sends.c.campaign)
    planned = tx.scalar(query.where(sends.c.state == "planned", mine)) or 0
    reached = {"all": active, "campaign": [one for one in active if one == held.key]}.get(held.kind, [])
    return {"campaigns": len(reached), "sends": planned}
