"""What all assets share: how they are declared by write mode, and how a stage's report becomes metadata.

Belongs here: cross-cutting policy of assets. Does not: anything that only one room needs.
"""

from __future__ import annotations

import asyncio
import html
import inspect
import multiprocessing
import os
from collections.abc import Awaitable, Callable
from typing import Any

import dagster as dg

from leadfactory import archives, pauses
from leadfactory.campaign_day import CampaignDay
from leadfactory.database import Database
from leadfactory.locks import campaign_day_lock
from leadfactory.stage_report import StageReport
from leadfactory_assets.partitions import CAMPAIGN_DAY
from leadfactory_assets.plots import bar_chart, stacked_chart
from leadfactory_assets.ranges import BACKFILL, each, units

PREFIX = "leadfactory"
WRITE_TAG = "leadfactory/write"
NIGHT, DELIVERY = "night", "delivery"  # the asset groups that the advisory lock keeps apart
LANE_TAG = "leadfactory/lane"
NICE = 10  # of a nightly run: a tenth of the processor's time while others want it, all of it otherwise
LOCK_WAIT_S = 600.0  # a second run of the same campaign-day waits this long, then fails and names the holder


def key(name: str) -> dg.AssetKey:
    """The asset key of a table."""
    return dg.AssetKey([PREFIX, name])


def cohort_asset(
    room: str, write: str, *, after: tuple[str, ...] = (), kinds: set[str], owner: str, **more: Any
) -> Any:
    """Declares a campaign × date asset of ``room`` with its write mode; ``after`` names the tables it reads."""
    return dg.asset(
        key_prefix=PREFIX,
        deps=[dg.AssetDep(key(name)) for name in after],
        partitions_def=CAMPAIGN_DAY,
        backfill_policy=BACKFILL,
        group_name=room,
        kinds=kinds | {"postgres"},
        owners=[f"team:{owner}"],
        tags={WRITE_TAG: write},
        **more,
    )


def run_stage(
    context: dg.AssetExecutionContext,
    db: Database,
    group: str,
    stage: Callable[[CampaignDay], StageReport | Awaitable[StageReport]],
) -> dg.MaterializeResult:
    """Runs ``stage`` on the context's campaign-days, each under its advisory lock, and tells what it did."""

    if in_a_run() and context.run.tags.get(LANE_TAG) == NIGHT:
        give_way()

    def work(unit: CampaignDay) -> StageReport:
        campaign = unit.campaign if group == NIGHT else None  # a paused campaign's sends wait at their gate
        with pauses.watching(db, campaign=campaign), campaign_day_lock(db, unit, group, wait_s=LOCK_WAIT_S):
            with db.engine.connect() as tx:
                done = archives.instead_of(tx, context.asset_key.path[-1], unit)
            report = done or stage(unit)
            return asyncio.run(_awaited(report)) if inspect.isawaitable(report) else report

    chosen = units(context)
    if len(chosen) == 1:
        return dg.MaterializeResult(metadata=told(work(chosen[0])))
    return each(context, chosen, work, told)


def in_a_run() -> bool:
    """Whether this process is a run's own, and no test's or command's that runs a stage."""
    return multiprocessing.parent_process() is not None


def give_way() -> None:
    """Leaves the processor to what people wait for: the edge, drains and deliveries."""
    if hasattr(os, "setpriority") and os.getpriority(os.PRIO_PROCESS, 0) < NICE:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)


async def _awaited(report: Awaitable[StageReport]) -> StageReport:
    return await report


def told(report: StageReport) -> dict[str, Any]:
    """The report as asset metadata: figures, named tallies and at most one small picture; never a name or an address."""
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": report.rows_out,
        "rows in": report.rows_in,
        "rows out": report.rows_out,
        "rows rejected": report.rows_rejected,
        "rows reused": report.rows_reused,
        "rows still open": report.rows_open,
        "vendor calls": report.calls,
        "spend (USD)": round(report.spend_microusd / 1_000_000, 4),
        "seconds": round(report.seconds, 2),
        "campaign-day": report.state,
    }
    if report.counts:
        metadata["counts"] = dg.MetadataValue.json(dict(report.counts))
    if report.notes:
        metadata["notes"] = dg.MetadataValue.md(
            "\n".join(f"- {html.escape(note, quote=False)}" for note in report.notes)
        )
    if report.chart:
        metadata["chart"] = dg.MetadataValue.md(bar_chart(report.chart_title, report.chart))
    elif report.stacks:
        metadata["chart"] = dg.MetadataValue.md(stacked_chart(report.chart_title, report.stacks))
    return metadata
