"""Commands about campaigns: seed, configure, launch, test."""

from __future__ import annotations

import time
from typing import Any

import typer

from cli import stack
from cli.dagster_api import FINAL, DagsterApi
from cli.output import CommandError, Table, as_json, console, dollars, paint
from cli.plan import refuse_loss, show
from cli.stores import tell_of_pauses
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import campaigns, previewing
from leadfactory.d01_targeting.campaign_fields import MAX_BUDGET_CENTS
from leadfactory.d01_targeting.places import Kind
from leadfactory.database import Database
from leadfactory.settings import settings

RUN_WITHIN_S = 3600


def place_specs(
    zips: list[str] | None, cities: list[str] | None, metros: list[str] | None, states: list[str] | None
) -> list[campaigns.PlaceSpec]:
    """The places that the options of a command name."""
    named: dict[Kind, list[str] | None] = {"zip": zips, "city": cities, "metro": metros, "state": states}
    return [campaigns.PlaceSpec(kind, each) for kind, names in named.items() for each in names or []]


def seed(
    *, vertical: str, quota: int, places: list[campaigns.PlaceSpec], name: str | None, dry_run: bool, json: bool
) -> None:
    """Creates a draft-only campaign; seeding it again changes nothing."""
    with system_of_record() as db, db.begin() as tx:
        found = campaigns.seed(tx, vertical=vertical, places=places, quota=quota, name=name, now=settings().clock.now())
        gaps = campaigns.launch_gaps(found.row)
        if dry_run:
            tx.rollback()
    figures = {
        "campaign": found.row["campaign"],
        "state": found.row["state"],
        "created": found.created and not dry_run,
        "dry_run": dry_run,
        "missing_before_launch": [{"what": gap.what, "command": gap.command} for gap in gaps],
    }
    if json:
        as_json(figures)
        return
    verb = (
        "would create" if dry_run and found.created else ("created" if found.created else "already there, unchanged:")
    )
    console.print(
        f"{verb} {figures['campaign']} ({figures['state']}): {vertical} in {', '.join(p.place for p in places)}"
    )
    for gap in gaps:
        console.print(f"  before launch: {gap.what}   →  {gap.command}")
    if not dry_run:
        console.print(f"next: leadfactory test-pipeline --campaign {figures['campaign']} --limit=10 --dry-run")


def cents(dollars: float) -> int:
    """A budget as it is typed, in whole cents.

    Raises:
        CommandError: it is no number of dollars that a campaign may have.
    """
    if not 0.01 <= dollars <= MAX_BUDGET_CENTS / 100:  # not a number is in no range
        raise CommandError(f"--budget={dollars} is out of range: give dollars, 0.01 to {MAX_BUDGET_CENTS / 100:.0f}")
    return round(dollars * 100)


def configure(campaign: str, *, json: bool, **fields: Any) -> None:
    """Sets the fields that were given and lists what is still missing."""
    given = {name: value for name, value in fields.items() if value is not None}
    if not given:
        raise CommandError("nothing to set: give at least one option, see `leadfactory configure-campaign --help`")
    if given.get("consent_basis") == "simulated" and settings().env == "production":
        raise CommandError(
            "consent basis 'simulated' belongs to demos and tests; production refuses it: use consented or transactional"
        )
    with system_of_record() as db, db.begin() as tx:
        row = campaigns.configure(tx, campaign, **given)
        gaps = campaigns.launch_gaps(row)
    if json:
        as_json({"campaign": campaign, "set": sorted(given), "missing_before_launch": [gap.what for gap in gaps]})
        return
    console.print(f"{campaign}: set {', '.join(sorted(given))}")
    for gap in gaps:
        console.print(f"  still missing: {gap.what}   →  {gap.command}")
    if not gaps:
        console.print(f"  ready: leadfactory launch-campaign {campaign} --dry-run")


def launch(
    campaign: str | None, *, batch: int, dry_run: bool, yes: bool, json: bool, accept_loss: bool = False
) -> None:
    """Prints the plan, asks, launches, and sends at most ``batch`` first letters that are due in an open window."""
    if not 1 <= batch <= 10_000:
        raise CommandError(f"--batch={batch} is out of range: choose 1 to 10000 first letters a launch")
    with system_of_record() as db:
        slugs = _chosen(db, campaign, launched_only=campaign is None)
        plan = _plan(db, slugs, limit=None)
        with db.begin() as tx:
            gaps = {slug: campaigns.launch_gaps(campaigns.get(tx, slug)) for slug in slugs}
        _show_plan(plan, gaps, batch=batch, json=json, dry_run=dry_run)
        missing = {slug: each for slug, each in gaps.items() if each}
        if dry_run:
            return
        _refuse_paused(db, campaign)
        if missing:
            raise CommandError(
                "; ".join(f"{slug} lacks {', '.join(g.what for g in each)}" for slug, each in missing.items())
            )
        refuse_loss(plan, accept=accept_loss)
        if not yes and not typer.confirm(f"launch {', '.join(slugs)} and send at most {batch} first letters?"):
            raise CommandError("not launched")
        with db.begin() as tx:
            for slug in slugs:
                campaigns.launch(tx, slug, settings().clock.now())
    with running_factory(quiet=json) as api:
        for slug in slugs:
            api.register_campaign(slug)
        config = {"ops": {"send_all_due": {"config": {"dry_run": False, "limit": batch}}}}
        _wait(api, {"due_sends": api.launch("due_sends", config=config)})
    with system_of_record() as db, db.begin() as tx:
        states = _letters(tx, slugs)
    if json:
        as_json({"launched": slugs, "batch": batch, "dry_run": False, "letters": states})
        return
    told = (
        ", ".join(f"{count} {state}" for state, count in states.items())
        or "none planned: `email_drafts` has no letter that may leave"
    )
    console.print(f"launched {', '.join(slugs)}; letters by state: {told}")


def test_pipeline(*, limit: int, campaign: str | None, dry_run: bool, json: bool) -> None:
    """Today's campaign-day for at most ``limit`` businesses: real reads, no sends; with dry_run only the plan."""
    if not 1 <= limit <= 1000:
        raise CommandError(f"--limit={limit} is out of range: choose 1 to 1000 businesses")
    with system_of_record() as db:
        slugs = _chosen(db, campaign, launched_only=False)[:1]
        if dry_run:
            with db.begin() as tx:
                gaps = {slug: campaigns.launch_gaps(campaigns.get(tx, slug)) for slug in slugs}
            _show_plan(_plan(db, slugs, limit=limit), gaps, batch=0, json=json, dry_run=True)
            return
        _refuse_paused(db, slugs[0])
    unit = CampaignDay(slugs[0], settings().clock.today())
    with running_factory(quiet=json) as api:
        api.register_campaign(unit.campaign)
        config = {"ops": {"leadfactory__sourced_businesses": {"config": {"limit": limit}}}}
        _wait(api, {unit.key: api.launch("campaign_day", unit=unit, config=config)})
    with system_of_record() as db, db.begin() as tx:
        from leadfactory.d10_analytics import funnel

        counts = funnel.funnel_from_ledgers(tx, [unit])[unit]
        calls, spend = funnel.calls_and_spend(tx, [unit])
    figures = {
        "campaign_day": unit.key,
        **{f: getattr(counts, f) for f in funnel.FIELDS},
        "vendor_calls": calls,
        "cost_usd": spend / 1e6,
    }
    if json:
        as_json(figures)
        return
    table = Table(title=f"{unit.key}: at most {limit} businesses, nothing sent", title_justify="left")
    table.add_column("stage")
    table.add_column("rows", justify="right")
    for field in funnel.FIELDS:
        table.add_row(field, str(getattr(counts, field)))
    console.print(table)
    console.print(f"vendor calls: {calls}; {dollars(spend)}")


def _refuse_paused(db: Database, campaign: str | None) -> None:
    """Says whose word holds the work back before anything is written or started; its run would only be cancelled minutes later."""
    from leadfactory import pauses

    with db.begin() as tx:
        pauses.refuse(pauses.holding(pauses.current(tx), *([] if campaign is None else [("campaign", campaign)])))


def _letters(tx: Any, slugs: list[str]) -> dict[str, int]:
    """State → how many letters of the campaigns are in it."""
    import sqlalchemy as sa

    from leadfactory.d09_delivery.tables import email_sends as sends

    query = (
        sa.select(sends.c.state, sa.func.count().label("n")).where(sends.c.campaign.in_(slugs)).group_by(sends.c.state)
    )
    return {row.state: row.n for row in tx.execute(query)}


class system_of_record:
    """The system of record for one command; an embedded server is started when it does not run, and left running."""

    def __enter__(self) -> Database:
        from leadfactory import migrate

        migrate.upgrade(settings())
        self._db = Database.from_settings(settings())
        tell_of_pauses(self._db)
        return self._db

    def __exit__(self, *_: object) -> None:
        self._db.dispose()


class running_factory:
    """The Dagster that runs on this machine (`make dev`), or one started for this command and stopped after it."""

    def __init__(self, *, quiet: bool) -> None:
        self._say = (lambda line: None) if quiet else (lambda line: console.print(paint("green", "✓"), line))
        self._own: Any = None

    def __enter__(self) -> DagsterApi:
        api = stack.find_dagster(settings())
        if api is not None:
            return api
        self._own = stack.factory(self._say, any_port=True)
        return self._own.__enter__()

    def __exit__(self, *error: Any) -> None:
        if self._own is not None:
            self._own.__exit__(*error)


def _chosen(db: Database, campaign: str | None, *, launched_only: bool) -> list[str]:
    with db.begin() as tx:
        if campaign is not None:
            return [campaigns.get(tx, campaign)["campaign"]]
        slugs = campaigns.active(tx, settings().clock.today())
        if launched_only:
            slugs = [slug for slug in slugs if campaigns.get(tx, slug)["state"] == "launched"]
    if not slugs:
        raise CommandError(
            "no campaign is active today: create one with `leadfactory seed-campaigns --vertical=restaurant --zip=10001 --quota=100`"
        )
    return slugs


def _plan(db: Database, slugs: list[str], *, limit: int | None) -> previewing.Plan:
    today = settings().clock.today()
    with db.begin() as tx:
        return previewing.preview(tx, [CampaignDay(slug, today) for slug in slugs], limit=limit)


def _show_plan(plan: previewing.Plan, gaps: dict[str, Any], *, batch: int, json: bool, dry_run: bool) -> None:
    figures = plan.figures() | {
        "batch": batch,
        "dry_run": dry_run,
        "missing_before_launch": {slug: [g.what for g in each] for slug, each in gaps.items()},
    }
    if json:
        if dry_run:
            as_json(figures)
        return
    show(plan, title="The plan, from stored yields" + (" (dry run: nothing is called or spent)" if dry_run else ""))
    told = {f"{slug} lacks {gap.what}" for slug, each in gaps.items() for gap in each}
    for gate in (gate for gate in plan.gates if gate not in told):
        console.print(f"  would be stopped by: {gate}")
    for slug, each in gaps.items():
        for gap in each:
            console.print(f"  {slug} lacks {gap.what}   →  {gap.command}")


def _wait(api: DagsterApi, runs: dict[str, str]) -> None:
    deadline = time.monotonic() + RUN_WITHIN_S
    with console.status("running …") as status:
        for name, run_id in runs.items():
            while (now := api.run(run_id).status) not in FINAL:
                status.update(f"{name}: {now.lower()}  ({api.url}/runs/{run_id})")
                if time.monotonic() > deadline:
                    raise CommandError(
                        f"{name} (run {run_id}) is still {now} after {RUN_WITHIN_S} s; it goes on at {api.url}"
                    )
                time.sleep(0.5)
            if now != "SUCCESS":
                raise CommandError(f"{name} ended with {now}: {api.why_failed(run_id)}")
