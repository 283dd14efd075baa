"""Measures each enriched business's own website once with PageSpeed (lab data, one run on an emulated phone)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock, where
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.pagespeed import PagespeedClient
from leadfactory.d03_assessment import findings
from leadfactory.d03_assessment.catalogue import catalogue
from leadfactory.d03_assessment.closing import closed_for_buying
from leadfactory.d03_assessment.records import AUDIT_RULES, SCORES, TIMES, measurements
from leadfactory.d03_assessment.tables import audit_findings, site_audits
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.database import Database
from leadfactory.flow import Progress, each, quiet
from leadfactory.quality import rows as row_rules
from leadfactory.stage_report import StageReport

ASSET = "site_audits"
STRATEGY = "mobile"
AT_ONCE = 12  # config/vendors.yaml holds the same concurrency; more would only wait there
_KEYS = ("campaign", "cohort_on", "business_id")
_NOTHING: dict[str, Any] = dict.fromkeys([*SCORES, *TIMES, "cls", "lighthouse_version", "final_url", "raw_sha256"])


@dataclasses.dataclass(frozen=True)
class _Site:
    business_id: uuid.UUID
    url: str
    facts: Mapping[str, Any] | None
    seen_on: dt.date  # where the business is: the nightly run of 1 January reads pages of 31 December


@dataclasses.dataclass(frozen=True)
class _Audited:
    row: dict[str, Any]
    findings: list[findings.Finding]


async def audit(
    unit: CampaignDay, *, db: Database, clock: Clock, pagespeed: PagespeedClient, progress: Progress = quiet
) -> StageReport:
    """Audits the websites of ``unit`` that have no audit yet, or one that may be tried again. Stored answers stay."""
    began = time.monotonic()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, clock.now())
        expected, reused, sites = _waiting(tx, unit)
        shut = closed_for_buying(tx, unit, clock.today())
    left = 0
    if shut is not None:
        left, sites = len(sites), []
    async with pagespeed.gateway.running(unit=unit, asset=ASSET) as scope:

        async def work(site: _Site) -> _Audited:
            with pagespeed.gateway.about(site.business_id):
                return await _audited(unit, site, pagespeed, clock)

        await each(
            sites,
            work,
            lambda done: _store(db, unit, done, clock.now()),
            at_once=AT_ONCE,
            told=lambda done, total: progress(ASSET, done, total),
        )
    with db.begin() as tx:
        statuses = _statuses(tx, unit)
        refused = row_rules.count_refused(tx, ASSET, unit)
        by_category, found = _found(tx, unit)
    return StageReport(
        ASSET,
        unit,
        state,
        rows_in=expected,
        rows_out=statuses["ok"] + statuses["failed"],
        rows_rejected=refused,
        rows_reused=reused,
        rows_open=max(left, statuses["unavailable"]),
        calls=scope.calls,
        spend_microusd=scope.spend_microusd,
        seconds=time.monotonic() - began,
        counts={**statuses, "findings": found},
        chart=by_category,
        chart_title="findings by category",
        notes=(f"{shut}; {left} websites stay open",) if shut is not None else (),
    )


async def _audited(unit: CampaignDay, site: _Site, pagespeed: PagespeedClient, clock: Clock) -> _Audited:
    """One website's row: every way the measurement can fail is a status with a reason."""
    try:
        answer = await pagespeed.run(site.url, strategy=STRATEGY)
    except VendorUnavailable as error:
        return _Audited(_row(unit, site, clock.now(), status="unavailable", reason=error.reason, retryable=True), [])
    except VendorRejected as error:
        return _Audited(_row(unit, site, clock.now(), status="failed", reason=error.reason), [])
    row = _row(
        unit,
        site,
        answer.fetched_at,
        status="ok",
        final_url=answer.final_url,
        raw_sha256=answer.raw_sha256,
        **measurements(answer.lighthouse),
    )
    return _Audited(row, findings.find(answer.lighthouse, site.facts, on=site.seen_on))


def _row(unit: CampaignDay, site: _Site, fetched_at: dt.datetime, **known: Any) -> dict[str, Any]:
    return {
        **_NOTHING,
        "campaign": unit.campaign,
        "cohort_on": unit.day,
        "business_id": site.business_id,
        "audit_id": uuid.uuid5(uuid.NAMESPACE_URL, f"leadfactory:{unit.key}:audit:{site.business_id}"),
        "reason": None,
        "retryable": False,
        "strategy": STRATEGY,
        "requested_url": site.url,
        "fetched_at": fetched_at,
        "expires_at": fetched_at + dt.timedelta(days=catalogue().audit_valid_days),
        **known,
    }


def _store(db: Database, unit: CampaignDay, done: list[_Audited], now: dt.datetime) -> None:
    """Rows and their findings in one transaction; a row that is already final stays, and so do its findings."""
    good, refused = row_rules.split([each.row for each in done], AUDIT_RULES, key="business_id")
    of = {each.row["audit_id"]: each.findings for each in done}
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
        rows = [
            _finding_row(unit, row, finding) for row in good if row["status"] == "ok" for finding in of[row["audit_id"]]
        ]
        if rows:
            tx.execute(insert(audit_findings).on_conflict_do_nothing(), rows)
        campaign_days.mark_dirty(tx, unit, ASSET, "audit_findings")


def _finding_row(unit: CampaignDay, audit: Mapping[str, Any], finding: findings.Finding) -> dict[str, Any]:
    return {
        **{field.name: getattr(finding, field.name) for field in dataclasses.fields(finding)},
        "evidence": dict(finding.evidence),
        "campaign": unit.campaign,
        "cohort_on": unit.day,
        "finding_id": uuid.uuid5(audit["audit_id"], finding.kind),
        "audit_id": audit["audit_id"],
        "business_id": audit["business_id"],
        "rules_version": catalogue().version,
    }


def _waiting(tx: sa.Connection, unit: CampaignDay) -> tuple[int, int, list[_Site]]:
    """How many websites the day has, how many of them are settled, and those to measure now."""
    e, a = enriched_businesses, site_audits
    same = sa.and_(*(e.c[key] == a.c[key] for key in _KEYS))
    rows = tx.execute(
        sa.select(
            e.c.business_id, e.c.site_url, e.c.page_facts, e.c.fetched_at, e.c.timezone, a.c.status, a.c.retryable
        )
        .outerjoin(a, same)
        .where(e.c.campaign == unit.campaign, e.c.cohort_on == unit.day, e.c.status == "ok")
        .order_by(e.c.business_id)
    ).all()
    open_rows = [row for row in rows if row.status is None or row.retryable]
    sites = [
        _Site(row.business_id, row.site_url, row.page_facts, where(row.fetched_at, row.timezone).date())
        for row in open_rows
    ]
    return len(rows), len(rows) - len(sites), sites


def _statuses(tx: sa.Connection, unit: CampaignDay) -> Counter[str]:
    rows = tx.execute(
        sa.select(site_audits.c.status, sa.func.count().label("n"))
        .where(site_audits.c.campaign == unit.campaign, site_audits.c.cohort_on == unit.day)
        .group_by(site_audits.c.status)
    )
    return Counter({row.status: row.n for row in rows})


def _found(tx: sa.Connection, unit: CampaignDay) -> tuple[dict[str, float], int]:
    rows = tx.execute(
        sa.select(audit_findings.c.category, sa.func.count().label("n"))
        .where(audit_findings.c.campaign == unit.campaign, audit_findings.c.cohort_on == unit.day)
        .group_by(audit_findings.c.category)
        .order_by(sa.desc("n"), audit_findings.c.category)
    ).all()
    return {row.category: float(row.n) for row in rows}, sum(row.n for row in rows)
