"""What the findings of a website mean, in plain words: a model's where the guard lets them pass, else the catalogue's."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days, guard
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorError, VendorUnavailable
from leadfactory.d00_gateway.openai import OpenAIClient, Parsed
from leadfactory.d00_gateway.scope import no_calls
from leadfactory.d03_assessment import wording
from leadfactory.d03_assessment.closing import closed_for_buying
from leadfactory.d03_assessment.findings import diverse, ranked
from leadfactory.d03_assessment.records import INSIGHT_RULES
from leadfactory.d03_assessment.tables import audit_findings, site_audits, site_insights
from leadfactory.d03_assessment.wording import Fact, Insight, Words
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.database import Database
from leadfactory.flow import Progress, each, quiet
from leadfactory.quality import rows as row_rules
from leadfactory.stage_report import StageReport

ASSET = "site_insights"
AT_ONCE = 12  # config/vendors.yaml holds the same concurrency; more would only wait there


@dataclasses.dataclass(frozen=True)
class _Site:
    business_id: uuid.UUID
    audit_id: uuid.UUID
    domain: str
    facts: tuple[Fact, ...]


async def explain(
    unit: CampaignDay, *, db: Database, clock: Clock, openai: OpenAIClient, progress: Progress = quiet
) -> StageReport:
    """Explains the audits of ``unit`` that have no explanation yet.

    Nothing is lost with the model: a refusal, an answer the guard stops, a limit or an outage leave the rules' words with
    the reason, and the row is done: an explanation is never bought twice.
    """
    began = time.monotonic()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, clock.now())
        expected, sites = _waiting(tx, unit)
        shut = closed_for_buying(tx, unit, clock.today())
    left, notes = 0, []
    if shut is not None:
        left, sites = len(sites), []
        notes.append(f"{shut}; {left} audits stay unexplained")
    opened = openai.gateway.running(unit=unit, asset=ASSET) if sites else no_calls(unit, ASSET)
    async with opened as scope:

        async def work(site: _Site) -> dict[str, Any]:
            with openai.gateway.about(site.business_id):
                return _row(unit, site, await _worded(site, openai), clock)

        await each(
            sites,
            work,
            lambda rows: _store(db, unit, rows, clock),
            at_once=AT_ONCE,
            told=lambda done, total: progress(ASSET, done, total),
        )
    with db.begin() as tx:
        rows, reasons = _told(tx, unit)
        refused = row_rules.count_refused(tx, ASSET, unit)
    return StageReport(
        ASSET,
        unit,
        state,
        rows_in=expected,
        rows_out=sum(rows.values()),
        rows_rejected=refused,
        rows_reused=expected - len(sites) - left,
        rows_open=left,
        calls=scope.calls,
        spend_microusd=scope.spend_microusd,
        seconds=time.monotonic() - began,
        counts={f"worded by {source}": count for source, count in sorted(rows.items())},
        notes=(*notes, *(f"rules wrote {count}: {reason}" for reason, count in reasons.most_common(5))),
    )


async def _worded(site: _Site, openai: OpenAIClient) -> tuple[Words, Parsed[Insight] | None]:
    if not site.facts:
        return wording.by_rules((), "no findings"), None
    try:
        answer = await openai.parse(
            instructions=wording.INSTRUCTIONS,
            input_text=wording.prompt(site.domain, site.facts),
            schema=Insight,
            max_output_tokens=wording.MOST_OUTPUT_TOKENS,
        )
    except VendorError as error:
        kind = "unavailable" if isinstance(error, VendorUnavailable) else "rejected"
        return wording.by_rules(site.facts, f"openai {kind}: {error.reason}"), None
    return wording.accepted(answer.value, site.domain, site.facts, guard.lexicon().absolute_claims), answer


def _row(unit: CampaignDay, site: _Site, worded: tuple[Words, Parsed[Insight] | None], clock: Clock) -> dict[str, Any]:
    words, answer = worded
    return {
        "campaign": unit.campaign,
        "cohort_on": unit.day,
        "business_id": site.business_id,
        "audit_id": site.audit_id,
        "status": "ok",
        "reason": words.reason,
        "retryable": False,
        "source": words.source,
        "headline": words.headline,
        "explanations": dict(words.explanations),
        "finding_ids": [fact.finding_id for fact in site.facts],
        "model": answer.model if answer else None,
        "prompt_version": wording.PROMPT_VERSION,
        "input_tokens": answer.input_tokens if answer else None,
        "output_tokens": answer.output_tokens if answer else None,
        "cost_microusd": answer.cost_microusd if answer else None,
        "fetched_at": clock.now(),
    }


def _store(db: Database, unit: CampaignDay, rows: list[dict[str, Any]], clock: Clock) -> None:
    good, refused = row_rules.split(rows, INSIGHT_RULES, key="business_id")
    with db.begin() as tx:
        row_rules.store_refused(tx, ASSET, unit, refused, clock.now())
        if good:
            tx.execute(insert(site_insights).on_conflict_do_nothing(), good)
        campaign_days.mark_dirty(tx, unit, ASSET)


def facts_of(tx: sa.Connection, unit: CampaignDay) -> Mapping[uuid.UUID, list[Fact]]:
    """All findings of the day's audits by business, the weightiest first."""
    f = audit_findings
    rows = tx.execute(
        sa.select(f.c.business_id, f.c.finding_id, f.c.kind, f.c.category, f.c.severity, f.c.measured, f.c.unit)
        .join(site_audits, site_audits.c.audit_id == f.c.audit_id)
        .where(f.c.campaign == unit.campaign, f.c.cohort_on == unit.day, site_audits.c.status == "ok")
    )
    by_business: dict[uuid.UUID, list[Fact]] = defaultdict(list)
    for row in rows:
        by_business[row.business_id].append(Fact.of(row))
    return {business_id: ranked(facts) for business_id, facts in by_business.items()}


def _waiting(tx: sa.Connection, unit: CampaignDay) -> tuple[int, list[_Site]]:
    a, i, e = site_audits, site_insights, enriched_businesses
    keys = ("campaign", "cohort_on", "business_id")
    rows = tx.execute(
        sa.select(a.c.business_id, a.c.audit_id, e.c.site_host, i.c.status)
        .join(e, sa.and_(*(e.c[key] == a.c[key] for key in keys)))
        .outerjoin(i, sa.and_(*(i.c[key] == a.c[key] for key in keys)))
        .where(a.c.campaign == unit.campaign, a.c.cohort_on == unit.day, a.c.status == "ok")
        .order_by(a.c.business_id)
    ).all()
    fresh = [row for row in rows if row.status is None]
    facts = facts_of(tx, unit) if fresh else {}
    sites = [
        _Site(row.business_id, row.audit_id, row.site_host, tuple(diverse(facts.get(row.business_id, []), wording.TOP)))
        for row in fresh
    ]
    return len(rows), sites


def _told(tx: sa.Connection, unit: CampaignDay) -> tuple[Counter[str], Counter[str]]:
    rows = tx.execute(
        sa.select(site_insights.c.source, site_insights.c.reason).where(
            site_insights.c.campaign == unit.campaign, site_insights.c.cohort_on == unit.day
        )
    ).all()
    return Counter(row.source for row in rows), Counter(row.reason for row in rows if row.reason)
