"""Scores the unique businesses of a campaign-day again from what is stored; what a claimed send rested on stays."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d02_sourcing.tables import unique_businesses
from leadfactory.d03_assessment.tables import audit_findings, site_audits
from leadfactory.d04_enrichment.contacts import registrable_domain
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d05_scoring import rules
from leadfactory.d05_scoring.records import ROW_RULES
from leadfactory.d05_scoring.rules import Lead, Score
from leadfactory.d05_scoring.tables import lead_scores
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database
from leadfactory.quality import rows as row_rules
from leadfactory.stage_report import StageReport

ASSET = "lead_scores"
_SAME = ("score", "tier", "qualified", "reason", "rank", "rules_version", "input_hash")
_KEYS = ("campaign", "cohort_on", "business_id")


def score(unit: CampaignDay, *, db: Database, clock: Clock) -> StageReport:
    """Replaces the scores of ``unit`` in one transaction.

    A version to which a claimed send refers is never touched: if the business scores otherwise now, a new version is added.
    """
    began = time.monotonic()
    now = clock.now()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, now)
        vertical, top_share = _campaign(tx, unit)
        scores = rules.judge(_leads(tx, unit, vertical), top_share=top_share)
        good, refused = row_rules.split([_row(unit, each, now) for each in scores], ROW_RULES, key="business_id")
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
        chart={f"tier {name}": float(tiers[name]) for name in sorted(tiers)},
        chart_title="leads by tier",
        notes=tuple(f"not qualified: {count} {reason}" for reason, count in why_not.most_common(8)),
    )


def newest(unit: CampaignDay) -> sa.Subquery:
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


def _row(unit: CampaignDay, scored: Score, now: dt.datetime) -> dict[str, Any]:
    return {
        "campaign": unit.campaign,
        "cohort_on": unit.day,
        "business_id": scored.lead.business_id,
        "version": 1,
        "score": scored.score,
        "tier": scored.tier,
        "qualified": scored.qualified,
        "reason": scored.reason,
        "components": dict(scored.components),
        "rank": scored.rank,
        "rules_version": rules.version(),
        "input_hash": scored.lead.input_hash,
        "scored_at": now,
    }


def _campaign(tx: sa.Connection, unit: CampaignDay) -> tuple[str, float]:
    row = tx.execute(
        sa.select(campaigns.c.vertical, campaigns.c.top_share).where(campaigns.c.campaign == unit.campaign)
    ).one_or_none()
    if row is None:
        raise LookupError(f"campaign {unit.campaign!r} does not exist: create it with seed-campaigns")
    return row.vertical, float(row.top_share)


def _leads(tx: sa.Connection, unit: CampaignDay, vertical: str) -> list[Lead]:
    u, e, a = unique_businesses, enriched_businesses, site_audits
    rows = tx.execute(
        sa.select(
            u.c.business_id,
            u.c.duplicate_of,
            u.c.excluded_reason,
            e.c.status.label("site_status"),
            e.c.reason.label("site_reason"),
            e.c.site_host,
            e.c.contact_email,
            e.c.contact_email_how,
            e.c.own_phone,
            e.c.own_name,
            e.c.page_facts["hours_visible"].label("hours_visible"),
            a.c.status.label("audit_status"),
            a.c.reason.label("audit_reason"),
            a.c.performance,
            a.c.seo,
            a.c.accessibility,
        )
        .outerjoin(e, sa.and_(*(e.c[key] == u.c[key] for key in _KEYS)))
        .outerjoin(a, sa.and_(*(a.c[key] == u.c[key] for key in _KEYS)))
        .where(u.c.campaign == unit.campaign, u.c.cohort_on == unit.day)
        .order_by(u.c.business_id)
    ).all()
    found = _findings(tx, unit)
    return [_lead(row, vertical, tuple(found.get(row.business_id, ()))) for row in rows]


def _lead(row: Any, vertical: str, findings: tuple[tuple[str, int], ...]) -> Lead:
    excluded = "held by an earlier cohort" if row.duplicate_of is not None else row.excluded_reason
    lead = Lead(row.business_id, vertical, excluded)
    if excluded is not None:
        return lead
    if row.site_status != "ok":
        why = "not_enriched" if row.site_status is None else f"{row.site_status}: {row.site_reason}"
        return dataclasses.replace(lead, site_reason=why)
    if row.audit_status != "ok":
        why = "not_audited" if row.audit_status is None else f"audit {row.audit_status}: {row.audit_reason}"
        return dataclasses.replace(lead, audit_reason=why)
    return dataclasses.replace(
        lead,
        performance=row.performance,
        seo=row.seo,
        accessibility=row.accessibility,
        findings=findings,
        hours_visible=row.hours_visible if isinstance(row.hours_visible, bool) else None,
        email=_kind_of_address(row.contact_email, row.site_host),
        email_how=row.contact_email_how,
        own_phone=row.own_phone is not None,
        own_name=row.own_name is not None,
    )


def _kind_of_address(address: str | None, host: str | None) -> str | None:
    if not address:
        return None
    own = registrable_domain(address.rpartition("@")[2]) == registrable_domain(host or "")
    return "own_domain" if own else "free_mail"


def _findings(tx: sa.Connection, unit: CampaignDay) -> Mapping[uuid.UUID, list[tuple[str, int]]]:
    f = audit_findings
    rows = tx.execute(
        sa.select(f.c.business_id, f.c.category, f.c.severity)
        .where(f.c.campaign == unit.campaign, f.c.cohort_on == unit.day)
        .order_by(f.c.business_id, f.c.kind)
    )
    found: dict[uuid.UUID, list[tuple[str, int]]] = defaultdict(list)
    for row in rows:
        found[row.business_id].append((row.category, row.severity))
    return found
