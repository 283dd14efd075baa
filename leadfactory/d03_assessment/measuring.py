"""One website measured: our own crawl, PageSpeed as a phone and, where wanted, as a computer. Each fails alone, with its reason."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock, where
from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.pagespeed import PagespeedAnswer, PagespeedClient
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d03_assessment.catalogue import catalogue
from leadfactory.d03_assessment.crawl import crawl
from leadfactory.d03_assessment.findings import Finding
from leadfactory.d03_assessment.judging import NO_LAB, Lab, judge
from leadfactory.d03_assessment.measurement import SiteMeasurement
from leadfactory.d03_assessment.records import SCORES, TIMES, field_data, measurements

STRATEGY = "mobile"
_NOTHING: dict[str, Any] = dict.fromkeys([
    *SCORES, *TIMES, "cls", "lighthouse_version", "final_url", "raw_sha256", "pagespeed_reason", "crawl_reason", "desktop_reason",
    "desktop", "has_field_data", "field_data", "measurement", "technologies", "unmeasured", "reused_audit_id", "reason",
])  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Site:
    """A website to measure.

    ``crawled`` is the crawl of an audit whose PageSpeed answer is still missing; ``earlier`` the row and findings of a fresh
    audit of the same website that serves again.
    """

    business_id: uuid.UUID
    url: str
    host: str | None
    vertical: str | None
    desktop: bool = False
    crawled: SiteMeasurement | None = None
    earlier: tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]] | None = None
    timezone: str | None = None


@dataclasses.dataclass(frozen=True)
class Audited:
    """What is stored of one website: its row, new findings, or ``copied`` rows of an earlier audit's."""

    row: dict[str, Any]
    findings: list[Finding]
    copied: Sequence[Mapping[str, Any]] = ()


async def measure(
    unit: CampaignDay, site: Site, pagespeed: PagespeedClient, website: WebsiteClient, clock: Clock
) -> Audited:
    """Measures one website; every way a measurement can fail is a reason in the row.

    A page that PageSpeed will never measure leaves our own crawl's findings (status ok, ``pagespeed_reason``); a PageSpeed that
    cannot be asked now leaves the row open (unavailable) with the crawl kept, so that only PageSpeed is asked again.
    """
    if site.earlier is not None:
        return reused(unit, site)
    measured = site.crawled
    if measured is None:
        measured = await crawl(website, site.url, now=clock.now())
    try:
        answer = await pagespeed.run(site.url, strategy=STRATEGY)
    except VendorUnavailable as error:
        row = _row(unit, site, clock.now(), measured, status="unavailable", reason=error.reason, retryable=True)
        return Audited(row | {"pagespeed_reason": error.reason}, [])
    except VendorRejected as error:
        if measured.reason is not None:
            row = _row(unit, site, clock.now(), measured, status="failed", reason=error.reason)
            return Audited(row | {"pagespeed_reason": error.reason}, [])
        row = _row(unit, site, clock.now(), measured, status="ok", pagespeed_reason=error.reason)
        return _judged(row, site, measured, dataclasses.replace(NO_LAB, reason=error.reason))
    known = _known(answer) | await _desktop(site, pagespeed)
    row = _row(unit, site, answer.fetched_at, measured, status="ok", **known)
    lab = Lab(answer.lighthouse, answer.field, answer.final_url, answer.fetched_at)
    return _judged(row, site, measured, lab)


def reused(unit: CampaignDay, site: Site) -> Audited:
    """The earlier audit as this campaign-day's own; its times and its expiry stay."""
    assert site.earlier is not None
    earlier, findings = site.earlier
    row = {**earlier, **_identity(unit, site), "requested_url": site.url, "reused_audit_id": earlier["audit_id"]}
    copied = [
        {
            **finding, "campaign": unit.campaign, "cohort_on": unit.day, "business_id": site.business_id, "audit_id": row["audit_id"],
            "finding_id": uuid.uuid5(row["audit_id"], finding["kind"]),
        }
        for finding in findings
    ]  # fmt: skip
    return Audited(row, [], copied)


def _judged(row: dict[str, Any], site: Site, measured: SiteMeasurement, lab: Lab) -> Audited:
    read_on = where(row["fetched_at"], site.timezone).date()  # the night of 1 January reads pages of 31 December
    judged = judge(measured, lab, on=read_on, vertical=site.vertical)
    return Audited(row | {"unmeasured": judged.unmeasured}, judged.findings)


def _known(answer: PagespeedAnswer) -> dict[str, Any]:
    return {
        **measurements(answer.lighthouse),
        "final_url": answer.final_url,
        "raw_sha256": answer.raw_sha256,
        "has_field_data": answer.field is not None,
        "field_data": None if answer.field is None else field_data(answer.field),
    }


async def _desktop(site: Site, pagespeed: PagespeedClient) -> dict[str, Any]:
    if not site.desktop:
        return {}
    try:
        answer = await pagespeed.run(site.url, strategy="desktop")
    except VendorError as error:
        return {"desktop_reason": error.reason}
    numbers = measurements(answer.lighthouse)
    return {
        "desktop": {
            name: float(value) if name == "cls" and value is not None else value for name, value in numbers.items()
        }
    }


def _identity(unit: CampaignDay, site: Site) -> dict[str, Any]:
    return {
        "campaign": unit.campaign,
        "cohort_on": unit.day,
        "business_id": site.business_id,
        "audit_id": uuid.uuid5(uuid.NAMESPACE_URL, f"leadfactory:{unit.key}:audit:{site.business_id}"),
        "site_host": site.host,
    }


def _row(
    unit: CampaignDay, site: Site, fetched_at: dt.datetime, measured: SiteMeasurement, **known: Any
) -> dict[str, Any]:
    return {
        **_NOTHING,
        **_identity(unit, site),
        "retryable": False,
        "strategy": STRATEGY,
        "requested_url": site.url,
        "fetched_at": fetched_at,
        "expires_at": fetched_at + dt.timedelta(days=catalogue().audit_valid_days),
        "rules_version": catalogue().version,
        "measurement": measured.plain(),
        "technologies": list(measured.technologies),
        "crawl_reason": measured.reason,
        **known,
    }
