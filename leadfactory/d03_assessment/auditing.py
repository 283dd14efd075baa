"""Measures each enriched business's own website once: our own crawl, PageSpeed's lab and field data; and judges it."""

from __future__ import annotations

import time

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.pagespeed import PagespeedClient
from leadfactory.d00_gateway.scope import no_calls
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d03_assessment import audit_store
from leadfactory.d03_assessment.audit_store import ASSET
from leadfactory.d03_assessment.closing import closed_for_buying
from leadfactory.d03_assessment.measuring import Audited, Site, measure
from leadfactory.database import Database
from leadfactory.flow import Progress, each, quiet
from leadfactory.quality import rows as row_rules
from leadfactory.stage_report import StageReport

AT_ONCE = 12  # config/vendors.yaml holds the same concurrency; more would only wait there
CHARTED = 12  # kinds in the plot


async def audit(
    unit: CampaignDay,
    *,
    db: Database,
    clock: Clock,
    pagespeed: PagespeedClient,
    website: WebsiteClient,
    progress: Progress = quiet,
) -> StageReport:
    """Audits the websites of ``unit`` that have no audit yet, or one that may be tried again. Stored answers stay.

    Args:
        unit: the campaign-day.
        db: the system of record.
        clock: for ages and expiry.
        pagespeed: the lab.
        website: our own crawl.
        progress: told how far it is.
    """
    began = time.monotonic()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, clock.now())
        expected, reused, sites = audit_store.waiting(tx, unit, clock.now())
        shut = closed_for_buying(tx, unit, clock.today())
    left = 0
    if shut is not None:
        left, sites = len(sites), []
    opened = pagespeed.gateway.running(unit=unit, asset=ASSET) if sites else no_calls(unit, ASSET)
    async with opened as scope:

        async def work(site: Site) -> Audited:
            with pagespeed.gateway.about(site.business_id):
                return await measure(unit, site, pagespeed, website, clock)

        await each(
            sites,
            work,
            lambda done: audit_store.store(db, unit, done, clock.now()),
            at_once=AT_ONCE,
            told=lambda done, total: progress(ASSET, done, total),
        )
    with db.begin() as tx:
        statuses = audit_store.statuses(tx, unit)
        refused = row_rules.count_refused(tx, ASSET, unit)
        kinds = audit_store.found_by_kind(tx, unit)
        more = audit_store.told(tx, unit)
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
        counts={**statuses, **more, "findings": kinds.total()},
        chart={
            kind: float(count) for kind, count in sorted(kinds.items(), key=lambda one: (-one[1], one[0]))[:CHARTED]
        },
        chart_title=f"the {CHARTED} most frequent findings",
        notes=(f"{shut}; {left} websites stay open",) if shut is not None else (),
    )
