"""Fetches listings' content again when an unclean stop of the database has emptied its UNLOGGED table, within its term."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import content
from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d00_gateway.yelp import PAGE_LIMIT, RESULT_CAP, YelpClient
from leadfactory.d01_targeting import places as geography
from leadfactory.d02_sourcing import part_store, parts
from leadfactory.d02_sourcing.tables import sourced_businesses
from leadfactory.database import Database


def lost(tx: sa.Connection, unit: CampaignDay, now: dt.datetime) -> list[sa.Row[Any]]:
    """Listings of ``unit`` (yelp_id, target_id, rank) whose content may still be kept and is not there, by rank."""
    s = sourced_businesses.c
    rows = tx.execute(
        sa.select(s.yelp_id, s.target_id, s.rank)
        .where(s.campaign == unit.campaign, s.cohort_on == unit.day, s.source == "yelp", s.expires_at > now)
        .order_by(s.rank)
    ).all()
    kept = content.read(tx, "yelp", [row.yelp_id for row in rows], now)
    return [row for row in rows if row.yelp_id not in kept]


async def restore(
    planned: Sequence[Mapping[str, Any]],
    missing: Sequence[sa.Row[Any]],
    *,
    db: Database,
    clock: Clock,
    yelp: YelpClient,
) -> str:
    """Asks Yelp again for the pages that ``missing`` came from; rows and ids stay as they are. Says how it went.

    A listing that Yelp no longer shows at its place in the order stays without content, and is matched by its hashes.
    """
    back = 0
    failed = ""
    for row in planned:
        wanted = {each.yelp_id: each.rank for each in missing if each.target_id == row["target_id"]}
        place = geography.find(geography.PlaceSpec(row["kind"], row["place"]))
        rank = min(wanted.values(), default=None)
        while rank is not None and not failed:
            with db.begin() as tx:
                part = part_store.at_position(tx, row["target_id"], rank // RESULT_CAP)
            part = part or parts.whole(row["target_id"], row["yelp_categories"])
            offset = rank % RESULT_CAP
            try:
                page = await yelp.search(
                    **parts.question(part, place), limit=min(PAGE_LIMIT, RESULT_CAP - offset), offset=offset
                )
            except VendorError as error:
                failed = f"; yelp then failed ({error.reason})"
                break
            found = [each for each in page.businesses if each["id"] in wanted]
            rows = [content.Content(each["id"], each, page.fetched_at, page.expires_at) for each in found]
            with db.begin() as tx:
                content.store(tx, "yelp", rows)
            back += len(rows)
            end = min(rank + PAGE_LIMIT, (rank // RESULT_CAP + 1) * RESULT_CAP)
            rank = min((each for each in wanted.values() if each >= end), default=None)
    return f"content of {len(missing)} listings was lost within its term: {back} fetched again{failed}"
