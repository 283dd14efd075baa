"""Reads what the rooms before have stored about the businesses of a campaign-day, as leads to be judged. Writes nothing."""

from __future__ import annotations

import dataclasses
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d02_sourcing.tables import sourced_businesses, unique_businesses
from leadfactory.d03_assessment.tables import audit_findings, site_audits
from leadfactory.d04_enrichment.contacts import registrable_domain
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d05_scoring.leads import AUDIT, LISTING, SITE, Finding, Lead
from leadfactory.vendor_terms import VendorTerms

_KEYS = ("campaign", "cohort_on", "business_id")
_UNKNOWN = sa.null()


@dataclasses.dataclass(frozen=True)
class Campaign:
    """What a campaign says about scoring; ``min_tier`` None leaves it to the rules."""

    vertical: str
    top_share: float
    min_tier: Any


def campaign(tx: sa.Connection, unit: CampaignDay) -> Campaign:
    """The campaign of ``unit``.

    Raises:
        LookupError: there is no such campaign.
    """
    c = campaigns.c
    row = tx.execute(sa.select(c.vertical, c.top_share, c.min_tier).where(c.campaign == unit.campaign)).one_or_none()
    if row is None:
        raise LookupError(f"campaign {unit.campaign!r} does not exist: create it with seed-campaigns")
    return Campaign(row.vertical, float(row.top_share), row.min_tier)


def leads(tx: sa.Connection, unit: CampaignDay, vertical: str) -> list[Lead]:
    """All unique businesses of ``unit``, each with what is stored of it or why there is nothing to score."""
    rows = tx.execute(_query(unit)).all()
    found, shared = _findings(tx, unit), _sharing(tx, unit)
    return [
        lead_of(row, unit, vertical, tuple(found.get(row.business_id, ())), shared.get(row.business_id, ()))
        for row in rows
    ]


def _sharing(tx: sa.Connection, unit: CampaignDay) -> dict[uuid.UUID, list[uuid.UUID]]:
    """Business of the day → all businesses of the campaign up to that day that have its website, for those that are not alone there."""
    u, e = unique_businesses, enriched_businesses
    live = (
        sa.select(e.c.business_id, e.c.site_domain_hmac, e.c.cohort_on)
        .join(u, sa.and_(*(e.c[key] == u.c[key] for key in _KEYS)))
        .where(
            u.c.campaign == unit.campaign,
            u.c.cohort_on <= unit.day,
            u.c.duplicate_of.is_(None),
            u.c.excluded_reason.is_(None),
        )
        .where(e.c.status == "ok", e.c.site_domain_hmac.is_not(None))
        .subquery("live")
    )
    ids = sa.func.array_agg(sa.distinct(live.c.business_id))
    groups = tx.execute(
        sa.select(ids.label("ids"))
        .group_by(live.c.site_domain_hmac)
        .having(sa.func.count(sa.distinct(live.c.business_id)) > 1, sa.func.max(live.c.cohort_on) == unit.day)
    )
    return {business_id: sorted(group.ids) for group in groups for business_id in group.ids}


def _query(unit: CampaignDay) -> sa.Select[Any]:
    u, s, e, a = unique_businesses, sourced_businesses, enriched_businesses, site_audits
    return (
        sa.select(
            u.c.business_id,
            u.c.duplicate_of,
            u.c.excluded_reason,
            u.c.evidence["chain"].label("chain"),
            _column(s, "chain_hmac").label("chain_hmac"),
            s.c.review_band,
            s.c.source,
            s.c.fetched_at.label("sourced_at"),
            e.c.status.label("site_status"),
            e.c.reason.label("site_reason"),
            e.c.site_host,
            e.c.contact_email,
            e.c.contact_email_how,
            _column(e, "contact_email_check").label("contact_email_check"),
            e.c.own_phone,
            e.c.own_name,
            e.c.match_score,
            e.c.platform,
            e.c.fetched_at.label("enriched_at"),
            a.c.status.label("audit_status"),
            a.c.reason.label("audit_reason"),
            a.c.performance,
            a.c.seo,
            a.c.accessibility,
            a.c.best_practices,
            _column(a, "technologies").label("technologies"),
            _column(a, "unmeasured").label("unmeasured"),
            _column(a, "measurement").label("measurement"),
            a.c.fetched_at.label("audited_at"),
        )
        .outerjoin(
            s, sa.and_(s.c.campaign == u.c.campaign, s.c.cohort_on == u.c.cohort_on, s.c.sourced_id == u.c.sourced_id)
        )
        .outerjoin(e, sa.and_(*(e.c[key] == u.c[key] for key in _KEYS)))
        .outerjoin(a, sa.and_(*(a.c[key] == u.c[key] for key in _KEYS)))
        .where(u.c.campaign == unit.campaign, u.c.cohort_on == unit.day)
        .order_by(u.c.business_id)
    )


def _column(table: sa.Table, name: str) -> sa.ColumnElement[Any]:
    """A column that its room may not have: then every value is unknown."""
    found = table.c.get(name)
    return _UNKNOWN if found is None else found


def lead_of(
    row: Any, unit: CampaignDay, vertical: str, findings: tuple[Finding, ...], sharing: Sequence[uuid.UUID] = ()
) -> Lead:
    """One row of what the rooms have stored, with its findings and the businesses that share its website, as a lead."""
    excluded = "held by an earlier cohort" if row.duplicate_of is not None else row.excluded_reason
    lead = Lead(row.business_id, vertical, unit.day, excluded)
    if excluded is not None:
        return lead
    if row.site_status != "ok":
        why = "not_enriched" if row.site_status is None else f"{row.site_status}: {row.site_reason}"
        return dataclasses.replace(lead, site_reason=why)
    if row.audit_status != "ok":
        why = "not_audited" if row.audit_status is None else f"audit {row.audit_status}: {row.audit_reason}"
        return dataclasses.replace(lead, audit_reason=why)
    email = _kind_of_address(row)
    moments = {LISTING: row.sourced_at, SITE: row.enriched_at, AUDIT: row.audited_at}
    return dataclasses.replace(
        lead,
        performance=row.performance,
        accessibility=row.accessibility,
        best_practices=row.best_practices,
        seo=row.seo,
        findings=findings,
        unmeasured=tuple(sorted(row.unmeasured or ())),
        hours_visible=_hours_visible(row),
        email=email,
        email_evidence=row.contact_email_how if email != "none" else "none",
        mail_domain=None
        if row.contact_email_check == "unknown"
        else row.contact_email_check
        if email != "none"
        else "none",
        own_phone=row.own_phone is not None,
        own_name=row.own_name is not None,
        match_score=None if row.match_score is None else float(row.match_score),
        platform=row.platform,
        technologies=_names(row.technologies),
        source=row.source,
        review_band=_band(row),
        chain=True if row.chain is not None else None if row.chain_hmac is None else False,
        site_shared_by=max(0, len(sharing) - 1),
        site_of=str(sharing[0]) if sharing else None,
        read_at={name: moment.isoformat() for name, moment in moments.items() if moment is not None},
    )


def _band(row: Any) -> str | None:
    """The band of reviews, when a named person has accepted that it outlives the listing, or the list is the operator's own."""
    allowed = row.source == "import" or VendorTerms.load().field("yelp", "review_count").band_allowed
    return str(row.review_band) if allowed and row.review_band is not None else None


def _names(technologies: Any) -> tuple[str, ...] | None:
    """The ids of the technologies that the assessment recognised; None where it did not look."""
    return None if technologies is None else tuple(sorted(str(each["id"]) for each in technologies if "id" in each))


def _hours_visible(row: Any) -> bool | None:
    """As the assessment saw it; None where it could not look."""
    measured = ((row.measurement or {}).get("facts") or {}).get("hours_visible")
    return measured if isinstance(measured, bool) else None


def _kind_of_address(row: Any) -> str:
    """own_domain, free_mail, or none; an address whose domain takes no mail is none."""
    if not row.contact_email or row.contact_email_check == "refused":
        return "none"
    own = registrable_domain(row.contact_email.rpartition("@")[2]) == registrable_domain(row.site_host or "")
    return "own_domain" if own else "free_mail"


def _findings(tx: sa.Connection, unit: CampaignDay) -> Mapping[uuid.UUID, list[Finding]]:
    f = audit_findings
    rows = tx.execute(
        sa.select(f.c.business_id, f.c.kind, f.c.category, f.c.severity, f.c.source)
        .where(f.c.campaign == unit.campaign, f.c.cohort_on == unit.day)
        .order_by(f.c.business_id, f.c.kind)
    )
    found: dict[uuid.UUID, list[Finding]] = defaultdict(list)
    for row in rows:
        source = "page" if row.source.startswith("page:") else "lighthouse"
        found[row.business_id].append(Finding(row.kind, row.category, row.severity, source))
    return found
