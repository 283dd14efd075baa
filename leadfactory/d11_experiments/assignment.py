"""Puts the qualified businesses of a campaign-day into the arms of the running experiments; exposed ones stay as they are."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d05_scoring.scoring import newest
from leadfactory.d11_experiments import buckets, definitions
from leadfactory.d11_experiments.records import ROW_RULES
from leadfactory.d11_experiments.tables import experiment_assignments, experiments
from leadfactory.database import Database
from leadfactory.quality import rows as row_rules
from leadfactory.stage_report import StageReport

ASSET = "experiment_assignments"


def assign(unit: CampaignDay, *, db: Database, clock: Clock, path: Path = definitions.PATH) -> StageReport:
    """Replaces the assignments of ``unit`` that were not exposed yet, in one transaction; experiments are those of ``path``.

    Whom the global holdout put on either side stays there, for what letters bring is told of all who were to get one or not.

    Raises:
        ConfigError: for a file that is no experiments' file.
        ExperimentChanged: when the file edits a loaded version.
    """
    began, now = time.monotonic(), clock.now()
    table = experiment_assignments
    of_unit = sa.and_(table.c.campaign == unit.campaign, table.c.cohort_on == unit.day)
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, now)
        file = definitions.read_file(path)
        definitions.load(tx, file.experiments, now)
        definitions.load_holdout(tx, file.global_holdout, now)
        wanted = _rows(tx, unit, now)
        good, refused = row_rules.split(wanted, ROW_RULES, key="business_id")
        row_rules.store_refused(tx, ASSET, unit, refused, now)
        before = _stored(tx, of_unit)
        tx.execute(
            sa.delete(table).where(of_unit, table.c.exposed_at.is_(None), table.c.experiment != definitions.GLOBAL)
        )
        fresh = [_unchanged(before.get((row["business_id"], row["experiment"])), row) for row in good]
        if fresh:
            tx.execute(
                insert(table).on_conflict_do_nothing(), fresh
            )  # what is left in the way was exposed, or held out
        stored = _stored(tx, of_unit)
        if stored != before:
            campaign_days.mark_dirty(tx, unit, ASSET)
    arms = Counter(row["arm"] for row in stored.values())
    exposed = sum(row["exposed_at"] is not None for row in stored.values())
    return StageReport(
        ASSET,
        unit,
        state,
        rows_in=len(wanted),
        rows_out=len(stored),
        rows_rejected=len(refused),
        rows_reused=exposed,
        seconds=time.monotonic() - began,
        counts={**{f"arm {name}": arms[name] for name in sorted(arms)}, "exposed": exposed},
    )


def _stored(tx: sa.Connection, of_unit: sa.ColumnElement[bool]) -> dict[tuple[Any, str], dict[str, Any]]:
    """The assignments of the campaign-day by business and experiment."""
    rows = tx.execute(sa.select(experiment_assignments).where(of_unit)).mappings()
    return {(row["business_id"], row["experiment"]): dict(row) for row in rows}


def _rows(tx: sa.Connection, unit: CampaignDay, now: Any) -> list[dict[str, Any]]:
    vertical = tx.scalar(sa.select(campaigns.c.vertical).where(campaigns.c.campaign == unit.campaign))
    running = [
        each
        for each in tx.execute(sa.select(experiments).where(experiments.c.state == "running"))
        if _open(each, unit) and (each.verticals is None or vertical in each.verticals)
    ]
    everywhere = next((each for each in running if each.experiment == definitions.GLOBAL), None)
    sides = _sides(tx, unit)
    scores = newest(unit)
    leads = list(tx.scalars(sa.select(scores.c.business_id).where(scores.c.qualified).order_by(scores.c.business_id)))
    told = _prices_told(tx, leads)
    wanted = [
        {
            "campaign": unit.campaign,
            "cohort_on": unit.day,
            "business_id": business_id,
            "experiment": each.experiment,
            "version": each.version,
            "bucket": (position := buckets.bucket(each.salt, business_id)),
            "arm": buckets.arm(position, each.arms, each.holdout_bp),
            "exposed_at": None,
            "assigned_at": now,
        }
        for each in running
        for business_id in leads
        if each is everywhere or (_in_traffic(each, business_id) and not _held_out(everywhere, sides, business_id))
    ]
    by_name = {each.experiment: each for each in running}
    return [row for row in wanted if _may_join(by_name[row["experiment"]], row["arm"], told.get(row["business_id"]))]


def _sides(tx: sa.Connection, unit: CampaignDay) -> dict[Any, str]:
    """Business → the side of the global holdout that it was put on in this campaign-day, by whichever version."""
    t = experiment_assignments
    mine = (t.c.campaign == unit.campaign, t.c.cohort_on == unit.day, t.c.experiment == definitions.GLOBAL)
    return {row.business_id: row.arm for row in tx.execute(sa.select(t.c.business_id, t.c.arm).where(*mine))}


def _prices_told(tx: sa.Connection, leads: list[Any]) -> dict[Any, tuple[str | None, str | None]]:
    """Business → experiment and arm of the price that it was told, for those that were told one."""
    from leadfactory.d07_storefront.tables import price_book  # the price book asks this room for the arm

    t = price_book
    rows = tx.execute(sa.select(t.c.business_id, t.c.experiment, t.c.arm).where(t.c.business_id.in_(leads)))
    return {row.business_id: (row.experiment, row.arm) for row in rows}


def _may_join(experiment: Any, arm: str, told: tuple[str | None, str | None] | None) -> bool:
    """Whether a business may get the arm: nobody joins a paused one, and no test of prices takes who was told another price."""
    if arm in experiment.paused_arms:
        return False
    prices = experiment.design is not None and experiment.design["changes"] == "price"
    return not prices or told is None or told == (experiment.experiment, arm)


def _open(experiment: Any, unit: CampaignDay) -> bool:
    """Whether the experiment takes the businesses of this cohort; a version without a design takes all.

    The global holdout takes those from the day on which it was loaded: whoever came before was mailed, or not, without it.
    """
    if experiment.experiment == definitions.GLOBAL:
        return bool(unit.day >= experiment.loaded_at.astimezone(dt.UTC).date())
    return experiment.design is None or definitions.Design.model_validate(experiment.design).open_on(unit.day)


def _in_traffic(experiment: Any, business_id: Any) -> bool:
    """Whether the business belongs to the experiment's part of its layer: never to two experiments of one layer."""
    if experiment.design is None:
        return True
    first, end = experiment.design["traffic_bp"]
    return bool(first <= buckets.bucket(f"layer:{experiment.design['layer']}", business_id) < end)


def _held_out(holdout: Any | None, sides: dict[Any, str], business_id: Any) -> bool:
    """Whether the business belongs to the holdout of all experiments; it is then in none of them."""
    if business_id in sides:
        return sides[business_id] == buckets.HOLDOUT
    return holdout is not None and buckets.bucket(holdout.salt, business_id) < holdout.holdout_bp


def _unchanged(stored: dict[str, Any] | None, row: dict[str, Any]) -> dict[str, Any]:
    """The stored row when it says the same, so that a repetition does not even move its time."""
    same = stored is not None and stored["exposed_at"] is None
    return stored if same and stored and all(stored[k] == row[k] for k in ("version", "arm", "bucket")) else row
