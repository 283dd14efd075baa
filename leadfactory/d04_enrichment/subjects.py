"""Who is enriched now: the day's unique businesses that have no row yet, or one that may be tried again.

Each source of businesses says in ``_said`` what it knows of one: a listing to match by and the websites that it names.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway import content
from leadfactory.d01_targeting import places as geography
from leadfactory.d01_targeting import verticals
from leadfactory.d01_targeting.tables import campaign_targets, campaigns
from leadfactory.d02_sourcing import listings, sourced_imports
from leadfactory.d02_sourcing.sourced_imports import ImportedRow
from leadfactory.d02_sourcing.tables import sourced_businesses, unique_businesses
from leadfactory.d04_enrichment import own_site
from leadfactory.d04_enrichment.place_match import Wanted
from leadfactory.d04_enrichment.survivorship import SiteCandidate
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.quality.tables import rejected_rows

ASSET = "enriched_businesses"
RETRY_AFTER = dt.timedelta(hours=1)  # a site that was down a minute ago is down; each try asks Google again, for money


@dataclasses.dataclass(frozen=True)
class Subject:
    """A business to enrich: what its source says of it while that may be kept (None when it is gone), the websites that the
    source names, the place where it was looked for, the place id that is known of it, whether a row of it is stored, and the
    imported row of it (website, email and the evidence of both) where there is one."""

    business_id: uuid.UUID
    listing: listings.Listing | None
    place: geography.Place
    target: str = ""
    vertical: str = ""
    types: frozenset[str] = frozenset()
    sites: tuple[SiteCandidate, ...] = ()
    place_id: str | None = None
    again: bool = False
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def site_is_given(self) -> bool:
        """Whether an imported row names the website: nobody has to be paid to find it."""
        return bool(self.given.get("website"))

    @property
    def wanted(self) -> Wanted:
        """The business as matching sees it.

        Raises:
            ValueError: when its source's content is gone; such a business is not looked for.
        """
        if self.listing is None:
            raise ValueError(f"business {self.business_id} has no listing: its source's content is gone")
        own = next((each.url for each in self.sites if own_site.is_own(each.url)), None)
        domain = own_site.registrable_domain(own_site.host_of(own)) if own else None
        return Wanted(self.listing, domain, self.types)


def load(tx: sa.Connection, unit: CampaignDay, now: dt.datetime) -> tuple[list[Subject], int]:
    """Those to enrich now, and how many the day has in all."""
    u, s, t, e, c = unique_businesses, sourced_businesses, campaign_targets, enriched_businesses, campaigns
    wanted = sa.and_(
        u.c.campaign == unit.campaign,
        u.c.cohort_on == unit.day,
        u.c.duplicate_of.is_(None),
        u.c.excluded_reason.is_(None),
    )
    expected = tx.scalar(sa.select(sa.func.count()).select_from(u).where(wanted)) or 0
    rows = tx.execute(
        sa.select(
            u.c.business_id, u.c.merged_sourced_ids, s.c.sourced_id, s.c.source, s.c.rank, s.c.yelp_id, t.c.target_id,
            c.c.vertical, t.c.kind, t.c.place, e.c.business_id.label("stored"), e.c.place_id,
        )
        .join(s, sa.and_(s.c.sourced_id == u.c.sourced_id, s.c.campaign == u.c.campaign, s.c.cohort_on == u.c.cohort_on))
        .join(c, c.c.campaign == u.c.campaign)
        .outerjoin(t, sa.and_(t.c.campaign == s.c.campaign, t.c.cohort_on == s.c.cohort_on, t.c.target_id == s.c.target_id))
        .outerjoin(
            e, sa.and_(e.c.campaign == u.c.campaign, e.c.cohort_on == u.c.cohort_on, e.c.business_id == u.c.business_id)
        )
        .where(
            wanted,
            sa.or_(e.c.business_id.is_(None), sa.and_(RETRIED, _due(now))),
            ~_refused(unit, u.c.business_id),
        )
        .order_by(s.c.rank, s.c.sourced_id)
    ).all()  # fmt: skip
    known = content.read(tx, "yelp", [row.yelp_id for row in rows if row.yelp_id], now)
    imported = sourced_imports.of_businesses(
        tx, {row.business_id: [row.sourced_id, *row.merged_sourced_ids] for row in rows}
    )
    found = []
    for row in rows:
        own = imported.get(row.business_id)
        place = sourced_imports.place_of(tx, unit, row.kind, row.place, own)
        found.append(_subject(row, known.get(row.yelp_id), own, place))
    return found, expected


def _subject(row: Any, said: dict[str, Any] | None, own: ImportedRow | None, place: geography.Place) -> Subject:
    vertical = verticals.verticals().get(row.vertical)
    listing, sites = _said(row, said, own)
    given = {} if own is None else {**own.fields, "evidence": own.evidence}
    return Subject(
        row.business_id, listing, place, target=str(row.target_id or ""), vertical=row.vertical, given=given,
        types=frozenset(vertical.places) if vertical else frozenset(), sites=sites, place_id=row.place_id,
        again=row.stored is not None,
    )  # fmt: skip


def _said(
    row: Any, yelp: dict[str, Any] | None, own: ImportedRow | None
) -> tuple[listings.Listing | None, tuple[SiteCandidate, ...]]:
    """What the sources of a business say of it: Yelp's listing while it may be kept, else the imported row."""
    url = ((yelp or {}).get("attributes") or {}).get("business_url")
    named = [SiteCandidate(str(url), "yelp")] if url else []
    listing = listings.from_yelp(row.sourced_id, row.rank, yelp) if yelp else None
    if own is not None:
        named += [SiteCandidate(own.fields["website"], "import")] if own.fields.get("website") else []
        listing = listing or sourced_imports.listing(row.sourced_id, row.rank, own.fields)
    return listing, tuple(named)


RETRIED = sa.and_(enriched_businesses.c.status == "unavailable", enriched_businesses.c.retryable)


def _due(now: dt.datetime) -> sa.ColumnElement[bool]:
    """Whether a row that may be tried again is worth it now: a site rests for a while, a vendor's breaker decides for itself."""
    site_was_down = enriched_businesses.c.reason.startswith("site_")
    return sa.or_(~site_was_down, enriched_businesses.c.fetched_at <= now - RETRY_AFTER)


def _refused(unit: CampaignDay, business_id: sa.ColumnElement[uuid.UUID]) -> sa.ColumnElement[bool]:
    """Whether a row rule refused the business before: what was paid for and refused is not bought again."""
    r = rejected_rows.c
    same_day = sa.and_(r.asset == ASSET, r.campaign == unit.campaign, r.cohort_on == unit.day)
    return sa.exists().where(same_day, r.row_key == sa.cast(business_id, sa.Text))
