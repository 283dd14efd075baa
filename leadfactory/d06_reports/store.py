"""D6's SQL: one audited business's stored rows as a ReportInput. Reads only; nothing here holds a vendor's limited content."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d03_assessment.tables import audit_findings, site_audits, site_insights
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d06_reports.records import Audit, Finding, ReportInput, Site, Spread
from leadfactory.d06_reports.settings import Compared, config

SCORES = ("performance", "accessibility", "best_practices", "seo")
LAB = ("fcp_ms", "lcp_ms", "tbt_ms", "speed_index_ms", "cls", "total_bytes")


class NothingToReport(LookupError):
    """The business is unknown or was never measured; the message says which, and what to do."""


def audited(tx: sa.Connection, business: str) -> tuple[CampaignDay, uuid.UUID]:
    """The campaign-day and id of the newest good audit of ``business``: its id, or the domain of its website.

    Raises:
        NothingToReport: unknown, or known and never measured with success.
    """
    e, a = enriched_businesses, site_audits
    if not business.strip():
        raise NothingToReport("BUSINESS is empty: give a business id or the domain of its website, as example.com")
    is_mine = _is(business.strip())
    known = tx.execute(
        sa.select(e.c.status, e.c.reason).where(is_mine).order_by(e.c.fetched_at.desc(), e.c.business_id).limit(1)
    ).one_or_none()
    if known is None:
        raise NothingToReport(
            f"business {business!r} is unknown: give an id of enriched_businesses, or the domain of its website as example.com"
        )
    row = tx.execute(
        sa.select(a.c.campaign, a.c.cohort_on, a.c.business_id)
        .join(e, _same(a, e))
        .where(is_mine, a.c.status == "ok")
        .order_by(a.c.fetched_at.desc(), a.c.campaign, a.c.cohort_on.desc(), a.c.business_id)
        .limit(1)
    ).one_or_none()
    if row is None:
        why = known.reason or "no audit of its website has succeeded yet"
        raise NothingToReport(
            f"business {business!r} was never audited with success ({why}): materialize site_audits of its campaign-day first"
        )
    return CampaignDay(row.campaign, row.cohort_on), row.business_id


def read(
    tx: sa.Connection, unit: CampaignDay, business_id: uuid.UUID, *, on: dt.date, compared: bool = True
) -> ReportInput:
    """Everything that the report of one audited business says; ``on`` is the date on its cover.

    ``compared``: with the campaign's other websites, all of which are read for it.

    Raises:
        NothingToReport: there is no good audit of it on that campaign-day.
    """
    audit = _one(tx, site_audits, unit, business_id)
    site = _one(tx, enriched_businesses, unit, business_id)
    if audit is None or site is None or audit["status"] != "ok":
        raise NothingToReport(
            f"business {business_id} has no good audit on {unit.key}: materialize site_audits of it first"
        )
    insight = _one(tx, site_insights, unit, business_id)
    if insight is not None and insight["audit_id"] != audit["audit_id"]:
        insight = None  # it explains other measurements
    found = _findings(tx, audit["audit_id"])
    sites, spreads = cohort(tx, unit, business_id) if compared else (0, ())
    return ReportInput(
        report_on=on,
        business_id=str(business_id),
        campaign=unit.campaign,
        cohort_on=unit.day,
        site=_site(site, audit),
        audit=audit_of(audit),
        findings=found,
        headline=insight["headline"] if insight else None,
        explanations=dict(insight["explanations"] or {}) if insight else {},
        insight_source=insight["source"] if insight else None,
        rules_version=_rules_version(tx, audit["audit_id"]),
        compared=spreads,
        sites=sites,
    )


def _is(business: str) -> sa.ColumnElement[bool]:
    e = enriched_businesses
    try:
        return e.c.business_id == uuid.UUID(business)
    except ValueError:
        host = business.lower().removeprefix("https://").removeprefix("http://").split("/")[0].removeprefix("www.")
        return e.c.site_host.in_((host, f"www.{host}"))


def _same(left: sa.Table, right: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(*(left.c[key] == right.c[key] for key in ("campaign", "cohort_on", "business_id")))


def _one(tx: sa.Connection, table: sa.Table, unit: CampaignDay, business_id: uuid.UUID) -> Mapping[str, Any] | None:
    where = (table.c.campaign == unit.campaign, table.c.cohort_on == unit.day, table.c.business_id == business_id)
    row = tx.execute(sa.select(table).where(*where)).mappings().one_or_none()
    return None if row is None else {str(name): value for name, value in row.items()}


def _site(row: Mapping[str, Any], audit: Mapping[str, Any]) -> Site:
    measured = audit.get("measurement") or {}
    return Site(
        domain=(row["site_host"] or "").removeprefix("www."),
        own_name=row["own_name"],
        own_phone=row["own_phone"],
        own_address=row["own_address"],
        platform=row["platform"],
        facts=measured.get("facts"),
        read_at=dt.datetime.fromisoformat(measured["measured_at"]) if measured else None,
    )


def audit_of(row: Mapping[str, Any]) -> Audit:
    """A row of site_audits, or one of the same form, as a report reads it."""
    field = row.get("field_data")  # a column of a later schema: {"percentiles": {metric: value}}
    return Audit(
        audit_id=str(row["audit_id"]),
        strategy=row["strategy"],
        requested_url=row["requested_url"],
        final_url=row["final_url"],
        scores={name: row[name] for name in SCORES},
        lab={name: row[name] for name in LAB},
        field=dict(field.get("percentiles") or {}) if field else None,
        lighthouse_version=row["lighthouse_version"],
        raw_sha256=row["raw_sha256"].hex() if row["raw_sha256"] else None,
        fetched_at=row["fetched_at"],
    )


def _findings(tx: sa.Connection, audit_id: uuid.UUID) -> tuple[Finding, ...]:
    f = audit_findings
    columns = (f.c.finding_id, f.c.kind, f.c.category, f.c.severity, f.c.measured, f.c.unit, f.c.threshold, f.c.source, f.c.evidence)  # fmt: skip
    rows = tx.execute(sa.select(*columns).where(f.c.audit_id == audit_id).order_by(f.c.kind))
    return tuple(Finding(str(row[0]), *row[1:]) for row in rows)


def _rules_version(tx: sa.Connection, audit_id: uuid.UUID) -> str | None:
    f = audit_findings
    return tx.scalar(sa.select(f.c.rules_version).where(f.c.audit_id == audit_id).order_by(f.c.kind).limit(1))


def cohort(
    tx: sa.Connection, unit: CampaignDay, business_id: uuid.UUID, own: Mapping[str, Any] | None = None
) -> tuple[int, tuple[Spread, ...]]:
    """The newest good audit of every business of the campaign, up to this campaign-day, as percentiles.

    ``own``: other measurements of the business itself than the stored ones, under the columns' names.
    """
    a, f = site_audits, audit_findings
    counts = sa.select(f.c.audit_id, sa.func.count().label("findings")).group_by(f.c.audit_id).subquery()
    rows = tx.execute(
        sa.select(a, sa.func.coalesce(counts.c.findings, 0).label("findings"))
        .distinct(a.c.business_id)
        .outerjoin(counts, counts.c.audit_id == a.c.audit_id)
        .where(a.c.campaign == unit.campaign, a.c.cohort_on <= unit.day, a.c.status == "ok")
        .order_by(a.c.business_id, a.c.cohort_on.desc())
    ).mappings().all()  # fmt: skip
    plain = [{str(name): value for name, value in row.items()} for row in rows]
    mine = own or next(row for row in plain if row["business_id"] == business_id)
    others = [row for row in plain if row["business_id"] != business_id]
    spreads = (_spread(rule, mine, others) for rule in config().compared)
    return len(others), tuple(spread for spread in spreads if spread is not None)


def _spread(rule: Compared, mine: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> Spread | None:
    """None when this site or too many of the others have no such measurement."""
    own = mine[rule.column]
    values = sorted(decimal.Decimal(row[rule.column]) for row in others if row[rule.column] is not None)
    if own is None or len(values) < config().cohort_at_least:
        return None
    own = decimal.Decimal(own)
    better = sum(own > each if rule.better == "above" else own < each for each in values)
    p25, p50, p75 = (nearest_rank(values, share) for share in (0.25, 0.5, 0.75))
    return Spread(rule.column, len(values), p25, p50, p75, own, better)


def nearest_rank(ordered: Sequence[decimal.Decimal], share: float) -> decimal.Decimal:
    """The percentile that is one of the values: the smallest with at least ``share`` of them at or below it."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
