"""Verdicts as rows: what a gate said about a campaign-day or one draft, kept for the claim that asks for it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.campaign_day import CampaignDay
from leadfactory.campaign_days import campaign_days
from leadfactory.quality.tables import quality_verdicts


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One gate's word. ``subject_id`` is the draft it speaks of, or None for the whole campaign-day."""

    asset: str
    unit: CampaignDay
    suite: str
    suite_version: str
    input_hash: bytes
    passed: bool
    evaluated: int
    broken: tuple[str, ...]
    subject_id: uuid.UUID | None = None


def record(tx: sa.Connection, verdicts: Sequence[Verdict], now: dt.datetime) -> None:
    """Stores verdicts; the same verdict on the same input refreshes its time, so that the newest one speaks."""
    if not verdicts:
        return
    statement = insert(quality_verdicts)
    statement = statement.on_conflict_do_update(
        constraint="uq_quality_verdicts_judged_once",
        set_={
            "passed": statement.excluded.passed,
            "broken": statement.excluded.broken,
            "judged_at": statement.excluded.judged_at,
        },
    )
    tx.execute(
        statement,
        [
            {
                "asset": verdict.asset,
                "campaign": verdict.unit.campaign,
                "cohort_on": verdict.unit.day,
                "subject_id": verdict.subject_id,
                "suite": verdict.suite,
                "suite_version": verdict.suite_version,
                "input_hash": verdict.input_hash,
                "passed": verdict.passed,
                "evaluated": verdict.evaluated,
                "broken": list(verdict.broken),
                "judged_at": now,
            }
            for verdict in verdicts
        ],
    )


def known(tx: sa.Connection, asset: str, unit: CampaignDay, version: str, input_hash: bytes) -> Verdict | None:
    """The verdict on the whole campaign-day that the suite of ``asset`` already gave on this very input, if it did."""
    table = quality_verdicts
    row = tx.execute(
        sa.select(table.c.passed, table.c.evaluated, table.c.broken).where(
            table.c.asset == asset,
            table.c.campaign == unit.campaign,
            table.c.cohort_on == unit.day,
            table.c.subject_id.is_(None),
            table.c.suite == asset,
            table.c.suite_version == version,
            table.c.input_hash == input_hash,
        )
    ).first()
    if row is None:
        return None
    return Verdict(asset, unit, asset, version, input_hash, row.passed, row.evaluated, tuple(row.broken))


@dataclasses.dataclass(frozen=True)
class Standing:
    """An open campaign-day whose newest verdict on an asset is missing or failing."""

    asset: str
    unit: CampaignDay
    verdict: str


def standing(tx: sa.Connection, assets: Sequence[str]) -> list[Standing]:
    """Open campaign-days with a failing or missing newest verdict on any of ``assets`` that hold rows of theirs."""
    found = []
    for asset in assets:
        rows = tx.execute(
            sa.text(
                f"""SELECT d.campaign, d.cohort_on, v.passed FROM campaign_days d
                    LEFT JOIN LATERAL (SELECT passed FROM quality_verdicts q
                        WHERE q.asset = :asset AND q.subject_id IS NULL AND q.campaign = d.campaign
                          AND q.cohort_on = d.cohort_on ORDER BY q.judged_at DESC, q.verdict_id DESC LIMIT 1) v ON TRUE
                    WHERE d.state <> 'closed' AND v.passed IS NOT TRUE
                      AND EXISTS (SELECT 1 FROM {asset} a WHERE a.campaign = d.campaign AND a.cohort_on = d.cohort_on)
                    ORDER BY d.campaign, d.cohort_on"""  # noqa: S608 - asset names come from SUITES
            ),
            {"asset": asset},
        )
        found += [
            Standing(asset, CampaignDay(row.campaign, row.cohort_on), "missing" if row.passed is None else "failing")
            for row in rows
        ]
    return found


def active_without_today(tx: sa.Connection, active: Sequence[str], today: dt.date) -> list[str]:
    """Active campaigns that have no campaign-day ``today``."""
    have = set(tx.scalars(sa.select(campaign_days.c.campaign).where(campaign_days.c.cohort_on == today)))
    return sorted(set(active) - have)
