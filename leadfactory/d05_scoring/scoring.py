"""Scores the unique businesses of a campaign-day again from what is stored; what a claimed send rested on stays."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d05_scoring import gathering, rules
from leadfactory.d05_scoring.records import ROW_RULES
from leadfactory.d05_scoring.rules import Score
from leadfactory.d05_scoring.signals import FACTORS
from leadfactory.d05_scoring.tables import lead_scores
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database
from leadfactory.quality import rows as row_rules
from leadfactory.stage_report import StageReport
from leadfactory.statements import AnyUnit

ASSET = "lead_scores"
_SAME = ("score", "tier", "qualified", "reason", "rank", "rules_version", "input_hash", "sentence", "min_tier")


def score(unit: CampaignDay, *, db: Database, clock: Clock) -> StageReport:
    """Replaces the scores of ``unit`` in one transaction.

    A version to which a claimed send refers is never touched: if the business scores otherwise now, a new version is added.
    """
    began = time.monotonic()
    now = clock.now()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, now)
        campaign = gathering.campaign(tx, unit)
        leads = gathering.leads(tx, unit, campaign.vertical)
        scores = rules.judge(leads, top_share=campaign.top_share, min_tier=campaign.min_tier)
        lowest = campaign.min_tier or rules.config().gate.min_tier
        good, refused = row_rules.split(
            [_row(unit, each, lowest, now) for each in scores], ROW_RULES, key="business_id"
        )
        row_rules.store_refused(tx, ASSET, unit, refused, now)
        kept, changed = _replace(tx, unit, good)
        if changed:
            campaign_days.mark_dirty(tx, unit, ASSET)
    tiers = Counter(each.tier for each in scores)
    why_not = Counter(each.reason for each in scores if each.reason)
    return StageReport(
        ASSET,
        unit,
        state,
        rows_in=len(scores),
        rows_out=len(good),
        rows_rejected=len(refused),
        rows_reused=kept,
        seconds=time.monotonic() - began,
        counts={
            "qualified": sum(each.qualified for each in scores),
            **{f"tier {name}": tiers[name] for name in sorted(tiers)},
        },
        chart=distribution(scores),
        chart_title="leads by tier and score",
        notes=tuple(f"not qualified: {count} {reason}" for reason, count in why_not.most_common(8)),
    )


def newest(unit: CampaignDay | AnyUnit) -> sa.Subquery:
    """The newest version of each score of ``unit``: the one that counts."""
    table = lead_scores
    return (
        sa.select(table)
        .distinct(table.c.business_id)
        .where(table.c.campaign == unit.campaign, table.c.cohort_on == unit.day)
        .order_by(table.c.business_id, table.c.version.desc())
        .subquery("newest_scores")
    )


def _replace(tx: sa.Connection, unit: CampaignDay, rows: Sequence[dict[str, Any]]) -> tuple[int, bool]:
    """Writes the rows; how many stored ones stayed because they say the same or a claimed send refers to them.

    And whether anything differs from what was stored.
    """
    table = lead_scores
    of_unit = sa.and_(table.c.campaign == unit.campaign, table.c.cohort_on == unit.day)
    stored: dict[uuid.UUID, dict[str, Any]] = {}
    for found in tx.execute(sa.select(table).where(of_unit).order_by(table.c.version)).mappings():
        stored[found["business_id"]] = dict(found)
    claimed = set(
        tx.scalars(
            sa.select(email_sends.c.business_id).where(
                email_sends.c.campaign == unit.campaign,
                email_sends.c.cohort_on == unit.day,
                email_sends.c.claimed_at.is_not(None),
            )
        )
    )
    tx.execute(sa.delete(table).where(of_unit, table.c.business_id.not_in(claimed)))
    fresh: list[dict[str, Any]] = []
    kept = 0
    for row in rows:
        old = stored.get(row["business_id"])
        same = old is not None and all(old[name] == row[name] for name in _SAME)
        if row["business_id"] not in claimed:
            fresh.append(old if same and old is not None else row)
            kept += same
        elif same:
            kept += 1
        else:
            fresh.append(row | {"version": 1 if old is None else old["version"] + 1})
    if fresh:
        tx.execute(insert(table), fresh)
    gone = stored.keys() - {row["business_id"] for row in rows} - claimed
    return kept, bool(gone) or kept < len(rows)


def distribution(scores: Sequence[Score]) -> dict[str, float]:
    """Tier and band of ten points → how many leads score so, best first; bands that no lead reached are left out."""
    bands: Counter[tuple[str, int]] = Counter()
    for each in scores:
        bands[each.tier, -1 if each.score is None else min(each.score // 10, 9)] += 1
    ordered = sorted(bands, key=lambda band: (-band[1], band[0]))
    return {_band(tier, tens): float(bands[tier, tens]) for tier, tens in ordered}


def _band(tier: str, tens: int) -> str:
    return "not scored" if tens < 0 else f"{tier} {tens * 10}–{100 if tens == 9 else tens * 10 + 9}"


def _row(unit: CampaignDay, scored: Score, lowest: str, now: dt.datetime) -> dict[str, Any]:
    found = scored.estimate
    factors = {name: getattr(scored, name) for name in (*FACTORS, "confidence")}
    return {
        "campaign": unit.campaign,
        "cohort_on": unit.day,
        "business_id": scored.lead.business_id,
        "version": 1,
        "score": scored.score,
        "tier": scored.tier,
        "qualified": scored.qualified,
        "reason": scored.reason,
        "components": {name: value for name, value in factors.items() if value is not None},
        "rank": scored.rank,
        "rules_version": rules.version(),
        "input_hash": rules.input_hash(scored),
        "scored_at": now,
        **factors,
        "sentence": scored.sentence,
        "inputs": scored.lead.inputs(),
        "contributions": [each.figures() for each in scored.contributions],
        "min_tier": lowest,
        "revenue_low_cents": None if found is None else found.low_cents,
        "revenue_high_cents": None if found is None else found.high_cents,
        "revenue_confidence": None if found is None else found.confidence,
        "revenue_basis": None if found is None else list(found.basis),
    }
