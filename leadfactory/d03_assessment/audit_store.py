"""The SQL of audits: which websites wait, which earlier audit serves again, and how rows and findings are stored."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d03_assessment.catalogue import catalogue, conversion_weight, effort
from leadfactory.d03_assessment.crawl_limits import limits
from leadfactory.d03_assessment.findings import Finding
from leadfactory.d03_assessment.measurement import SiteMeasurement
from leadfactory.d03_assessment.measuring import Audited, Site
from leadfactory.d03_assessment.records import AUDIT_RULES
from leadfactory.d03_assessment.tables import audit_findings, site_audits
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.database import Database
from leadfactory.quality import rows as row_rules

ASSET = "site_audits"
_KEYS = ("campaign", "cohort_on", "business_id")


def store(db: Database, unit: CampaignDay, done: Sequence[Audited], now: dt.datetime) -> None:
    """Rows and their findings in one transaction; a row that is already final stays, and so do its findings."""
    good, refused = row_rules.split([each.row for each in done], AUDIT_RULES, key="business_id")
    of = {each.row["audit_id"]: each for each in done}
    with db.begin() as tx:
        row_rules.store_refused(tx, ASSET, unit, refused, now)
        if good:
            statement = insert(site_audits)
            changed = {c.name: statement.excluded[c.name] for c in site_audits.columns if c.name not in _KEYS}
            tx.execute(
                statement.on_conflict_do_update(
                    index_elements=_KEYS, set_=changed, where=site_audits.c.status == "unavailable"
                ),
                good,
            )
        rows = [row for audit in good if audit["status"] == "ok" for row in _finding_rows(unit, of[audit["audit_id"]])]
        if rows:
            tx.execute(insert(audit_findings).on_conflict_do_nothing(), rows)
        campaign_days.mark_dirty(tx, unit, ASSET, "audit_findings")


def waiting(tx: sa.Connection, unit: CampaignDay, now: dt.datetime) -> tuple[int, int, list[Site]]:
    """How many websites the day has, how many of them are settled, and those to measure now."""
    e, a, c = enriched_businesses, site_audits, campaigns
    same = sa.and_(*(e.c[key] == a.c[key] for key in _KEYS))
    rows = tx.execute(
        sa.select(
            e.c.business_id, e.c.site_url, e.c.site_host, e.c.timezone, a.c.status, a.c.retryable, a.c.measurement,
            a.c.technologies, c.c.vertical, c.c.pagespeed_desktop,
        )
        .outerjoin(a, same)
        .join(c, c.c.campaign == e.c.campaign)
        .where(e.c.campaign == unit.campaign, e.c.cohort_on == unit.day, e.c.status == "ok")
        .order_by(e.c.business_id)
    ).all()  # fmt: skip
    sites = [_site(row) for row in rows if row.status is None or row.retryable]
    return len(rows), len(rows) - len(sites), _with_earlier(tx, sites, now)


def statuses(tx: sa.Connection, unit: CampaignDay) -> Counter[str]:
    """Rows of the day by status."""
    rows = tx.execute(
        sa.select(site_audits.c.status, sa.func.count().label("n"))
        .where(site_audits.c.campaign == unit.campaign, site_audits.c.cohort_on == unit.day)
        .group_by(site_audits.c.status)
    )
    return Counter({row.status: row.n for row in rows})


def told(tx: sa.Connection, unit: CampaignDay) -> Counter[str]:
    """What the day's audits lack or save, by name: counts for the operator."""
    a = site_audits.c
    row = tx.execute(
        sa.select(
            sa.func.count().filter(a.reused_audit_id.is_not(None)).label("reused"),
            sa.func.count().filter(a.crawl_reason.is_not(None)).label("uncrawled"),
            sa.func.count().filter(a.status == "ok", a.pagespeed_reason.is_not(None)).label("crawl_only"),
            sa.func.count().filter(a.has_field_data).label("field"),
        ).where(a.campaign == unit.campaign, a.cohort_on == unit.day)
    ).one()
    named = {
        "re-used from another campaign-day": row.reused, "home page not read by our crawl": row.uncrawled,
        "without a lab measurement": row.crawl_only, "with field data": row.field,
    }  # fmt: skip
    return Counter({name: count for name, count in named.items() if count})


def found_by_kind(tx: sa.Connection, unit: CampaignDay) -> Counter[str]:
    """Findings of the day by kind."""
    rows = tx.execute(
        sa.select(audit_findings.c.kind, sa.func.count().label("n"))
        .where(audit_findings.c.campaign == unit.campaign, audit_findings.c.cohort_on == unit.day)
        .group_by(audit_findings.c.kind)
    )
    return Counter({row.kind: row.n for row in rows})


def _site(row: Any) -> Site:
    crawled = None if row.measurement is None else SiteMeasurement.of(row.measurement, row.technologies or ())
    return Site(
        row.business_id,
        row.site_url,
        row.site_host,
        row.vertical,
        bool(row.pagespeed_desktop),
        crawled,
        timezone=row.timezone,
    )


def _with_earlier(tx: sa.Connection, sites: list[Site], now: dt.datetime) -> list[Site]:
    """Those sites with the newest fresh audit of the same business and host, or of the very same address, if there is one.

    It must have been judged by today's catalogue for the same vertical, must hold a desktop run where one is wanted, and must
    stay good for letters until the first one can have left.
    """
    fresh = [site for site in sites if site.crawled is None]
    if not fresh:
        return sites
    a, c = site_audits, campaigns
    rows = tx.execute(
        sa.select(a, c.c.vertical)
        .join(c, c.c.campaign == a.c.campaign)
        .where(
            a.c.status == "ok",
            ~a.c.retryable,
            a.c.fetched_at > now - dt.timedelta(days=limits().reuse_days),
            a.c.fetched_at <= now,
            a.c.expires_at > now + dt.timedelta(days=limits().reuse_leaves_days),
            a.c.rules_version == catalogue().version,
            a.c.site_host.in_(sorted({site.host for site in fresh if site.host})),
        )
        .order_by(a.c.fetched_at.desc(), a.c.audit_id)
    ).all()
    if not rows:
        return sites
    known = _findings_of(tx, [row.audit_id for row in rows])
    return [_earlier(site, rows, known) for site in sites]


def _earlier(site: Site, rows: Sequence[Any], known: Mapping[uuid.UUID, list[dict[str, Any]]]) -> Site:
    if site.crawled is not None:
        return site
    for row in rows:
        same = row.requested_url == site.url or (row.business_id == site.business_id and row.site_host == site.host)
        if same and row.vertical == site.vertical and (row.desktop is not None or not site.desktop):
            plain = {column.name: getattr(row, column.name) for column in site_audits.columns}
            return dataclasses.replace(site, earlier=(plain, known.get(row.audit_id, [])))
    return site


def _findings_of(tx: sa.Connection, audits: list[uuid.UUID]) -> dict[uuid.UUID, list[dict[str, Any]]]:
    found: dict[uuid.UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in tx.execute(sa.select(audit_findings).where(audit_findings.c.audit_id.in_(audits))).mappings():
        found[row["audit_id"]].append(dict(row))
    return found


def _finding_rows(unit: CampaignDay, audited: Audited) -> list[dict[str, Any]]:
    return [
        *(dict(row) for row in audited.copied),
        *(_finding_row(unit, audited.row, each) for each in audited.findings),
    ]


def _finding_row(unit: CampaignDay, audit: Mapping[str, Any], finding: Finding) -> dict[str, Any]:
    work = effort(finding.kind)
    return {
        **{field.name: getattr(finding, field.name) for field in dataclasses.fields(finding)},
        "evidence": dict(finding.evidence),
        "campaign": unit.campaign,
        "cohort_on": unit.day,
        "finding_id": uuid.uuid5(audit["audit_id"], finding.kind),
        "audit_id": audit["audit_id"],
        "business_id": audit["business_id"],
        "effort": work.level,
        "effort_who": work.who,
        "conversion_weight": conversion_weight(finding.kind),
        "rules_version": catalogue().version,
    }
