"""Old measurements under a sold report are made again, free: a new version beside the one that was bought, never in its place."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.pagespeed import PagespeedClient
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d03_assessment import wording
from leadfactory.d03_assessment.measuring import Site, measure
from leadfactory.d03_assessment.wording import Fact
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d06_reports import grading, sealing, store
from leadfactory.d06_reports.records import Finding, ReportInput
from leadfactory.d06_reports.tables import audit_reports
from leadfactory.d07_storefront.purchase_states import ENTITLED
from leadfactory.d07_storefront.storefront import storefront
from leadfactory.d07_storefront.tables import purchases
from leadfactory.database import Database
from leadfactory.settings import Settings

ASSET = "audit_reports"
AGAIN = 2  # the version that is measured anew


def due(tx: sa.Connection, unit: CampaignDay | None = None) -> list[uuid.UUID]:
    """Purchases whose report rests on measurements that were too old on the day of the purchase, and that have no newer version."""
    p, r, later = purchases, audit_reports, audit_reports.alias()
    old = p.c.paid_at - r.c.measured_at > dt.timedelta(days=storefront().fresh_days)
    newer = sa.exists().where(later.c.purchase_id == p.c.purchase_id, later.c.version >= AGAIN)
    where = [p.c.state.in_(sorted(ENTITLED)), r.c.version == 1, old, ~newer]
    if unit is not None:
        where += [p.c.campaign == unit.campaign, p.c.cohort_on == unit.day]
    query = sa.select(p.c.purchase_id).join(r, r.c.purchase_id == p.c.purchase_id).where(*where)
    return list(tx.scalars(query.order_by(p.c.paid_at, p.c.purchase_id)))


async def remeasure(
    purchase_id: uuid.UUID,
    *,
    db: Database,
    clock: Clock,
    settings: Settings,
    pagespeed: PagespeedClient,
    website: WebsiteClient,
) -> sealing.Sealed | None:
    """Measures the website now and seals the new version; None when it cannot be measured now, and it stays due."""
    p = purchases
    with db.begin() as tx:
        bought = tx.execute(sa.select(p).where(p.c.purchase_id == purchase_id)).one()
        unit = CampaignDay(bought.campaign, bought.cohort_on)
        given = store.read(tx, unit, bought.business_id, on=bought.paid_at.date())
        site = _site(tx, unit, bought.business_id)
    async with pagespeed.gateway.running(unit=unit, asset=ASSET):
        with pagespeed.gateway.about(bought.business_id):
            measured = await measure(unit, site, pagespeed, website, clock)
    if measured.row["status"] != "ok":
        return None
    fresh = _anew(given, measured, purchase_id)
    if given.compared:
        own = {**dict.fromkeys((*store.SCORES, *store.LAB)), **measured.row, "findings": len(fresh.findings)}
        with db.begin() as tx:
            sites, spreads = store.cohort(tx, unit, bought.business_id, own)
        fresh = dataclasses.replace(fresh, sites=sites, compared=spreads)
    return sealing.add_version(fresh, purchase_id, AGAIN, db=db, clock=clock, settings=settings)


def _anew(given: ReportInput, measured: Any, purchase_id: uuid.UUID) -> ReportInput:
    """The report's input with today's measurements, explained anew where it was: by the catalogue's words, for no model is asked here."""
    audit_id = uuid.uuid5(purchase_id, f"audit:{AGAIN}")  # the row of the campaign-day stays what it was
    row = {
        **dict.fromkeys((*store.SCORES, *store.LAB, "final_url", "lighthouse_version", "raw_sha256", "field_data")),
        **measured.row,
    }
    findings = tuple(
        Finding(str(uuid.uuid5(audit_id, each.kind)), each.kind, each.category, each.severity, each.measured, each.unit, each.threshold,
                each.source, dict(each.evidence))
        for each in sorted(measured.findings, key=lambda each: each.kind)
    )  # fmt: skip
    now = dataclasses.replace(
        given, audit=store.audit_of({**row, "audit_id": audit_id}), findings=findings, headline=None, explanations={},
        insight_source=None, compared=(), sites=0,
    )  # fmt: skip
    if given.insight_source is None:
        return now
    worst = [Fact.of(each) for each in grading.judge(now).findings[: wording.TOP]]
    words = wording.by_rules(worst, "measured again")
    return dataclasses.replace(
        now, headline=words.headline, explanations=dict(words.explanations), insight_source=words.source
    )


def _site(tx: sa.Connection, unit: CampaignDay, business_id: uuid.UUID) -> Site:
    e, c = enriched_businesses, campaigns
    row = tx.execute(
        sa.select(e.c.site_url, e.c.site_host, e.c.timezone, c.c.vertical, c.c.pagespeed_desktop)
        .join(c, c.c.campaign == e.c.campaign)
        .where(e.c.campaign == unit.campaign, e.c.cohort_on == unit.day, e.c.business_id == business_id)
    ).one()
    return Site(business_id, row.site_url, row.site_host, row.vertical, bool(row.pagespeed_desktop), timezone=row.timezone)  # fmt: skip
