"""Buys the day's listings from Yelp: page by page within its limits, continued where an interrupted run stopped."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
import uuid
from collections.abc import Mapping
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
from leadfactory.d01_targeting.tables import campaign_targets, targets
from leadfactory.d02_sourcing import listings, restoring
from leadfactory.d02_sourcing.records import SOURCED_RULES
from leadfactory.d02_sourcing.tables import sourced_businesses
from leadfactory.database import Database
from leadfactory.flow import Progress, quiet
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.quality import rows as row_rules
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport

ASSET = "sourced_businesses"
_NAMESPACE = uuid.UUID("b7a1d0a3-2f3e-4b6a-8d6f-0d4c8a1c5e77")


@dataclasses.dataclass
class _Tally:
    """What this run did: listings bought, planned ones that Yelp could not give now or refused, and what to tell."""

    bought: int = 0
    open: int = 0
    refused_by_yelp: int = 0
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
    """Sources what was planned for ``unit``, at most ``limit`` businesses in all.

    A target that Yelp cannot answer for now stays open, with the reason: it never looks like "no results".
    """
    began = time.monotonic()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, clock.now())
        planned = [dict(row) for row in tx.execute(_planned(unit)).mappings()]
        stored_before = _count(tx, unit)
        gone = restoring.lost(tx, unit, clock.now())
        shut = campaigns.closed_reason(campaigns.get(tx, unit.campaign), unit.day)
    wanted = sum(row["businesses_planned"] for row in planned)
    wanted = min(wanted, limit) if limit is not None else wanted
    tally, calls, spend = _Tally(), 0, 0
    if not campaign_days.may_source(unit, clock):
        tally.notes.append(f"closed for sourcing: its day is not {clock.today()}, {stored_before} stored rows returned")
    elif shut is not None:
        tally.notes.append(f"nothing bought: {shut}; {stored_before} stored rows returned")
    elif stored_before < wanted or gone:
        hashes = KeyedHashes(settings.suppression_key.get_secret_value())
        async with yelp.gateway.running(unit=unit, asset=ASSET) as scope:
            for row in planned:
                await _target(unit, row, db=db, clock=clock, hashes=hashes, yelp=yelp, wanted=wanted, tally=tally)
                progress(ASSET, stored_before + tally.bought, wanted)
            if gone:
                tally.notes.append(await restoring.restore(planned, gone, db=db, clock=clock, yelp=yelp))
        calls, spend = scope.calls, scope.spend_microusd
    with db.begin() as tx:
        stored, refused = _count(tx, unit), row_rules.count_refused(tx, ASSET, unit)
        by_target = {row.place: row.n for row in tx.execute(_by_target(unit))}
        excluded = {row.excluded_reason: row.n for row in tx.execute(_excluded(unit))}
    counts = {"planned": wanted, "planned but refused by yelp": tally.refused_by_yelp, **excluded}
    return StageReport(
        ASSET, unit, state, rows_in=stored + refused + tally.open, rows_out=stored, rows_rejected=refused, rows_reused=stored_before,
        rows_open=tally.open, calls=calls, spend_microusd=spend, seconds=time.monotonic() - began, counts=counts,
        chart=by_target, chart_title="listings sourced by target", notes=tuple(tally.notes),
    )  # fmt: skip


async def _target(
    unit: CampaignDay, row: Mapping[str, Any], *, db: Database, clock: Clock, hashes: KeyedHashes, yelp: YelpClient, wanted: int,
    tally: _Tally,
) -> None:  # fmt: skip
    """Pages of one target until its share is stored, the day's total is reached, or Yelp has no more."""
    place = geography.find(geography.PlaceSpec(row["kind"], row["place"]))
    with db.begin() as tx:
        offset, exhausted = _cursor(tx, row["target_id"])
        missing = min(row["businesses_planned"] - _count(tx, unit, row["target_id"]), wanted - _count(tx, unit))
    while missing > 0 and not exhausted and offset < RESULT_CAP:
        try:
            page = await yelp.search(
                location=place.location, radius_m=place.radius_m, categories=row["yelp_categories"],
                limit=min(PAGE_LIMIT, RESULT_CAP - offset), offset=offset,
            )  # fmt: skip
        except VendorUnavailable as error:
            tally.open += missing
            tally.notes.append(
                f"{row['place']}: yelp is unavailable ({error.reason}); {missing} planned businesses stay open"
            )
            return
        except VendorRejected as error:
            tally.refused_by_yelp += missing
            tally.notes.append(
                f"{row['place']}: yelp refuses the search ({error.reason}); {missing} planned businesses are not sourced"
            )
            return
        with db.begin() as tx:
            taken, written = _store(tx, unit, row["target_id"], page, offset, missing, hashes, clock.now())
            offset += taken
            exhausted = taken == len(page.businesses) and (not taken or offset >= min(page.total, RESULT_CAP))
            moved = {"next_offset": sa.func.greatest(targets.c.next_offset, offset)}
            ended = {"exhausted_at": clock.now()} if exhausted else {}
            tx.execute(sa.update(targets).where(targets.c.target_id == row["target_id"]).values(**moved, **ended))
        tally.bought += written
        missing -= written
        if exhausted:
            tally.notes.append(_exhausted(row["place"], offset, page.total))


def _exhausted(place: str, offset: int, total: int) -> str:
    if total > RESULT_CAP <= offset:
        return f"{place}: exhausted: Yelp shows {RESULT_CAP} of {total} results of a search; target smaller places to reach the rest"
    return f"{place}: exhausted after {offset} results"


def _store(
    tx: sa.Connection,
    unit: CampaignDay,
    target_id: uuid.UUID,
    page: YelpPage,
    offset: int,
    most: int,
    hashes: KeyedHashes,
    now: dt.datetime,
) -> tuple[int, int]:
    """Writes up to ``most`` new listings of a page; content under its term, rows with ids and hashes only.

    Returns how many listings of the page were looked at and how many rows were written. Listings that the day has already,
    through a neighbouring target or because Yelp's order moved, are looked at and not written again.
    """
    known = _known(tx, unit, [each["id"] for each in page.businesses])
    rows: dict[uuid.UUID, dict[str, Any]] = {}
    refused: list[row_rules.Refused] = []
    taken = 0
    for business in page.businesses:
        if len(rows) >= most:
            break
        row = _row(unit, target_id, offset + taken, business, page, hashes)
        taken += 1
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
    return {
        "campaign": unit.campaign, "cohort_on": unit.day, "sourced_id": sourced_id, "target_id": target_id, "source": "yelp",
        "yelp_id": business["id"], "rank": rank,
        "name_hmac": hashes.name(listing.name) if listing.name_words else None,
        "phone_hmac": hashes.phone(listing.phone) if listing.phone else None,
        "address_hmac": hashes.postal(listing.postal) if listing.postal else None,
        "domain_hmac": None, "review_band": None,  # bands need a signature in config/vendor_terms.yaml
        "excluded_reason": listings.excluded_reason(business), "fetched_at": page.fetched_at, "expires_at": page.expires_at,
    }  # fmt: skip


def _cursor(tx: sa.Connection, target_id: uuid.UUID) -> tuple[int, bool]:
    """The next result of a target that nobody has looked at, and whether there is none. Written with the rows before it."""
    query = sa.select(targets.c.next_offset, targets.c.exhausted_at).where(targets.c.target_id == target_id)
    row = tx.execute(query).one()
    return int(row.next_offset), row.exhausted_at is not None


def _known(tx: sa.Connection, unit: CampaignDay, yelp_ids: list[str]) -> set[str]:
    column = sourced_businesses.c.yelp_id
    return set(tx.scalars(sa.select(column).where(_of(unit), column == sa.any_(sa.cast(yelp_ids, sa.ARRAY(sa.Text))))))


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


def _by_target(unit: CampaignDay) -> sa.Select[Any]:
    same = sa.and_(
        campaign_targets.c.target_id == sourced_businesses.c.target_id,
        campaign_targets.c.campaign == unit.campaign,
        campaign_targets.c.cohort_on == unit.day,
    )
    query = sa.select(campaign_targets.c.place, sa.func.count().label("n")).select_from(
        sourced_businesses.join(campaign_targets, same)
    )
    return query.where(_of(unit)).group_by(campaign_targets.c.place).order_by(campaign_targets.c.place)


def _excluded(unit: CampaignDay) -> sa.Select[Any]:
    column = sourced_businesses.c.excluded_reason
    return sa.select(column, sa.func.count().label("n")).where(_of(unit), column.is_not(None)).group_by(column)
