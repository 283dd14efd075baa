"""`leadfactory …`: every operator's command. Commands import what they need when they run, so that --help is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import (
    analysts,
    api_key,
    audit,
    backup,
    bounces,
    campaign_commands,
    dashboards,
    db,
    db_care,
    drafts,
    exclusions,
    experiments,
    gameday,
    gateway,
    halts,
    inbox,
    integrity,
    logs,
    night,
    production,
    purchases,
    reports,
    rotating,
    scoring,
    simulate,
    suppressions,
    targets,
    warehouse,
)
from cli.erasing import register as register_erasing
from cli.importing import register as register_importing
from cli.operations import register as register_operations

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="LeadFactory: from local businesses to letters that their owners are glad to get. Start with `leadfactory demo`.",
)
for name, module in (
    ("exclusions", exclusions), ("targets", targets), ("report", reports), ("drafts", drafts), ("inbox", inbox), ("bounces", bounces),
    ("halts", halts), ("api-key", api_key), ("warehouse", warehouse), ("purchases", purchases), ("scoring", scoring),
    ("dashboards", dashboards),
):  # fmt: skip
    app.add_typer(module.app, name=name)
for group in (
    campaign_commands,
    production,
    analysts,
    audit,
    experiments,
    gateway,
    db,
    db_care,
    integrity,
    backup,
    logs,
    night,
    suppressions,
    simulate,
    gameday,
):
    group.register(app)
rotating.register(app)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


@app.command(epilog="Example: leadfactory demo --json")
def demo(json: Json = False) -> None:
    """Run two campaigns from target to mart against the vendor sandbox, and show the funnel."""
    from cli.demo import run

    run(json=json)


@app.command(epilog="Example: leadfactory dev   (then open http://localhost:3333)")
def dev() -> None:
    """Start Postgres, the vendor sandbox, the edge and Dagster on this machine; Ctrl-C stops them all."""
    from cli.dev import run

    run()


@app.command(epilog='Examples: leadfactory explain joes-diner.example   ·   leadfactory explain "Joe\'s" --json')
def explain(
    business: Annotated[str, typer.Argument(help="An id, the domain of the website, or a part of the own name.")],
    json: Json = False,
) -> None:
    """Say why a business got its score and its mail, or why not: its way through every room, and the first gate."""
    scoring.explain(business, json=json)


@app.command("campaign-days", epilog="Example: leadfactory campaign-days --open")
def campaign_days(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not closed.")] = False,
    dirty: Annotated[bool, typer.Option("--dirty", help="Only those whose lake files are behind.")] = False,
    json: Json = False,
) -> None:
    """List campaign-days with their state, counts and what the lake still lacks."""
    from cli.campaign_days import list_days

    list_days(only_open=only_open, dirty=dirty, json=json)


register_importing(app)
register_operations(app)
register_erasing(app)


@app.command(epilog="Examples: leadfactory sends --state=unknown   ·   leadfactory sends --why=BUSINESS_ID --json")
def sends(
    state: Annotated[
        str | None, typer.Option(help="planned, claimed, accepted, rejected, unknown, expired or refused.")
    ] = None,
    why: Annotated[str | None, typer.Option(help="A business id: every move of its sends, with the reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many rows.")] = 50,
    json: Json = False,
) -> None:
    """List sends with state and outcome, or tell why one business was mailed, or not."""
    inbox.sends(state=state, why=why, limit=limit, json=json)


def main() -> None:
    """The console script."""
    from cli.running import run

    run(app)


if __name__ == "__main__":
    main()
