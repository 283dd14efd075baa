"""One stage of one campaign-day from the shell: ``python -m leadfactory.stage <stage> <campaign|YYYY-MM-DD>``.

The same room functions that the assets call, under the same advisory lock, without Dagster and without GX: for crash
tests, benchmarks and an operator whose orchestrator is down.

``LEADFACTORY_CRASH_AT=<n>`` (refused in production) makes the process kill itself with SIGKILL at the n-th of its crash
points: before and after every commit and every vendor call, around the send journal's fsync, before a file of the lake is
replaced. Work is then done one item at a time, stored two together, so that two runs over the same rows number the same
points; a run that reached its end tells them as JSON on standard error. 0 counts only.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from leadfactory import archives, crash_points, flow, logs
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory.flow import Progress, quiet
from leadfactory.locks import campaign_day_lock
from leadfactory.pauses import watching
from leadfactory.settings import Settings, SettingsError, settings
from leadfactory.stage_report import StageReport

CRASH_AT = "LEADFACTORY_CRASH_AT"
_STORED_TOGETHER = 2  # at crash points: small enough that few leads show what a kill between two stores leaves
Stage = Callable[[CampaignDay, Database, Clock, Settings, Progress], StageReport | Awaitable[StageReport]]


def _target(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    from leadfactory.d01_targeting import planning

    return planning.plan_day(unit, db=db, clock=clock)


async def _source(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    from leadfactory.d00_gateway.gateway import shared
    from leadfactory.d00_gateway.yelp import YelpClient
    from leadfactory.d02_sourcing import sourcing

    yelp = YelpClient(shared(config), config)
    return await sourcing.source(unit, db=db, clock=clock, settings=config, yelp=yelp, progress=progress)


def _unify(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    from leadfactory.d02_sourcing import uniqueness

    return uniqueness.unify(unit, db=db, clock=clock, settings=config)


async def _enrich(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    from leadfactory.d00_gateway.gateway import shared
    from leadfactory.d00_gateway.places import PlacesClient
    from leadfactory.d00_gateway.website.client import WebsiteClient
    from leadfactory.d04_enrichment import enriching

    gateway = shared(config)
    return await enriching.enrich(
        unit,
        db=db,
        clock=clock,
        settings=config,
        places=PlacesClient(gateway, config),
        website=WebsiteClient(gateway, config),
        progress=progress,
    )


async def _audit(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    from leadfactory.d00_gateway.gateway import shared
    from leadfactory.d00_gateway.pagespeed import PagespeedClient
    from leadfactory.d00_gateway.website.client import WebsiteClient
    from leadfactory.d03_assessment import auditing

    gateway = shared(config)
    return await auditing.audit(
        unit,
        db=db,
        clock=clock,
        pagespeed=PagespeedClient(gateway, config),
        website=WebsiteClient(gateway, config),
        progress=progress,
    )


async def _explain(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    from leadfactory.d00_gateway.gateway import shared
    from leadfactory.d00_gateway.openai import OpenAIClient
    from leadfactory.d03_assessment import insights

    return await insights.explain(
        unit, db=db, clock=clock, openai=OpenAIClient(shared(config), config), progress=progress
    )


def _score(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    from leadfactory.d05_scoring import scoring

    return scoring.score(unit, db=db, clock=clock)


def _assign(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    from leadfactory.d11_experiments import assignment

    return assignment.assign(unit, db=db, clock=clock)


async def _draft(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    from leadfactory.d00_gateway.gateway import shared
    from leadfactory.d00_gateway.openai import OpenAIClient
    from leadfactory.d08_personalization import drafting

    return await drafting.draft(
        unit, db=db, clock=clock, settings=config, openai=OpenAIClient(shared(config), config), progress=progress
    )


async def _send(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    from leadfactory.d09_delivery import sending
    from leadfactory.d09_delivery.mailer import PostOffice

    return await sending.send_due(
        unit,
        db=db,
        clock=clock,
        settings=config,
        mailer=PostOffice.of(config),
        dry_run=False,
        progress=progress,
    )


async def _checkout(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    """Opens the checkout of the campaign-day's first letter, as its reader's click does."""
    import sqlalchemy as sa

    from leadfactory.d00_gateway.gateway import shared
    from leadfactory.d00_gateway.stripe import StripeClient
    from leadfactory.d07_storefront import checkout
    from leadfactory.d09_delivery.tables import email_sends as s

    with db.begin() as tx:
        send_id = tx.scalars(
            sa.select(s.c.send_id)
            .where(s.c.campaign == unit.campaign, s.c.cohort_on == unit.day, s.c.state == "accepted")
            .order_by(s.c.business_id)
        ).first()
    if send_id is None:
        raise LookupError(f"no letter of {unit.key} was accepted: there is nothing to buy")
    stripe = StripeClient(shared(config), config)
    await checkout.open_checkout(send_id, db=db, stripe=stripe, clock=clock, settings=config)
    return StageReport("checkout_sessions", unit, "open", 1, 1)


async def _paid(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    """Folds the payments that wait and does what they ask for, as the drain's run does it, whichever campaign-day is named."""
    from leadfactory.d00_gateway.gateway import shared
    from leadfactory.d00_gateway.pagespeed import PagespeedClient
    from leadfactory.d00_gateway.stripe import StripeClient
    from leadfactory.d00_gateway.website.client import WebsiteClient
    from leadfactory.d06_reports import paid_work
    from leadfactory.d07_storefront import folding
    from leadfactory.d09_delivery.mailer import PostOffice

    gateway = shared(config)
    folding.drain(db=db, clock=clock, settings=config)
    await paid_work.work(
        db=db,
        clock=clock,
        settings=config,
        stripe=StripeClient(gateway, config),
        mailer=PostOffice.of(config, gateway),
        pagespeed=PagespeedClient(gateway, config),
        website=WebsiteClient(gateway, config),
    )
    with db.begin() as tx:
        return paid_work.report_of(tx, "report_deliveries", unit)


def _export(unit: CampaignDay, db: Database, clock: Clock, config: Settings, progress: Progress) -> StageReport:
    """Everything that is behind, as the nightly export does it, whichever campaign-day is named."""
    from leadfactory import campaign_days
    from leadfactory.d10_analytics import export

    told = export.export_lake(db=db, clock=clock, settings=config)
    with db.begin() as tx:
        state = campaign_days.state_of(tx, unit)
    counts = {"campaign-days": told.units, "files changed": told.files, "campaign-days behind again": told.behind}
    return StageReport("lake_export", unit, state, told.rows, told.rows, seconds=told.seconds, counts=counts)


STAGES: dict[str, tuple[str, Stage]] = {
    "targeting": ("night", _target),
    "sourcing": ("night", _source),
    "uniqueness": ("night", _unify),
    "enriching": ("night", _enrich),
    "auditing": ("night", _audit),
    "insights": ("night", _explain),
    "scoring": ("night", _score),
    "experiments": ("night", _assign),
    "drafting": ("night", _draft),
    "sending": ("delivery", _send),
    "checkout": ("storefront", _checkout),
    "paid": ("reports", _paid),
    "export": ("export", _export),
}
NIGHT = tuple(name for name, (group, _) in STAGES.items() if group == "night")

# Stages that an archived campaign-day does not get again, by the asset that each makes.
MAKES = {
    "targeting": "campaign_targets", "sourcing": "sourced_businesses", "uniqueness": "unique_businesses",
    "enriching": "enriched_businesses", "auditing": "site_audits", "insights": "site_insights", "scoring": "lead_scores",
    "experiments": "experiment_assignments", "drafting": "email_drafts", "sending": "email_sends",
}  # fmt: skip


def run(name: str, unit: CampaignDay, db: Database, config: Settings, progress: Progress = quiet) -> StageReport:
    """Runs one stage under the campaign-day's lock.

    Raises:
        KeyError: for an unknown stage.
        CampaignDayBusy: when another process works on the same campaign-day.
        Paused: when an operator holds it back.
    """
    group, stage = STAGES[name]
    with watching(db, campaign=unit.campaign if group == "night" else None), campaign_day_lock(db, unit, group):
        if (asset := MAKES.get(name)) is not None:
            with db.engine.connect() as tx:
                done = archives.instead_of(tx, asset, unit)
            if done is not None:
                return done
        report: Any = stage(unit, db, config.clock, config, progress)
        return asyncio.run(_awaited(report)) if inspect.isawaitable(report) else report


async def _awaited(report: Awaitable[StageReport]) -> StageReport:
    return await report


def _counting(config: Settings) -> crash_points.Counter | None:
    """Listens to the crash points when the environment asks for it.

    Raises:
        SettingsError: in production, and for what is no number.
    """
    asked = os.environ.get(CRASH_AT)
    if asked is None:
        return None
    if config.env == "production":
        raise SettingsError(f"{CRASH_AT} is set: no process is killed on purpose in production; unset it")
    if not asked.isdecimal():
        raise SettingsError(f"{CRASH_AT}={asked!r} is no point: choose 1 for the first, or 0 to count them")
    counter = crash_points.Counter(int(asked))
    flow.in_turn(_STORED_TOGETHER)
    crash_points.listen(counter)
    return counter


def main(arguments: list[str] | None = None) -> int:
    """Parses the command line, runs the stage, prints its report as JSON."""
    parser = argparse.ArgumentParser(prog="python -m leadfactory.stage", description=__doc__)
    parser.add_argument(
        "stage", choices=[*STAGES, "night"], help="one stage, or night for all from targeting to drafting"
    )
    parser.add_argument("campaign_day", help="for example restaurant-nyc|2026-10-06")
    given = parser.parse_args(arguments)
    config = settings()
    unit = CampaignDay.from_key(given.campaign_day)
    try:
        counter = _counting(config)
    except SettingsError as error:
        parser.error(str(error))
    logs.configure("stage", config, main=logs.PIPELINE, stdout=False, facts={"campaign_day": unit.key})
    db = Database.from_settings(config)
    try:
        for name in NIGHT if given.stage == "night" else (given.stage,):
            report = run(name, unit, db, config)
            sys.stdout.write(json.dumps(report.figures(), default=str) + "\n")
    finally:
        db.dispose()
    if counter is not None:
        sys.stderr.write(json.dumps({"points": counter.points}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
