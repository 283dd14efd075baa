"""Which listings of the day are one business, and whether an earlier cohort already holds it. ``business_id`` is given once."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import content
from leadfactory.d02_sourcing import listings, matching
from leadfactory.d02_sourcing.tables import businesses, sourced_businesses, unique_businesses
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport

ASSET = "unique_businesses"
REGISTRY_LOCK = 0x1EADB122  # one cohort at a time assigns business ids
Row = Mapping[Any, Any]


@dataclasses.dataclass(frozen=True)
class _Group:
    """Listings that are one business: the one that stands for it, the others, and how that was known."""

    survivor: Row
    others: tuple[Row, ...]
    how: str


def unify(unit: CampaignDay, *, db: Database, clock: Clock, settings: Settings) -> StageReport:
    """Decides about the sourced rows that have no decision yet; stored decisions are never changed."""
    began = time.monotonic()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, clock.now())
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(REGISTRY_LOCK)))
        sourced = list(tx.execute(_sourced(unit)).mappings())
        decided, reused = _decided(tx, unit)
        fresh = [row for row in sourced if row["sourced_id"] not in decided]
        groups = _groups(tx, fresh, clock.now())
        written = _write(tx, unit, groups, clock.now())
        if written:
            campaign_days.mark_dirty(tx, unit, ASSET)
    with db.begin() as tx:
        told = _told(tx, unit)
    merged = len(sourced) - told["unique"]
    return StageReport(
        ASSET, unit, state, rows_in=len(sourced), rows_out=told["unique"], rows_reused=reused, seconds=time.monotonic() - began,
        counts={"merged away": merged, "known from an earlier cohort": told["known"], "excluded": told["excluded"],
                "matched by hashes only": sum(g.how == "hashes" for g in groups)},
        chart={"unique": told["unique"], "merged away": merged, "known earlier": told["known"], "excluded": told["excluded"]},
        chart_title="what the listings turned out to be",
    )  # fmt: skip


def _groups(tx: sa.Connection, rows: Sequence[Row], now: dt.datetime) -> list[_Group]:
    """Groups by content while it may be kept; by keyed hashes alone when its term is over."""
    by_id = {row["sourced_id"]: row for row in rows}
    known = content.read(tx, "yelp", [row["yelp_id"] for row in rows if row["yelp_id"]], now)
    readable = [
        listings.from_yelp(row["sourced_id"], row["rank"], known[row["yelp_id"]])
        for row in rows
        if row["yelp_id"] in known
    ]
    found = []
    for group in matching.groups(readable):
        first = matching.survivor(group)
        others = tuple(by_id[each.sourced_id] for each in group if each is not first)
        found.append(_Group(by_id[first.sourced_id], others, "content"))
    seen = {listing.sourced_id for listing in readable}
    return found + _groups_by_hash([row for row in rows if row["sourced_id"] not in seen])


def _groups_by_hash(rows: Sequence[Row]) -> list[_Group]:
    together: dict[Any, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda each: (each["rank"], each["sourced_id"])):
        known = row["phone_hmac"] is not None and row["address_hmac"] is not None
        together[(row["phone_hmac"], row["address_hmac"]) if known else row["sourced_id"]].append(row)
    return [_Group(group[0], tuple(group[1:]), "hashes") for group in together.values()]


def _write(tx: sa.Connection, unit: CampaignDay, groups: Sequence[_Group], now: dt.datetime) -> int:
    if not groups:
        return 0
    registry = _Registry(tx, [row for group in groups for row in (group.survivor, *group.others)])
    rows: dict[uuid.UUID, dict[str, Any]] = {}
    fresh = []
    for group in groups:
        business_id, earlier = registry.find(group, unit)
        if business_id is None:
            business_id = uuid.uuid5(unit_namespace(unit), str(group.survivor["sourced_id"]))
            fresh.append(_registered(business_id, unit, group, now))
        if business_id in rows:  # two groups that the registry knows as one
            rows[business_id]["merged_sourced_ids"] += [r["sourced_id"] for r in (group.survivor, *group.others)]
            continue
        rows[business_id] = {
            "campaign": unit.campaign, "cohort_on": unit.day, "business_id": business_id, "sourced_id": group.survivor["sourced_id"],
            "merged_sourced_ids": [row["sourced_id"] for row in group.others], "duplicate_of": business_id if earlier else None,
            "excluded_reason": group.survivor["excluded_reason"], "evidence": {"how": group.how, "listings": 1 + len(group.others)},
            "decided_at": now,
        }  # fmt: skip
    if fresh:
        tx.execute(insert(businesses), fresh)
    done = tx.execute(
        insert(unique_businesses).on_conflict_do_nothing().returning(unique_businesses.c.business_id),
        list(rows.values()),
    ).all()
    for business_id in set(rows) - {row.business_id for row in done}:  # decided by an earlier run of this very day
        tx.execute(
            sa.update(unique_businesses)
            .where(_of(unit), unique_businesses.c.business_id == business_id)
            .values(
                merged_sourced_ids=unique_businesses.c.merged_sourced_ids.op("||")(
                    sa.cast(
                        [rows[business_id]["sourced_id"], *rows[business_id]["merged_sourced_ids"]], sa.ARRAY(sa.Uuid)
                    )
                )
            )
        )
    return len(rows)


def unit_namespace(unit: CampaignDay) -> uuid.UUID:
    """The namespace of ids that this campaign-day gives."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"leadfactory:{unit.key}")


class _Registry:
    """The registered businesses that could be any of the rows, read in one query."""

    def __init__(self, tx: sa.Connection, rows: Sequence[Row]) -> None:
        ids = [row["yelp_id"] for row in rows if row["yelp_id"]]
        phones = [row["phone_hmac"] for row in rows if row["phone_hmac"]]
        doors = [row["address_hmac"] for row in rows if row["address_hmac"]]
        found = tx.execute(
            sa.select(businesses).where(
                sa.or_(
                    businesses.c.yelp_ids.op("&&")(sa.cast(ids, sa.ARRAY(sa.Text))),
                    businesses.c.phone_hmac.in_(phones),
                    businesses.c.address_hmac.in_(doors),
                )
            )
        ).mappings()
        self._by_yelp: dict[str, Row] = {}
        self._by_pair: dict[tuple[str, bytes, bytes], Row] = {}
        for row in sorted(found, key=lambda each: (each["registered_at"], each["business_id"]), reverse=True):
            self._by_yelp.update(dict.fromkeys(row["yelp_ids"], row))
            for kind, one, other in _pairs(row):
                self._by_pair[kind, one, other] = row

    def find(self, group: _Group, unit: CampaignDay) -> tuple[uuid.UUID | None, bool]:
        """The id of the registered business that a group is, and whether another cohort registered it first."""
        for row in (group.survivor, *group.others):
            known = self._by_yelp.get(row["yelp_id"] or "")
            for pair in _pairs(row):
                known = known or self._by_pair.get(pair)
            if known is not None:
                own = known["first_campaign"] == unit.campaign and known["first_cohort_on"] == unit.day
                return known["business_id"], not own
        return None, False


def _pairs(row: Row) -> list[tuple[str, bytes, bytes]]:
    """Two hashes that agree are evidence; one alone is not (a switchboard, a mall, a common name)."""
    combinations = (
        ("phone+name", "phone_hmac", "name_hmac"),
        ("phone+door", "phone_hmac", "address_hmac"),
        ("door+name", "address_hmac", "name_hmac"),
    )
    return [(kind, row[a], row[b]) for kind, a, b in combinations if row[a] is not None and row[b] is not None]


def _registered(business_id: uuid.UUID, unit: CampaignDay, group: _Group, now: dt.datetime) -> dict[str, Any]:
    rows = (group.survivor, *group.others)
    return {
        "business_id": business_id, "first_campaign": unit.campaign, "first_cohort_on": unit.day,
        "yelp_ids": sorted({row["yelp_id"] for row in rows if row["yelp_id"]}),
        **{name: next((row[name] for row in rows if row[name] is not None), None) for name in ("name_hmac", "phone_hmac", "address_hmac", "domain_hmac")},
        "registered_at": now,
    }  # fmt: skip


def _of(unit: CampaignDay) -> sa.ColumnElement[bool]:
    return sa.and_(unique_businesses.c.campaign == unit.campaign, unique_businesses.c.cohort_on == unit.day)


def _sourced(unit: CampaignDay) -> sa.Select[Any]:
    table = sourced_businesses
    return (
        sa.select(table).where(table.c.campaign == unit.campaign, table.c.cohort_on == unit.day).order_by(table.c.rank)
    )


def _decided(tx: sa.Connection, unit: CampaignDay) -> tuple[set[uuid.UUID], int]:
    rows = tx.execute(
        sa.select(unique_businesses.c.sourced_id, unique_businesses.c.merged_sourced_ids).where(_of(unit))
    ).all()
    return {each for row in rows for each in (row.sourced_id, *row.merged_sourced_ids)}, len(rows)


def _told(tx: sa.Connection, unit: CampaignDay) -> dict[str, int]:
    row = tx.execute(
        sa.select(
            sa.func.count().label("unique"),
            sa.func.count(unique_businesses.c.duplicate_of).label("known"),
            sa.func.count(unique_businesses.c.excluded_reason).label("excluded"),
        ).where(_of(unit))
    ).one()
    return dict(row._mapping)
