"""`leadfactory seed-campaigns`, `configure-campaign`, `launch-campaign`, `plan` and `test-pipeline`: campaigns from first to last word."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

commands = typer.Typer()
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.registered_commands += commands.registered_commands


@commands.command(
    "seed-campaigns",
    epilog="Examples: leadfactory seed-campaigns --vertical=restaurant --zip=10001 --quota=100   ·   "
    "leadfactory seed-campaigns --vertical=dental --city='Chicago, IL' --quota=150 --dry-run",
)
def seed_campaigns(
    vertical: Annotated[str, typer.Option(help="One of config/verticals.yaml, for example restaurant.")],
    quota: Annotated[int, typer.Option(help="Businesses a day, 1 to 100000.")],
    zip_code: Annotated[list[str] | None, typer.Option("--zip", help="A US ZIP code; may be repeated.")] = None,
    city: Annotated[list[str] | None, typer.Option(help="A city as 'New York, NY'; may be repeated.")] = None,
    metro: Annotated[list[str] | None, typer.Option(help="A metro of config/metros.yaml; may be repeated.")] = None,
    state: Annotated[list[str] | None, typer.Option(help="A state as two letters, NY; may be repeated.")] = None,
    name: Annotated[
        str | None, typer.Option(help="The campaign's slug; made from vertical and place when left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be created and write nothing.")] = False,
    json: Json = False,
) -> None:
    """Create a draft-only campaign that aims a vertical at one or more places."""
    from cli.campaigns import place_specs, seed

    places = place_specs(zip_code, city, metro, state)
    seed(vertical=vertical, quota=quota, places=places, name=name, dry_run=dry_run, json=json)


@commands.command(
    "configure-campaign",
    epilog="Example: leadfactory configure-campaign restaurant-10001 --sender-email=ana@mail.leadfactory.example "
    "--sender-name='Ana Ruiz' --postal-address='1 Main St, New York, NY 10001' --consent-basis=consented --budget=250",
)
def configure_campaign(
    campaign: Annotated[str, typer.Argument(help="The campaign's slug.")],
    consent_basis: Annotated[
        str | None, typer.Option(help="consented, transactional, cold, or simulated outside production.")
    ] = None,
    mailer: Annotated[str | None, typer.Option(help="sendgrid, or smtp for the relay of SMTP_URL.")] = None,
    acknowledge_risk: Annotated[
        str | None,
        typer.Option(
            help="First and last name of who takes the risk of cold mail, which the mailer's terms do not accept."
        ),
    ] = None,
    sender_email: Annotated[str | None, typer.Option(help="The true From address.")] = None,
    sender_name: Annotated[str | None, typer.Option(help="The person who signs.")] = None,
    postal_address: Annotated[str | None, typer.Option(help="A street address, as CAN-SPAM asks.")] = None,
    budget: Annotated[float | None, typer.Option(help="US dollars that the campaign may spend on vendors.")] = None,
    top_share: Annotated[float | None, typer.Option(help="Share of scored leads that is written to, 0 to 1.")] = None,
    daily_quota: Annotated[int | None, typer.Option(help="Businesses a day, 1 to 100000.")] = None,
    starts_on: Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day of sourcing.")] = None,
    ends_on: Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of sourcing.")] = None,
    min_tier: Annotated[
        str | None, typer.Option(help="Lowest tier that is written to, A to D; the scoring rules' own when never set.")
    ] = None,
    desktop: Annotated[
        bool | None,
        typer.Option("--desktop/--no-desktop", help="Measure websites as a computer too, or as a phone only."),
    ] = None,
    review: Annotated[
        str | None,
        typer.Option(help="Which letters wait for a person: auto (none), sample (10 %), all, or a percentage."),
    ] = None,
    json: Json = False,
) -> None:
    """Set what a campaign needs before it may be launched, and how it is run."""
    from cli.campaigns import cents, configure
    from leadfactory.d08_personalization.reviews import percent_of

    configure(
        campaign,
        consent_basis=consent_basis,
        mailer=mailer,
        risk_acknowledged_by=acknowledge_risk,
        sender_email=sender_email,
        sender_name=sender_name,
        postal_address=postal_address,
        budget_cents=None if budget is None else cents(budget),
        top_share=top_share,
        daily_quota=daily_quota,
        starts_on=None if starts_on is None else starts_on.date(),
        ends_on=None if ends_on is None else ends_on.date(),
        min_tier=min_tier,
        pagespeed_desktop=desktop,
        review_percent=None if review is None else percent_of(review),
        json=json,
    )


@commands.command(
    "launch-campaign", epilog="Example: leadfactory launch-campaign restaurant-10001 --batch=100 --dry-run"
)
def launch_campaign(
    campaign: Annotated[str | None, typer.Argument(help="One campaign; all launched ones when left out.")] = None,
    batch: Annotated[int, typer.Option(help="At most this many first letters in this launch.")] = 100,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan; call nothing, spend nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Launch although its sales are expected to cost more than they bring.")
    ] = False,
    json: Json = False,
) -> None:
    """Launch a campaign (or send the next batch of all launched ones) after printing the plan and asking."""
    from cli.campaigns import launch

    launch(campaign, batch=batch, dry_run=dry_run, yes=yes, json=json, accept_loss=accept_loss)


@commands.command(
    epilog="Examples: leadfactory plan --campaign restaurant-10001 --date 2026-10-06   ·   leadfactory plan --json"
)
def plan(
    campaign: Annotated[
        list[str] | None, typer.Option(help="A campaign; may be repeated. All active ones when left out.")
    ] = None,
    date: Annotated[str | None, typer.Option(help="The campaign-day as YYYY-MM-DD; today when left out.")] = None,
    json: Json = False,
) -> None:
    """Show what campaign-days would source, cost and bring, per target, and what bounds them. Calls and spends nothing."""
    from cli.plan import run

    run(campaign or [], date=date, json=json)


@commands.command("test-pipeline", epilog="Example: leadfactory test-pipeline --limit=10 --dry-run")
def test_pipeline(
    limit: Annotated[int, typer.Option(help="Businesses, 1 to 1000.")] = 10,
    campaign: Annotated[str | None, typer.Option(help="One campaign; the first active one when left out.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan from stored yields; call and spend nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Run today's campaign-day for a few businesses with real reads and no sends."""
    from cli.campaigns import test_pipeline as run

    run(limit=limit, campaign=campaign, dry_run=dry_run, json=json)
