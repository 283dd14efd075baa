"""`leadfactory demo`: two campaigns from target to mart, through the job, the instance and the code that operators use."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json as jsonlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli import demo_recipients, stack
from cli.dagster_api import FINAL, DagsterApi
from cli.output import CommandError, Table, as_json, console, dollars, paint
from leadfactory.campaign_day import CampaignDay
from leadfactory.database import Database
from leadfactory.settings import Settings, settings

DEMO_CLOCK = "2026-10-06T15:00:00+00:00"  # a Tuesday, 11:00 in New York and 10:00 in Chicago: inside every send window
RUN_WITHIN_S = 600
STAGES = (
    "sourced_businesses",
    "unique_businesses",
    "enriched_businesses",
    "site_audits",
    "site_insights",
    "lead_scores",
    "email_drafts",
)


@dataclasses.dataclass(frozen=True)
class DemoCampaign:
    """What one demo campaign is; its recipients are simulated, and its consent basis says so."""

    name: str
    vertical: str
    zips: tuple[str, ...]
    quota: int


CAMPAIGNS = (
    DemoCampaign("restaurant-new-york", "restaurant", ("10001",), 190),
    DemoCampaign("dental-chicago", "dental", ("60601", "60602"), 150),
)


def run(*, json: bool) -> None:
    """Runs the demo and writes ``demo.json`` under the home.

    Raises:
        CommandError: when a run fails, with its reason, or when the published marts and the ledgers disagree.
    """
    began = time.monotonic()
    config = stack.configure(LEADFACTORY_CLOCK=DEMO_CLOCK)
    if not config.uses_sandbox:
        raise CommandError("the demo runs on the vendor sandbox: unset the vendors' API keys and base URLs first")
    say = (lambda line: None) if json else (lambda line: console.print(paint("green", "✓"), line))
    with stack.factory(say, any_port=True, facing_the_world=True) as api:
        config = settings()
        db = Database.from_settings(config)
        today = config.clock.today()
        with contextlib.closing(_Closer(db)):
            units = _seed(db, today)
            for unit in units:
                api.register_campaign(unit.campaign)
            nights = {unit: api.launch("campaign_day", unit=unit) for unit in units}
            _watch(api, db, nights, silent=json)
            say("campaign-days run from target to draft")
            with demo_recipients.acting(config):
                _finish(api, "due_sends", config={"ops": {"send_all_due": {"config": {"dry_run": False}}}})
            say("due sends handed to the sandbox's SendGrid (simulated recipients)")
            demo_recipients.follow(config, lambda: _waits(db), lambda: _finish(api, "drain_webhooks"))
            say("recipients opened, clicked, bought, unsubscribed and answered; what they did is folded")
            _finish(api, "lake")
            _finish(api, "marts", location="marts")
            say("lake exported, marts built, tested and published")
            figures = _figures(db, units, config.warehouse)
            _write_examples(db, units, config.home / "drafts")
            pdf = _write_sold_pdf(db, units, config)
    figures["seconds"] = round(time.monotonic() - began, 1)
    target = config.home / "demo.json"
    target.write_text(jsonlib.dumps(figures, indent=2) + "\n")
    if json:
        as_json(figures)
    else:
        _show(figures, units, target, pdf)


class _Closer:
    def __init__(self, db: Database) -> None:
        self.close = db.dispose


def _seed(db: Database, today: dt.date) -> list[CampaignDay]:
    from leadfactory.d01_targeting import campaigns

    now = settings().clock.now()
    units = []
    with db.begin() as tx:
        for each in CAMPAIGNS:
            campaigns.seed(
                tx,
                vertical=each.vertical,
                places=[campaigns.PlaceSpec("zip", code) for code in each.zips],
                quota=each.quota,
                name=each.name,
                now=now,
            )
            campaigns.configure(
                tx,
                each.name,
                consent_basis="simulated",
                sender_email="ana@mail.leadfactory.example",
                sender_name="Ana Ruiz",
                postal_address="LeadFactory, 500 Example Plaza, Suite 12, Wilmington, DE 19801",
                budget_cents=5_000,
                top_share=1.0,
            )
            campaigns.launch(tx, each.name, now)
            units.append(CampaignDay(each.name, today))
    return units


def _finish(api: DagsterApi, job: str, *, config: dict[str, Any] | None = None, location: str = "factory") -> None:
    run_id = api.launch(job, config=config, location=location)
    deadline = time.monotonic() + RUN_WITHIN_S
    while (status := api.run(run_id).status) not in FINAL:
        if time.monotonic() > deadline:
            raise CommandError(f"job {job} (run {run_id}) is still {status} after {RUN_WITHIN_S} s")
        time.sleep(0.4)
    if status != "SUCCESS":
        raise CommandError(f"job {job} ended with {status}: {api.why_failed(run_id)}")


def _waits(db: Database) -> bool:
    """Whether the inbox holds what nobody has folded yet."""
    from leadfactory.inbox import waiting

    with db.begin() as tx:
        return waiting.look(tx).any


def _watch(api: DagsterApi, db: Database, nights: dict[CampaignDay, str], *, silent: bool) -> None:
    """Shows how far each campaign-day is, from the rows that are there, until all runs have ended."""
    from leadfactory.d10_analytics.funnel import stage_counts

    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[stage]}"),
    )
    deadline = time.monotonic() + RUN_WITHIN_S
    with Progress(*columns, console=console, disable=silent) as progress:
        tasks = {unit: progress.add_task(unit.campaign, total=len(STAGES) * 100, stage="queued") for unit in nights}
        open_runs = dict(nights)
        while open_runs:
            for unit, run_id in list(open_runs.items()):
                status = api.run(run_id).status
                with db.begin() as tx:
                    done, stage = _share_done(stage_counts(tx, unit))
                progress.update(tasks[unit], completed=done, stage=stage if status == "STARTED" else status.lower())
                if status in FINAL:
                    if status != "SUCCESS":
                        raise CommandError(f"campaign-day {unit} ended with {status}: {api.why_failed(run_id)}")
                    progress.update(tasks[unit], completed=len(STAGES) * 100, stage="done")
                    del open_runs[unit]
            if time.monotonic() > deadline:
                raise CommandError(
                    f"still running after {RUN_WITHIN_S} s: {', '.join(map(str, open_runs))}; see {api.url}"
                )
            time.sleep(0.5)


def _share_done(counts: dict[str, tuple[int, int]]) -> tuple[int, str]:
    """Per cent of each stage, summed, and the stage that works now; ``counts`` is stage → (rows, rows expected)."""
    total, current = 0, STAGES[0]
    for stage in STAGES:
        rows, expected = counts.get(stage, (0, 0))
        total += min(100, round(100 * rows / expected)) if expected else 0
        if rows:
            current = stage
    return total, current.replace("_", " ")


def _figures(db: Database, units: list[CampaignDay], warehouse: Path) -> dict[str, Any]:
    from leadfactory.d10_analytics import agreeing, funnel, responses, sales

    with db.begin() as tx:
        ledgers = funnel.funnel_from_ledgers(tx, units)
        calls, spend = funnel.calls_and_spend(tx, units)
        answers, sold = responses.responses(tx, units), sales.sales(tx, units)
        missing = sales.not_delivered(tx, units)
        apart = agreeing.compare(funnel.counts_from_marts(warehouse, units), agreeing.of_ledgers(tx, units))
    if apart:
        raise CommandError(f"the published marts disagree with the ledgers: {'; '.join(map(str, apart))}")
    whole = {field: sum(getattr(each, field) for each in ledgers.values()) for field in funnel.FIELDS}
    return {
        **whole,
        **{field: sum(getattr(each, field) for each in answers.values()) for field in responses.FIELDS},
        **{field: sum(getattr(each, field) for each in sold.values()) for field in sales.FIELDS},
        "reports_not_delivered": missing,
        "vendor_calls": calls,
        "cost_usd": round(spend / 1_000_000, 4),
        "seconds": 0.0,
        "campaign_days": [unit.key for unit in units],
        "by_campaign_day": {
            unit.key: dataclasses.asdict(each) | dataclasses.asdict(answers[unit]) | dataclasses.asdict(sold[unit])
            for unit, each in ledgers.items()
        },
    }


def _show(figures: dict[str, Any], units: list[CampaignDay], target: Path, pdf: Path | None) -> None:
    from leadfactory.d10_analytics import funnel, responses, sales

    _table("The funnel, from the published marts (equal to the ledgers)", funnel.FIELDS, figures, units)
    _table("What became of the letters (simulated recipients)", (*responses.FIELDS, *sales.FIELDS), figures, units)
    if figures["reports_not_delivered"]:
        told = "; ".join(f"{count} {why}" for why, count in figures["reports_not_delivered"].items())
        console.print(f"mails with a report that have not arrived: {told}")
    calls = ", ".join(f"{vendor} {count}" for vendor, count in sorted(figures["vendor_calls"].items()))
    console.print(
        f"\nvendor calls: {calls}\nvendor cost:  {dollars(round(figures['cost_usd'] * 1_000_000))} at list prices (the sandbox bills nothing)"
    )
    home = settings().home
    console.print(
        f"draft mails:  table leadfactory.email_drafts; one of each campaign as {home / 'drafts'}/*.html\n"
        f"a sold PDF:   {pdf or 'none: no PDF can be made without Pango (make pango), the HTML report was sold'}\n"
        f"marts:        {settings().warehouse} (DuckDB)\nfigures:      {target}\ntook:         {figures['seconds']} s\n"
    )
    console.print(
        "Next: make dev and open http://localhost:3333 to see these runs, "
        f"or .venv/bin/leadfactory campaign-days. Everything is under {home}."
    )


def _table(title: str, fields: Sequence[str], figures: dict[str, Any], units: list[CampaignDay]) -> None:
    """Counts by campaign-day and together, with bars."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for unit in units:
        table.add_column(f"{unit.campaign}\n{unit.day}", justify="right", no_wrap=True)
    table.add_column("together", justify="right", no_wrap=True)
    table.add_column("", justify="left", no_wrap=True)
    widest = max(figures[field] for field in fields if not field.endswith("_cents")) or 1
    for field in fields:
        each = [str(figures["by_campaign_day"][unit.key][field]) for unit in units]
        table.add_row(field, *each, str(figures[field]), _bar(field, figures[field] / widest))
    console.print()
    console.print(table)


def _write_sold_pdf(db: Database, units: list[CampaignDay], config: Settings) -> Path | None:
    """One of the sold reports as a file, byte by byte what its buyer has."""
    from leadfactory import blobs
    from leadfactory.d10_analytics import sales

    with db.begin() as tx:
        digest = sales.sold_pdf(tx, units)
    if digest is None:
        return None
    target = config.home / "sold-report.pdf"
    target.write_bytes(blobs.get(config.blobs, digest))
    return target


def _bar(field: str, share: float) -> Text:
    """A bar of counts; money is on no scale of letters."""
    return paint("blue", "" if field.endswith("_cents") else "█" * round(8 * share))


def _write_examples(db: Database, units: list[CampaignDay], folder: Path) -> None:
    """The first letter of each campaign as files, to be read as its recipient would."""
    import sqlalchemy as sa

    from leadfactory.d08_personalization.tables import email_drafts as drafts

    folder.mkdir(exist_ok=True)
    with db.begin() as tx:
        for unit in units:
            row = tx.execute(
                sa.select(drafts.c.body_html, drafts.c.body_text)
                .where(drafts.c.campaign == unit.campaign, drafts.c.cohort_on == unit.day, drafts.c.status == "drafted")
                .order_by(drafts.c.draft_id)
                .limit(1)
            ).first()
            if row is not None:
                (folder / f"{unit.campaign}.html").write_text(row.body_html)
                (folder / f"{unit.campaign}.txt").write_text(row.body_text)
