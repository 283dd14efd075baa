"""Buys the day's listings from Yelp: page by page within its caps, continued where an interrupted run stopped."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import content
from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d00_gateway.yelp import PAGE_LIMIT, RESULT_CAP, YelpClient, YelpPage
from leadfactory.d01_targeting.tables import campaign_targets, targets
from leadfactory.d02_sourcing import listings
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
    """What this run did."""

    bought: int = 0
    refused: int = 0
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

    A target that Yelp cannot answer for now is listed in the notes and stays open: it never looks like "no results".
    """
    began = time.monotonic()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, clock.now())
        planned = list(tx.execute(_planned(unit)).mappings())
        stored_before = _count(tx, unit)
    wanted = sum(row["businesses_planned"] for row in planned)
    wanted = min(wanted, limit) if limit is not None else wanted
    tally, calls, spend = _Tally(), 0, 0
    if not campaign_days.may_source(unit, clock):
        tally.notes.append(f"closed for sourcing: its day is over, {stored_before} stored rows returned")
    elif stored_before < wanted:
        async with yelp.gateway.running(unit=unit, asset=ASSET) as scope:
            for row in planned:
                await _target(unit, row, db, clock, settings, yelp, wanted, tally)
                progress(ASSET, stored_before + tally.bought, wanted)
        calls, spend = scope.calls, scope.spend_microusd
    with db.begin() as tx:
        stored = _count(tx, unit)
        by_target = {row.place: row.n for row in tx.execute(_by_target(unit))}
        excluded = {r.excluded_reason: r.n for r in tx.execute(_excluded(unit))}
    return StageReport(
        ASSET, unit, state, rows_in=stored + tally.refused, rows_out=stored, rows_rejected=tally.refused, rows_reused=stored_before,
        calls=calls, spend_microusd=spend, seconds=time.monotonic() - began, counts={"planned": wanted, **excluded},
        chart=by_target, chart_title="listings sourced by target", notes=tuple(tally.notes),
    )  # fmt: skip


async def _target(
    unit: CampaignDay,
    row: Any,
    db: Database,
    clock: Clock,
    settings: Settings,
    yelp: YelpClient,
    wanted: int,
    tally: _Tally,
) -> None:
    """Pages of one target until its share is stored, the day's total is reached, or Yelp has no more."""
    end = min(row["from_offset"] + row["businesses_planned"], RESULT_CAP)
    with db.begin() as tx:
        offset = _resume_at(tx, unit, row)
        room = wanted - _count(tx, unit)
    while offset < end and room > 0:
        size = min(PAGE_LIMIT, end - offset, room)
        try:
            page = await yelp.search(
                location=row["place"], categories=row["yelp_categories"], limit=size, offset=offset
            )
        except VendorError as error:
            tally.notes.append(f"{row['place']}: {error.reason}; {end - offset} planned businesses stay open")
            return
        with db.begin() as tx:
            written, refused = _store(
                tx,
                unit,
                row["target_id"],
                page,
                offset,
                KeyedHashes(settings.suppression_key.get_secret_value()),
                clock.now(),
            )
            offset += len(page.businesses)
            last = len(page.businesses) < size or offset >= min(page.total, RESULT_CAP)
            exhausted = clock.now() if last else None
            tx.execute(
                sa.update(targets)
                .where(targets.c.target_id == row["target_id"])
                .values(next_offset=sa.func.greatest(targets.c.next_offset, offset), exhausted_at=exhausted)
            )
        tally.bought += written
        tally.refused += refused
        room -= written
        if last:
            tally.notes.append(f"{row['place']}: exhausted after {offset} of {page.total} results")
            return


def _store(
    tx: sa.Connection,
    unit: CampaignDay,
    target_id: uuid.UUID,
    page: YelpPage,
    offset: int,
    hashes: KeyedHashes,
    now: dt.datetime,
) -> tuple[int, int]:
    """Writes one page: content under its term, rows with ids and hashes only. (rows written, rows refused)."""
    rows = [
        _row(unit, target_id, offset + position, each, page, hashes) for position, each in enumerate(page.businesses)
    ]
    good, refused = row_rules.split(rows, SOURCED_RULES, key="sourced_id")
    row_rules.store_refused(tx, ASSET, unit, refused, now)
    content.store(
        tx, "yelp", [content.Content(each["id"], each, page.fetched_at, page.expires_at) for each in page.businesses]
    )
    if not good:
        return 0, len(refused)
    done = tx.execute(
        insert(sourced_businesses).on_conflict_do_nothing().returning(sourced_businesses.c.sourced_id), good
    )
    campaign_days.mark_dirty(tx, unit, ASSET)
    return len(done.all()), len(refused)


def _row(
    unit: CampaignDay, target_id: uuid.UUID, rank: int, business: dict[str, Any], page: YelpPage, hashes: KeyedHashes
) -> dict[str, Any]:
    sourced_id = uuid.uuid5(_NAMESPACE, f"{unit.key}:yelp:{business['id']}")
    listing = listings.from_yelp(sourced_id, rank, business)
    return {
        "campaign": unit.campaign, "cohort_on": unit.day, "sourced_id": sourced_id, "target_id": target_id, "source": "yelp",
        "yelp_id": business["id"], "rank": rank,
        "name_hmac": hashes.name(listing.name) if listing.name.strip() else None,
        "phone_hmac": hashes.phone(listing.phone) if listing.phone else None,
        "address_hmac": hashes.postal(listing.postal) if listing.postal else None,
        "domain_hmac": None, "review_band": None,  # bands need a signature in config/vendor_terms.yaml
        "excluded_reason": listings.closed_reason(business), "fetched_at": page.fetched_at, "expires_at": page.expires_at,
    }  # fmt: skip


def _resume_at(tx: sa.Connection, unit: CampaignDay, row: Any) -> int:
    """The result after the last one that is stored for the target."""
    last = tx.scalar(
        sa.select(sa.func.max(sourced_businesses.c.rank)).where(
            _of(unit), sourced_businesses.c.target_id == row["target_id"]
        )
    )
    return int(row["from_offset"]) if last is None else int(last) + 1


def _of(unit: CampaignDay) -> sa.ColumnElement[bool]:
    return sa.and_(sourced_businesses.c.campaign == unit.campaign, sourced_businesses.c.cohort_on == unit.day)


def _count(tx: sa.Connection, unit: CampaignDay) -> int:
    return tx.scalar(sa.select(sa.func.count()).select_from(sourced_businesses).where(_of(unit))) or 0


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
