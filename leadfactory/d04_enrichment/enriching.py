"""Finds each business's own website and keeps what it publishes there. Google's words are used in memory and let go."""

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
from leadfactory.clock import Clock
from leadfactory.d00_gateway import content
from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.places import PlacesClient
from leadfactory.d00_gateway.website.client import SitePage, WebsiteClient
from leadfactory.d01_targeting import places as geography
from leadfactory.d01_targeting.tables import campaign_targets
from leadfactory.d02_sourcing import listings, sourced_imports
from leadfactory.d02_sourcing.tables import sourced_businesses, unique_businesses
from leadfactory.d03_assessment.closing import closed_for_buying
from leadfactory.d04_enrichment import contacts, own_site, own_words, page, place_match
from leadfactory.d04_enrichment.records import ENRICHED_RULES
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.database import Database
from leadfactory.flow import Progress, each, quiet
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.quality import rows as row_rules
from leadfactory.quality.tables import rejected_rows
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport

ASSET = "enriched_businesses"
RETRY_AFTER = dt.timedelta(hours=1)  # a site that was down a minute ago is down; each try asks Google again, for money
WORTH = dt.timedelta(days=30)  # after which a row is worth refreshing (domain facts: re-enrichment 7 to 30 days)


@dataclasses.dataclass(frozen=True)
class Subject:
    """A business to enrich: its id, what Yelp says of it while it may be kept, the place where it was looked for,
    and whether a row of it is stored that may be tried again."""

    business_id: uuid.UUID
    listing: listings.Listing | None
    yelp_url: str | None
    place: geography.Place
    again: bool = False
    given: Mapping[str, Any] = dataclasses.field(
        default_factory=dict
    )  # an imported row: website, email and evidence of both


async def enrich(
    unit: CampaignDay, *, db: Database, clock: Clock, settings: Settings, places: PlacesClient, website: WebsiteClient,
    progress: Progress = quiet,
) -> StageReport:  # fmt: skip
    """Enriches the unique businesses of ``unit`` that have no row yet, or one that may be tried again."""
    began = time.monotonic()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, clock.now())
        subjects, expected = _subjects(tx, unit, clock.now())
        stored = _counts(tx, unit).total()
        shut = closed_for_buying(tx, unit, clock.today())
    if not campaign_days.may_source(unit, clock):
        shut = f"closed for sourcing: its day is not {clock.today()}"
    notes = []
    if shut is not None:
        notes.append(f"{shut}, {stored} stored rows returned")
        subjects = []
    again = sum(subject.again for subject in subjects)
    reused, calls, spend = stored - again, 0, 0
    if subjects:
        hashes = KeyedHashes(settings.suppression_key.get_secret_value())
        async with places.gateway.running(unit=unit, asset=ASSET) as scope:

            async def work(subject: Subject) -> dict[str, Any]:
                with places.gateway.about(subject.business_id):
                    return _row(unit, await _enriched(subject, places, website, hashes), clock.now())

            await each(
                subjects, work, lambda rows: _store(db, unit, rows, clock.now()),
                at_once=places.gateway.policies.of("website").concurrency, told=lambda done, total: progress(ASSET, done, total),
            )  # fmt: skip
        calls, spend = scope.calls, scope.spend_microusd
    with db.begin() as tx:
        counts = _counts(tx, unit)
        refused = row_rules.count_refused(tx, ASSET, unit)
        retried = tx.scalar(sa.select(sa.func.count()).where(_of(unit), _RETRIED).select_from(enriched_businesses)) or 0
        with_mail = tx.scalar(sa.select(sa.func.count(enriched_businesses.c.contact_email)).where(_of(unit))) or 0
    return StageReport(
        ASSET, unit, state, rows_in=expected, rows_out=counts.total() - retried, rows_rejected=refused,
        rows_reused=reused, rows_open=retried, calls=calls,
        spend_microusd=spend, seconds=time.monotonic() - began, counts={**counts, "with an address": with_mail},
        chart={**counts, "with an address": with_mail}, chart_title="what became of the businesses", notes=tuple(notes),
    )  # fmt: skip


async def _enriched(
    subject: Subject, places: PlacesClient, website: WebsiteClient, hashes: KeyedHashes
) -> dict[str, Any]:
    """The found part of a row; every way it can fail is a status with a reason."""
    base: dict[str, Any] = {
        "business_id": subject.business_id,
        "state": subject.place.state,
        "timezone": subject.place.timezone,
    }
    if subject.listing is None:
        return base | {
            "status": "unavailable", "reason": "source_content_gone", "place_match": "not_asked", "retryable": True,
        }  # fmt: skip  # sourced_businesses fetches it again when it is run again on its day
    url, named_by = subject.yelp_url, "yelp"
    if subject.given.get("website"):  # the operator's own data names the site: nobody has to be paid to find it
        found = base | {"place_match": "not_asked", "site_source": "import"}
        return found | await _visited(subject.given["website"], subject, website, hashes)
    try:
        match = await _matched(subject.listing, places)
    except VendorUnavailable as error:
        return base | {
            "status": "unavailable", "reason": f"places_{error.reason}", "place_match": "unavailable", "retryable": True,
        }  # fmt: skip
    except VendorRejected as error:
        base |= {"place_match": "unavailable"}
        if url is None:  # not "no website": nobody could be asked
            return base | {"status": "unavailable", "reason": f"places_{error.reason}"}
    else:
        base |= {"place_match": match.verdict, "match_score": match.score}
        if match.place is not None:
            base["place_id"] = match.place["id"]
            closed = place_match.closed_reason(match.place)
            if closed:
                return base | {"status": "no_website", "reason": closed}
            if match.place.get("websiteUri"):
                url, named_by = str(match.place["websiteUri"]), "places"
    if url is None:
        reason = "none_known" if base.get("place_id") else f"place_{base['place_match']}"
        return base | {"status": "no_website", "reason": reason}
    base["site_source"] = named_by
    if not own_site.is_own(url):
        return base | {"status": "no_website", "reason": "page_on_another_site"}
    return base | await _visited(url, subject, website, hashes)


async def _matched(listing: listings.Listing, places: PlacesClient) -> place_match.Match:
    query = ", ".join(filter(None, (listing.name, listing.street, listing.city, listing.zip_code)))
    found = await places.search_text(
        query, latitude=listing.latitude, longitude=listing.longitude, radius_m=2_000, page_size=5
    )
    return place_match.best(listing, found)


async def _visited(url: str, subject: Subject, website: WebsiteClient, hashes: KeyedHashes) -> dict[str, Any]:
    """The home page, and the contact page when the home page shows no address."""
    try:
        home = await website.fetch(url)
    except VendorRejected as error:
        return {"status": "unreachable", "reason": error.reason}
    except VendorUnavailable as error:
        return {"status": "unavailable", "reason": f"site_{error.reason}", "retryable": True}
    if not own_site.is_own(home.final_url):
        return {"status": "no_website", "reason": "redirects_to_another_site"}
    reading = page.read(home, hint=subject.listing.name if subject.listing else None)
    if reading.facts["parked"]:
        return {"status": "unreachable", "reason": "parked"}
    facts, refused = dict(reading.facts), reading.facts["no_solicitation"]
    hosts = {own_site.host_of(url), own_site.host_of(home.final_url)}
    contact, contact_url = contacts.best(reading.emails, hosts), home.final_url
    if contact is None and not refused and reading.contact_url is not None:
        try:
            second = await website.fetch(reading.contact_url)
        except VendorError as error:
            facts["contact_page_reason"] = error.reason
        else:
            more = page.read(second)
            refused = facts["no_solicitation"] = more.facts["no_solicitation"]
            contact, contact_url = contacts.best(more.emails, hosts), second.final_url
    found = _published(home, reading, facts, hashes) | _located(reading.said, subject.place)
    if subject.given.get("email") and not refused:
        found |= {
            "contact_email": subject.given["email"], "contact_email_url": subject.given["evidence"], "contact_email_how": "import",
            "contact_email_hmac": hashes.address(subject.given["email"]),
        }  # fmt: skip
    elif contact is not None and not refused:
        found |= {
            "contact_email": contact.email, "contact_email_url": contact_url, "contact_email_how": contact.how,
            "contact_email_hmac": hashes.address(contact.email),
        }  # fmt: skip
    return found


def _published(home: SitePage, reading: page.Reading, facts: dict[str, Any], hashes: KeyedHashes) -> dict[str, Any]:
    host, said = own_site.host_of(home.final_url), reading.said
    return {
        "status": "ok", "site_url": home.final_url, "site_host": host,
        "site_domain_hmac": hashes.domain(own_site.registrable_domain(host)),
        "own_name": said.name, "own_name_url": home.final_url if said.name else None, "own_phone": said.phone,
        "own_address": said.address, "own_hours": said.hours, "platform": reading.platform, "page_facts": facts,
        "fetched_at": home.fetched_at,
    }  # fmt: skip


def _located(said: own_words.Said, place: geography.Place) -> dict[str, Any]:
    """Country, state and time zone: the own address when it lies in the target's states, else the target's.

    A chain's site shows its head office, which says nothing about the branch that was sourced. A site that names another
    country, or one that we cannot read, is not assumed to be in the US: such a lead is never mailed.
    """
    country = "US" if said.country is None else (said.country or None)
    state = geography.state_of_zip(said.zip_code or "")
    if state is None or state not in place.states:
        return {"country": country}
    return {
        "country": country,
        "state": state,
        "timezone": geography.timezone_of_zip(said.zip_code or "") or place.timezone,
    }


_RETRIED = sa.and_(enriched_businesses.c.status == "unavailable", enriched_businesses.c.retryable)
_COLUMNS = [column.name for column in enriched_businesses.columns]


def _row(unit: CampaignDay, found: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_COLUMNS) | {"retryable": False, "fetched_at": now} | found
    return row | {"campaign": unit.campaign, "cohort_on": unit.day, "expires_at": row["fetched_at"] + WORTH}


def _store(db: Database, unit: CampaignDay, rows: list[dict[str, Any]], now: dt.datetime) -> None:
    good, refused = row_rules.split(rows, ENRICHED_RULES, key="business_id")
    with db.begin() as tx:
        row_rules.store_refused(tx, ASSET, unit, refused, now)
        if good:
            statement = insert(enriched_businesses)
            keys = {"campaign", "cohort_on", "business_id"}
            changed = {name: statement.excluded[name] for name in _COLUMNS if name not in keys}
            tx.execute(
                statement.on_conflict_do_update(
                    index_elements=sorted(keys), set_=changed, where=enriched_businesses.c.status == "unavailable"
                ),
                good,
            )
        campaign_days.mark_dirty(tx, unit, ASSET)


def _subjects(tx: sa.Connection, unit: CampaignDay, now: dt.datetime) -> tuple[list[Subject], int]:
    """Those to enrich now, and how many the day has in all."""
    u, s, t, e = unique_businesses, sourced_businesses, campaign_targets, enriched_businesses
    wanted = sa.and_(
        u.c.campaign == unit.campaign,
        u.c.cohort_on == unit.day,
        u.c.duplicate_of.is_(None),
        u.c.excluded_reason.is_(None),
    )
    expected = tx.scalar(sa.select(sa.func.count()).select_from(u).where(wanted)) or 0
    rows = tx.execute(
        sa.select(
            u.c.business_id,
            s.c.sourced_id,
            s.c.rank,
            s.c.yelp_id,
            s.c.import_id,
            u.c.merged_sourced_ids,
            t.c.kind,
            t.c.place,
            e.c.business_id.label("stored"),
        )
        .join(s, s.c.sourced_id == u.c.sourced_id)
        .outerjoin(
            t, sa.and_(t.c.campaign == s.c.campaign, t.c.cohort_on == s.c.cohort_on, t.c.target_id == s.c.target_id)
        )
        .outerjoin(
            e, sa.and_(e.c.campaign == u.c.campaign, e.c.cohort_on == u.c.cohort_on, e.c.business_id == u.c.business_id)
        )
        .where(
            wanted,
            sa.or_(e.c.business_id.is_(None), sa.and_(_RETRIED, _due(now))),
            ~_refused(unit, u.c.business_id),
        )
        .order_by(s.c.rank, s.c.sourced_id)
    ).all()
    known = content.read(tx, "yelp", [row.yelp_id for row in rows if row.yelp_id], now)
    given = sourced_imports.of_businesses(
        tx, {row.business_id: [row.sourced_id, *row.merged_sourced_ids] for row in rows}
    )
    subjects = []
    for row in rows:
        said, own = known.get(row.yelp_id), given.get(row.business_id)
        listing = listings.from_yelp(row.sourced_id, row.rank, said) if said else None
        if listing is None and own is not None:
            listing = sourced_imports.listing(row.sourced_id, row.rank, own.fields)
        url = ((said or {}).get("attributes") or {}).get("business_url")
        place = sourced_imports.place_of(tx, unit, row.kind, row.place, own)
        more = {} if own is None else {**own.fields, "evidence": own.evidence}
        subjects.append(Subject(row.business_id, listing, url or None, place, row.stored is not None, more))
    return subjects, expected


def _due(now: dt.datetime) -> sa.ColumnElement[bool]:
    """Whether a row that may be tried again is worth it now: a site rests for a while, a vendor's breaker decides for itself."""
    site_was_down = enriched_businesses.c.reason.startswith("site_")
    return sa.or_(~site_was_down, enriched_businesses.c.fetched_at <= now - RETRY_AFTER)


def _refused(unit: CampaignDay, business_id: sa.ColumnElement[uuid.UUID]) -> sa.ColumnElement[bool]:
    """Whether a row rule refused the business before: what was paid for and refused is not bought again."""
    r = rejected_rows.c
    same_day = sa.and_(r.asset == ASSET, r.campaign == unit.campaign, r.cohort_on == unit.day)
    return sa.exists().where(same_day, r.row_key == sa.cast(business_id, sa.Text))


def _of(unit: CampaignDay) -> sa.ColumnElement[bool]:
    return sa.and_(enriched_businesses.c.campaign == unit.campaign, enriched_businesses.c.cohort_on == unit.day)


def _counts(tx: sa.Connection, unit: CampaignDay) -> Counter[str]:
    rows = tx.execute(
        sa.select(enriched_businesses.c.status, sa.func.count().label("n"))
        .where(_of(unit))
        .group_by(enriched_businesses.c.status)
    )
    return Counter({row.status: row.n for row in rows})
