"""Several campaign-days in one run, as a backfill asks for: each on its own, so that one that fails stops no other.

Dagster knows steps, not campaign-days: a step that raises would stop what comes after it for the whole range. So a
campaign-day that fails is set aside for the rest of its run, with its reason; the last asset of the run raises with all
that was set aside, and only there is the campaign-day shown as failed. (docs/decisions/0006)
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import dagster as dg

from leadfactory import logs
from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.redaction import redact
from leadfactory.stage_report import StageReport

# One run may take this many: a start-up is paid once for them, and a killed run repeats no more than them.
BACKFILL = dg.BackfillPolicy.multi_run(max_partitions_per_run=200)
TOLD = 20  # campaign-days named in one message; the run's log has all
Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext
Tell = Callable[[StageReport], dict[str, Any]]

log = logging.getLogger("leadfactory.pipeline")
_set_aside: dict[str, dict[CampaignDay, str]] = defaultdict(
    dict
)  # by run: the in-process executor keeps its steps here


def units(context: Context) -> list[CampaignDay]:
    """The campaign-days of this run, in key order."""
    several = context.has_partition_key_range and not context.has_partition_key
    keys = context.partition_keys if several else [context.partition_key]
    return [CampaignDay.from_key(key) for key in keys]


def set_aside(context: Context, unit: CampaignDay, reason: str) -> None:
    """Takes ``unit`` out of the rest of this run; the reason is told when the run ends."""
    context.log.error(f"campaign-day {unit} is set aside: {reason}")
    with logs.bound(campaign_day=unit.key):
        log.error(f"set aside: {reason}")
    _set_aside[context.run.run_id].setdefault(unit, reason)


def is_last(context: Context, key: dg.AssetKey) -> bool:
    """Whether no asset of this run comes after ``key``."""
    layer = context.job_def.asset_layer
    return not layer.asset_graph.get(key).child_keys & layer.selected_asset_keys


def each(
    context: dg.AssetExecutionContext, chosen: list[CampaignDay], work: Callable[[CampaignDay], StageReport], tell: Tell
) -> dg.MaterializeResult:
    """Does ``work`` for each campaign-day that was not set aside; the metadata is the sum.

    Raises:
        dagster.Failure: in the last asset of a run, when any was set aside, and anywhere when all were; names each with
            its reason. What the others did is recorded before.
    """
    name, aside = context.asset_key.path[-1], _set_aside[context.run.run_id]
    reports = []
    for unit in chosen:
        if unit in aside:
            continue
        try:
            with logs.bound(campaign_day=unit.key, asset=name):
                report = work(unit)
                log.info(f"{name} is done", extra={"facts": told_of(report)})
            reports.append(report)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this campaign-day's, and told as such
            words = (str(error).strip().splitlines() or ["no message"])[0]
            set_aside(context, unit, redact(f"{name}: {type(error).__name__}: {words}"))
    if aside and (is_last(context, context.asset_key) or not reports):
        for report in reports:
            context.log_event(
                dg.AssetMaterialization(context.asset_key, partition=report.unit.key, metadata=tell(report))
            )
        raise dg.Failure(_told(aside, len(chosen)), allow_retries=False)
    return dg.MaterializeResult(metadata=_summed(reports, aside))


def told_of(report: StageReport) -> dict[str, Any]:
    """The figures of a stage's line in pipeline.log."""
    names = ("rows_in", "rows_out", "rows_rejected", "rows_open", "calls", "spend_microusd")
    return {name: getattr(report, name) for name in names} | {"seconds": round(report.seconds, 2)}


def _told(aside: dict[CampaignDay, str], of: int) -> str:
    lines = [f"{unit}: {reason}" for unit, reason in sorted(aside.items())[:TOLD]]
    more = f"\nand {len(aside) - TOLD} more, each in the run's log" if len(aside) > TOLD else ""
    return (
        f"{len(aside)} of {of} campaign-days failed; the others are done, and running them again buys and sends nothing:\n"
        + "\n".join(lines)
        + more
    )


def _summed(reports: list[StageReport], aside: dict[CampaignDay, str]) -> dict[str, Any]:
    """Figures over all campaign-days of the run. One set for all: Dagster copies it to each of them."""
    fields = {
        "rows in": "rows_in", "rows out": "rows_out", "rows rejected": "rows_rejected", "rows reused": "rows_reused",
        "rows still open": "rows_open", "vendor calls": "calls",
    }  # fmt: skip
    found: dict[str, Any] = {"campaign-days of this run": len(reports)}
    found |= {label: sum(getattr(report, field) for report in reports) for label, field in fields.items()}
    found["spend (USD)"] = round(sum(report.spend_microusd for report in reports) / 1_000_000, 4)
    found["seconds"] = round(sum(report.seconds for report in reports), 2)
    counts: dict[str, int] = defaultdict(int)
    for report in reports:
        for name, count in report.counts.items():
            counts[name] += count
    if counts:
        found["counts"] = dg.MetadataValue.json(dict(counts))
    if aside:
        found["set aside"] = dg.MetadataValue.json({unit.key: reason for unit, reason in sorted(aside.items())[:TOLD]})
    return found
