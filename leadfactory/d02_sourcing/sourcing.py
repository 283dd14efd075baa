"""Finds the day's listings: the operator's own first, then Yelp's, page by page within its limits and part by part beyond them."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import content
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.yelp import PAGE_LIMIT, RESULT_CAP, YelpClient, YelpPage
from leadfactory.d01_targeting import campaigns
from leadfactory.d01_targeting import places as geography
from leadfactory.d01_targeting.tables import campaign_targets
from leadfactory.d02_sourcing import chains, listings, part_store, restoring, sourced_imports
from leadfactory.d02_sourcing import parts as searching
from leadfactory.d02_sourcing.records import SOURCED_RULES
from leadfactory.d02_sourcing.tables import sourced_businesses
from leadfactory.database import Database
from leadfactory.flow import Progress, quiet
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.quality import rows as row_rules
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport
from leadfactory.vendor_terms import VendorTerms

ASSET = "sourced_businesses"
_NAMESPACE = uuid.UUID("b7a1d0a3-2f3e-4b6a-8d6f-0d4c8a1c5e77")


@dataclasses.dataclass
class _Run:
    """One run over one campaign-day: what it works with, and what it did. ``stopped`` is why Yelp is not asked any more today."""

    unit: CampaignDay
    db: Database
    clock: Clock
    yelp: YelpClient
    hashes: KeyedHashes
    wanted: int
    bought: int = 0
    open: int = 0
    refused_by_yelp: int = 0
    stopped: str | None = None
    notes: list[str] = dataclasses.field(default_factory=list)


async def source(
    unit: CampaignDay,
    *,
    db: Database,
    clock: Clock,
    settings: Settings,
    yelp: YelpClient,
    limit: int | None = None,
    progress: Progress = quiet,
) -> StageReport:
    """Sources imported rows that wait and what was planned for ``unit``, at most ``limit`` businesses in all.

    A target that Yelp cannot answer for now stays open, with the reason: it never looks like "no results".
    """
    began = time.monotonic()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, clock.now())
        planned = [dict(row) for row in tx.execute(_planned(unit)).mappings()]
        stored_before = _count(tx, unit)
        gone = restoring.lost(tx, unit, clock.now())
        probes = part_store.to_probe(tx, unit)
        campaign = campaigns.get(tx, unit.campaign)
    shut = campaigns.closed_reason(campaign, unit.day)
    wanted = sum(row["businesses_planned"] for row in planned)
    wanted = min(wanted, limit) if limit is not None else wanted
    run = _Run(unit, db, clock, yelp, KeyedHashes(settings.suppression_key.get_secret_value()), wanted)
    calls, spend, imported = 0, 0, 0
    if not campaign_days.may_source(unit, clock):
        run.notes.append(f"closed for sourcing: its day is not {clock.today()}, {stored_before} stored rows returned")
    elif shut is not None:
        run.notes.append(f"nothing bought: {shut}; {stored_before} stored rows returned")
    else:
        most = campaign["daily_quota"] if limit is None else min(limit, campaign["daily_quota"])
        imported, own = _imported(run, most - stored_before)
        run.wanted = wanted = min(most, wanted + own)  # what was planned is searched for beside the own lists
        short = stored_before + imported < wanted
        if (short or gone or probes) and not settings.yelp_api_key.get_secret_value():
            run.notes.append("no YELP_API_KEY: imported rows only; `leadfactory import-businesses` adds more")
            run.wanted = wanted = stored_before + imported
        elif short or gone or probes:
            async with yelp.gateway.running(unit=unit, asset=ASSET) as scope:
                for row in planned:
                    await _target(run, row)
                    progress(ASSET, stored_before + imported + run.bought, wanted)
                if gone:
                    run.notes.append(await restoring.restore(planned, gone, db=db, clock=clock, yelp=yelp))
                await _probe(run, probes)
            calls, spend = scope.calls, scope.spend_microusd
    with db.begin() as tx:
        stored, refused = _count(tx, unit), row_rules.count_refused(tx, ASSET, unit)
        covered = part_store.coverage(tx, unit.campaign)
        excluded = {row.excluded_reason: row.n for row in tx.execute(_excluded(unit))}
    searches, finished = (sum(getattr(each, what) for each in covered.values()) for what in ("searches", "finished"))
    counts = {
        "planned": wanted, "planned but refused by yelp": run.refused_by_yelp, "imported": imported,
        "listings seen": sum(each.seen for each in covered.values()), "searches": searches, "searches finished": finished,
        "coverage in percent": round(100 * finished / searches) if searches else 0, **excluded,
    }  # fmt: skip
    return StageReport(
        ASSET, unit, state, rows_in=stored + refused + run.open, rows_out=stored, rows_rejected=refused, rows_reused=stored_before,
        rows_open=run.open, calls=calls, spend_microusd=spend, seconds=time.monotonic() - began, counts=counts,
        chart={place: round(100 * each.finished / each.searches) for place, each in covered.items()},
        chart_title="coverage: percent of a target's searches that were gone through to the end", notes=tuple(run.notes),
    )  # fmt: skip


def _imported(run: _Run, room: int) -> tuple[int, int]:
    """Takes imported rows that no campaign-day has, oldest first, within the campaign's daily quota; how many, and all of the day."""
    with run.db.begin() as tx:
        sourced_imports.forget_expired(tx, run.clock.now())
        taken, waiting = sourced_imports.take(tx, run.unit, max(0, room), run.hashes, run.clock.now())
        own = sourced_imports.count(tx, run.unit)
        if taken:
            campaign_days.mark_dirty(tx, run.unit, ASSET)
    if waiting:
        run.notes.append(f"{waiting} imported rows wait for the following days: the campaign's daily quota is used")
    return taken, own


async def _target(run: _Run, row: Mapping[str, Any]) -> None:
    """Pages of one target's parts until its share is stored, the day's total is reached, or Yelp has no more."""
    place = geography.find(geography.PlaceSpec(row["kind"], row["place"]))
    with run.db.begin() as tx:
        part = part_store.next_open(tx, row, run.clock.now())
        missing = min(
            row["businesses_planned"] - _count(tx, run.unit, row["target_id"]), run.wanted - _count(tx, run.unit)
        )
    while missing > 0 and part is not None:
        offset = part.next_offset
        if run.stopped is not None:
            _defer(run, row, part, missing, run.stopped)
            return
        try:
            page = await run.yelp.search(
                **searching.question(part, place), limit=min(PAGE_LIMIT, RESULT_CAP - offset), offset=offset
            )
        except VendorUnavailable as error:
            if error.reason == "daily_limit":
                run.stopped = error.reason
            _defer(run, row, part, missing, error.reason)
            return
        except VendorRejected as error:
            run.refused_by_yelp += missing
            run.notes.append(
                f"{row['place']}: yelp refuses the search ({error.reason}); {missing} planned businesses are not sourced"
            )
            return
        with run.db.begin() as tx:
            taken, written = _store(tx, run, row["target_id"], part, place, page, missing)
            offset += taken
            done = taken == len(page.businesses) and (not taken or offset >= min(page.total, RESULT_CAP))
            said = part_store.moved(tx, part, place, offset, page, done=done, now=run.clock.now())
            part = part_store.next_open(tx, row, run.clock.now())
        run.bought += written
        missing -= written
        if said:
            run.notes.append(f"{row['place']}: {said}")


def _defer(run: _Run, row: Mapping[str, Any], part: searching.Part, missing: int, reason: str) -> None:
    """Leaves the rest of a target open with the reason; its cursor stands where the next day's plan begins."""
    run.open += missing
    run.notes.append(f"{row['place']}: yelp is unavailable ({reason}); {missing} planned businesses stay open")
    with run.db.begin() as tx:
        part_store.defer(tx, part, missing, reason, run.clock.now())


async def _probe(run: _Run, probes: Sequence[sa.Row[Any]]) -> None:
    """Asks each exhausted target, once a day and with one call, whether there are more results than before."""
    for row in probes:
        if run.stopped is not None:
            return
        place = geography.find(geography.PlaceSpec(row.kind, row.place))
        asked = searching.question(searching.whole(row.target_id, row.yelp_categories), place)
        try:
            page = await run.yelp.search(**asked, limit=1, offset=0)
        except VendorUnavailable as error:
            run.stopped = error.reason
            run.notes.append(f"{row.place}: not asked for new results: yelp is unavailable ({error.reason})")
            return
        except VendorRejected as error:
            run.notes.append(f"{row.place}: yelp refuses the search for new results ({error.reason})")
            continue
        with run.db.begin() as tx:
            more = part_store.probed(tx, row, page, run.clock.now())
        if more:
            run.notes.append(f"{row.place}: there are new results; it is searched again from tomorrow's plan on")


def _store(
    tx: sa.Connection, run: _Run, target_id: uuid.UUID, part: searching.Part, place: geography.Place, page: YelpPage, most: int
) -> tuple[int, int]:  # fmt: skip
    """Writes up to ``most`` new listings of a page; content under its term, rows with ids and hashes only.

    Returns how many listings of the page were looked at and how many rows were written. Listings that the campaign has already,
    through a neighbouring part or because Yelp's order moved, and those of a tile's rim that lie outside the target, are looked at
    and not written.
    """
    unit, hashes, now = run.unit, run.hashes, run.clock.now()
    offset = part.position * RESULT_CAP + part.next_offset
    known = _known(tx, unit, [each["id"] for each in page.businesses])
    rows: dict[uuid.UUID, dict[str, Any]] = {}
    refused: list[row_rules.Refused] = []
    taken = 0
    for business in page.businesses:
        if len(rows) >= most:
            break
        row = _row(unit, target_id, offset + taken, business, page, hashes)
        taken += 1
        if part.is_tile and _outside(business, place):
            continue
        good, bad = row_rules.split([row], SOURCED_RULES, key="sourced_id")
        refused += bad
        if good and business["id"] not in known:
            rows.setdefault(row["sourced_id"], row)
    row_rules.store_refused(tx, ASSET, unit, refused, now)
    if rows:
        wanted = {row["yelp_id"]: row for row in rows.values()}
        contents = [
            content.Content(each["id"], each, page.fetched_at, page.expires_at)
            for each in page.businesses
            if each["id"] in wanted
        ]
        content.store(tx, "yelp", contents)
        tx.execute(insert(sourced_businesses), list(rows.values()))
        campaign_days.mark_dirty(tx, unit, ASSET)
    return taken, len(rows)


def _row(
    unit: CampaignDay, target_id: uuid.UUID, rank: int, business: dict[str, Any], page: YelpPage, hashes: KeyedHashes
) -> dict[str, Any]:
    sourced_id = uuid.uuid5(_NAMESPACE, f"{unit.key}:yelp:{business['id']}")
    listing = listings.from_yelp(sourced_id, rank, business)
    terms = VendorTerms.load().field("yelp", "review_count")
    return {
        "campaign": unit.campaign, "cohort_on": unit.day, "sourced_id": sourced_id, "target_id": target_id, "source": "yelp",
        "yelp_id": business["id"], "rank": rank,
        "name_hmac": hashes.name(listing.name) if listing.name_words else None,
        "phone_hmac": hashes.phone(listing.phone) if listing.phone else None,
        "address_hmac": hashes.postal(listing.postal) if listing.postal else None,
        "domain_hmac": hashes.domain(listing.domain) if listing.domain else None, "chain_hmac": chains.key(listing, hashes),
        "review_band": listings.review_band(business) if terms.band_allowed else None,
        "excluded_reason": listings.excluded_reason(business), "fetched_at": page.fetched_at, "expires_at": page.expires_at,
    }  # fmt: skip


def _outside(business: Mapping[str, Any], place: geography.Place) -> bool:
    code = str((business.get("location") or {}).get("zip_code") or "")[:5]
    return bool(code) and code not in place.zips


def _known(tx: sa.Connection, unit: CampaignDay, yelp_ids: list[str]) -> set[str]:
    """Those of the ids that the campaign has sourced, on whichever day."""
    s = sourced_businesses.c
    wanted = s.yelp_id == sa.any_(sa.cast(yelp_ids, sa.ARRAY(sa.Text)))
    return set(tx.scalars(sa.select(s.yelp_id).where(s.campaign == unit.campaign, wanted)))


def _of(unit: CampaignDay) -> sa.ColumnElement[bool]:
    return sa.and_(sourced_businesses.c.campaign == unit.campaign, sourced_businesses.c.cohort_on == unit.day)


def _count(tx: sa.Connection, unit: CampaignDay, target_id: uuid.UUID | None = None) -> int:
    query = sa.select(sa.func.count()).select_from(sourced_businesses).where(_of(unit))
    if target_id is not None:
        query = query.where(sourced_businesses.c.target_id == target_id)
    return tx.scalar(query) or 0


def _planned(unit: CampaignDay) -> sa.Select[Any]:
    table = campaign_targets
    return (
        sa.select(table).where(table.c.campaign == unit.campaign, table.c.cohort_on == unit.day).order_by(table.c.place)
    )


def _excluded(unit: CampaignDay) -> sa.Select[Any]:
    column = sourced_businesses.c.excluded_reason
    return sa.select(column, sa.func.count().label("n")).where(_of(unit), column.is_not(None)).group_by(column)
