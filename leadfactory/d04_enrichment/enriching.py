"""Finds each business's own website and keeps what it publishes there. Google's words are used in memory and let go."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from leadfactory import campaign_days, flow
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.places import PlacesClient
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d03_assessment.closing import closed_for_buying
from leadfactory.d04_enrichment import place_match, store, subjects
from leadfactory.d04_enrichment.locating import Found, Locator
from leadfactory.d04_enrichment.mail_domains import MailDomains
from leadfactory.d04_enrichment.policy import policy
from leadfactory.d04_enrichment.subjects import ASSET, Subject
from leadfactory.d04_enrichment.survivorship import SiteCandidate
from leadfactory.d04_enrichment.visiting import Visitor
from leadfactory.database import Database
from leadfactory.flow import Progress, quiet
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.quality import rows as row_rules
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport


async def enrich(
    unit: CampaignDay, *, db: Database, clock: Clock, settings: Settings, places: PlacesClient, website: WebsiteClient,
    progress: Progress = quiet,
) -> StageReport:  # fmt: skip
    """Enriches the unique businesses of ``unit`` that have no row yet, or one that may be tried again."""
    began = time.monotonic()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, clock.now())
        wanted, expected = subjects.load(tx, unit, clock.now())
        stored = store.counts(tx, unit).total()
        shut = closed_for_buying(tx, unit, clock.today())
        unchecked = store.unchecked(tx, unit)
    notes, late = [], not campaign_days.may_source(unit, clock)
    if shut is not None:
        notes.append(f"{shut}, {stored} stored rows returned")
        wanted = []
    elif late:
        # Midnight falls into runs (16:00 in Los Angeles, in winter): what such a run had not come to is finished while its
        # listing may be kept; nothing is tried again.
        wanted = [subject for subject in wanted if subject.listing is not None and not subject.again]
        finished = f"{len(wanted)} businesses that a run over midnight left are finished, " if wanted else ""
        notes.append(f"closed for sourcing: its day is not {clock.today()}, {finished}{stored} stored rows returned")
    reused, calls, spend = stored - sum(subject.again for subject in wanted), 0, 0
    mail = MailDomains(settings.website_resolver, policy().mail_check)
    for business_id, email in () if shut is not None or late else unchecked:
        await _checked_again(db, unit, mail, business_id, email)
    if wanted:
        hashes = KeyedHashes(settings.suppression_key.get_secret_value())
        visitor = Visitor(website, mail, hashes, policy())
        async with places.gateway.running(unit=unit, asset=ASSET) as scope:
            notes += await _Day(unit, db, clock, places, visitor, progress, len(wanted)).work(wanted)
        calls, spend = scope.calls, scope.spend_microusd
    with db.begin() as tx:
        counts = store.counts(tx, unit)
        retried, refused = store.open_rows(tx, unit), row_rules.count_refused(tx, ASSET, unit)
        tallies = {**counts, "with an address": store.with_address(tx, unit), **store.tallies(tx, unit)}
        histogram = store.confidences(tx, unit)
    return StageReport(
        ASSET, unit, state, rows_in=expected, rows_out=counts.total() - retried, rows_rejected=refused,
        rows_reused=reused, rows_open=retried, calls=calls,
        spend_microusd=spend, seconds=time.monotonic() - began, counts=tallies,
        chart=histogram, chart_title="confidence of the match (businesses by tenth)", notes=tuple(notes),
    )  # fmt: skip


class _Day:
    """One run over a day's businesses: those of an area's page are visited and stored together, the rest in batches."""

    def __init__(
        self, unit: CampaignDay, db: Database, clock: Clock, places: PlacesClient, visitor: Visitor, progress: Progress,
        total: int,
    ) -> None:  # fmt: skip
        self._unit, self._db, self._clock, self._places = unit, db, clock, places
        self._visitor, self._progress, self._total, self._done = visitor, progress, total, 0
        self._locator = Locator(places, visitor.policy)
        self._at_once = places.gateway.policies.of("website").concurrency
        self._room = asyncio.Semaphore(
            self._at_once
        )  # over all pages: a reader that is overrun mistakes itself for slow sites

    async def work(self, wanted: list[Subject]) -> list[str]:
        """Finds, visits and stores; says how many pages of areas were bought and what ended them."""
        sought = [each for each in wanted if each.listing is not None and each.target and not each.site_is_given]
        async with asyncio.TaskGroup() as group:

            async def arrived(page: list[tuple[Subject, Found]]) -> None:
                if flow.takes_turns():
                    await self._page(page)
                else:  # the next page is asked for while this one's websites are visited
                    group.create_task(self._page(page))

            left = await self._locator.by_area(sought, arrived)
        left += [each for each in wanted if each not in sought]
        await flow.each(
            left,
            self._alone,
            lambda rows: store.keep(self._db, self._unit, rows, self._clock.now()),
            at_once=self._at_once,
        )
        pages, ended = self._locator.area_pages, self._locator.areas_ended_by
        notes = [f"{pages} pages of areas searched"] if pages else []
        return notes + ([f"the search of areas ended: {ended}"] if ended else [])

    async def _page(self, page: list[tuple[Subject, Found]]) -> None:
        rows: list[dict[str, Any]] = []
        try:
            await flow.each(page, lambda pair: self._row(*pair), rows.extend, at_once=self._at_once)
        finally:  # what was paid for is kept, whatever stopped the rest
            store.keep(self._db, self._unit, rows, self._clock.now())

    async def _alone(self, subject: Subject) -> dict[str, Any]:
        with self._places.gateway.about(subject.business_id):
            asked = subject.listing is not None and not subject.site_is_given
            found = await self._locator.alone(subject) if asked else Found(None)
            return await self._row(subject, found)

    async def _row(self, subject: Subject, found: Found) -> dict[str, Any]:
        async with self._room:
            with self._places.gateway.about(subject.business_id):
                what = await _enriched(subject, found, self._visitor)
        row = store.row(self._unit, what, self._clock.now())
        self._done += 1
        self._progress(ASSET, self._done, self._total)
        return row


async def _enriched(subject: Subject, found: Found, visitor: Visitor) -> dict[str, Any]:
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
    sites = list(subject.sites)
    if subject.site_is_given:
        return base | {"place_match": "not_asked"} | await visitor.visit(sites, subject)
    if found.match is None:
        reason = f"places_{found.error.reason}" if found.error is not None else "places_not_asked"
        base |= {"place_match": "unavailable", "place_id": subject.place_id}
        if isinstance(found.error, VendorUnavailable):
            return base | {"status": "unavailable", "reason": reason, "retryable": True}
        if not sites:  # not "no website": nobody could be asked
            return base | {"status": "unavailable", "reason": reason}
    else:
        base |= _matched(found.match)
        place = found.match.place
        if place is not None and found.match.best is not None:
            closed = place_match.closed_reason(place)
            if closed:
                return base | {"status": "no_website", "reason": closed}
            if place.get("websiteUri"):
                sites.append(SiteCandidate(str(place["websiteUri"]), "places", found.match.best.confidence))
    if not sites:
        reason = "none_known" if base.get("place_id") else f"place_{base['place_match']}"
        return base | {"status": "no_website", "reason": reason}
    return base | await visitor.visit(sites, subject)


def _matched(match: place_match.Match) -> dict[str, Any]:
    """What may be kept of a match: Google's id, the confidence, and codes of ours."""
    told: dict[str, Any] = {"place_match": match.verdict}
    if match.best is None:
        return told
    evidence = [*match.best.evidence, *([f"veto_{match.best.veto}"] if match.best.veto else [])]
    if match.verdict == "matched":
        return told | {
            "place_id": match.best.place["id"], "match_score": match.best.confidence, "match_evidence": evidence
        }  # fmt: skip
    rejected = {"place_id": match.best.place["id"], "confidence": match.best.confidence, "evidence": evidence}
    return told | {"rejected_candidate": rejected}


async def _checked_again(db: Database, unit: CampaignDay, mail: MailDomains, business_id: Any, email: str) -> None:
    checked = await mail.check(email)
    if checked.state != "unknown":
        with db.begin() as tx:
            store.checked(tx, unit, business_id, checked.state, checked.reason)
