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
from leadfactory.d01_targeting import exclusions
from leadfactory.d02_sourcing import chains, grouping, listings, matching, registry, sourced_imports
from leadfactory.d02_sourcing.matching_rules import rules
from leadfactory.d02_sourcing.merging import REGISTRY_LOCK
from leadfactory.d02_sourcing.tables import businesses, sourced_businesses, unique_businesses
from leadfactory.database import Database
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport

ASSET = "unique_businesses"
Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class _Group:
    """Listings that are one business, the one that stands for it first; how that was known, and on what it rests."""

    rows: tuple[Row, ...]
    how: str
    evidence: tuple[str, ...]
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict)


def unify(unit: CampaignDay, *, db: Database, clock: Clock, settings: Settings) -> StageReport:
    """Decides about the sourced rows that have no decision yet; stored decisions are never changed."""
    began = time.monotonic()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, clock.now())
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(REGISTRY_LOCK)))
        sourced = [dict(row) for row in tx.execute(_sourced(unit)).mappings()]
        decided, reused = _decided(tx, unit)
        fresh = [row for row in sourced if row["sourced_id"] not in decided]
        groups = _groups(tx, fresh, clock.now())
        if groups:
            _write(tx, unit, groups, clock.now(), KeyedHashes(settings.suppression_key.get_secret_value()))
            campaign_days.mark_dirty(tx, unit, ASSET)
        told = _told(tx, unit)
    blind = sum(len(group.rows) for group in groups if group.how == "hashes")
    notes = (f"{blind} listings were compared by keyed hashes only: their content has expired",) if blind else ()
    merged = len(sourced) - told["unique"]
    counts = {
        "merged away": merged, "merged per 1,000 listings": round(1000 * merged / len(sourced)) if sourced else 0,
        "known from an earlier cohort": told["known"], "excluded": told["excluded"], "excluded as chains": told["chains"],
    }  # fmt: skip
    return StageReport(
        ASSET, unit, state, rows_in=len(sourced), rows_out=told["unique"], rows_reused=reused, seconds=time.monotonic() - began,
        counts=counts | {"compared by hashes only": blind},
        chart={"unique": told["unique"], "merged away": merged, "known earlier": told["known"], "excluded": told["excluded"]},
        chart_title="what the listings turned out to be", notes=notes,
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
    imported = sourced_imports.read(tx, [row["import_id"] for row in rows if row["import_id"]])
    readable += [
        sourced_imports.listing(row["sourced_id"], row["rank"], imported[row["import_id"]].fields)
        for row in rows
        if row["import_id"] in imported
    ]
    found = []
    for group, evidence in grouping.groups(readable):
        first = matching.survivor(group)
        others = tuple(by_id[each.sourced_id] for each in group if each is not first)
        fields = {field: str(each.sourced_id) for field, each in matching.survivorship(group).items()}
        found.append(_Group((by_id[first.sourced_id], *others), "content", tuple(evidence), fields if others else {}))
    seen = {listing.sourced_id for listing in readable}
    return found + _groups_by_hash([row for row in rows if row["sourced_id"] not in seen])


def _groups_by_hash(rows: Sequence[Row]) -> list[_Group]:
    by_id = {row["sourced_id"]: row for row in rows}
    together: dict[tuple[str, bytes], list[Row]] = {}
    for row in rows:
        for column in ("phone_hmac", "address_hmac"):
            if row[column] is not None:
                together.setdefault((column, row[column]), []).append(row)
    links: dict[tuple[uuid.UUID, uuid.UUID], tuple[str, ...]] = {
        (one["sourced_id"], other["sourced_id"]): (agreed,)
        for block in together.values()
        if len(block) <= rules().thresholds.largest_block
        for position, one in enumerate(block)
        for other in block[position + 1 :]
        if (agreed := registry.hashes_agree(one, other)) is not None
    }
    found = grouping.cluster(by_id, links, lambda one, other: _two_branches(by_id[one], by_id[other]))
    place = {key: position for position, members in enumerate(found) for key in members}
    held: dict[int, set[str]] = defaultdict(set)
    for (mine, theirs), evidence in links.items():
        if place[mine] == place[theirs]:
            held[place[mine]].update(evidence)
    groups = [
        _Group(tuple(sorted((by_id[key] for key in members), key=_first)), "hashes", tuple(sorted(held[position])))
        for position, members in enumerate(found)
    ]
    return sorted(groups, key=lambda group: _first(group.rows[0])[1:])


def _first(row: Row) -> tuple[bool, int, str]:
    """Open before closed, then the best rank."""
    return row["excluded_reason"] is not None, row["rank"], str(row["sourced_id"])


def _two_branches(one: Row, other: Row) -> bool:
    """Both doors and both numbers are known and differ, or the doors differ and nothing else is known."""
    columns = ("address_hmac", "phone_hmac")
    known = [column for column in columns if one[column] is not None and other[column] is not None]
    return bool(known) and all(one[column] != other[column] for column in known)


def _write(
    tx: sa.Connection, unit: CampaignDay, groups: Sequence[_Group], now: dt.datetime, hashes: KeyedHashes
) -> None:  # fmt: skip
    known = registry.Registry(tx, [row for group in groups for row in group.rows])
    excluded = exclusions.of_rows(tx, unit.campaign, [row for group in groups for row in group.rows])
    rows: dict[uuid.UUID, dict[str, Any]] = {}
    fresh: list[dict[str, Any]] = []
    by_content: set[uuid.UUID] = set()  # registered in this very call by a closer look than hashes can give
    for group in groups:
        apart = frozenset(by_content) if group.how == "content" else frozenset()
        found = known.find(group.rows, but_not=apart)
        registry.record_merges(tx, found, unit, now)
        if found:
            business_id, earlier, evidence = found[0].business_id, not found[0].held_by(unit), found[0].evidence
            registry.learn(tx, business_id, group.rows)
        else:
            business_id, earlier, evidence = uuid.uuid5(_namespace(unit), str(group.rows[0]["sourced_id"])), False, ""
            fresh.append(registry.registered(business_id, unit, group.rows, now))
            known.add(fresh[-1])
            if group.how == "content":
                by_content.add(business_id)
        ids = [row["sourced_id"] for row in group.rows]
        if business_id in rows:  # two groups that the registry knows as one
            rows[business_id]["merged_sourced_ids"] += ids
            continue
        told: dict[str, Any] = {"how": group.how, "listings": len(ids), "agree": list(group.evidence)}
        if group.fields:
            told["fields"] = {"rule": matching.SURVIVOR_RULE, "from": dict(group.fields)}
        rows[business_id] = {
            "campaign": unit.campaign, "cohort_on": unit.day, "business_id": business_id, "sourced_id": ids[0], "merged_sourced_ids": ids[1:],
            "duplicate_of": business_id if earlier else None, "excluded_reason": group.rows[0]["excluded_reason"] or excluded.reason_of(group.rows),
            "evidence": told | ({"registered_by": evidence} if evidence else {}), "decided_at": now,
        }  # fmt: skip
    if fresh:
        tx.execute(insert(businesses), fresh)
    _route_chains(tx, unit, groups, rows, hashes)
    written = set(
        tx.scalars(
            insert(unique_businesses).on_conflict_do_nothing().returning(unique_businesses.c.business_id), list(rows.values())
        )
    )  # fmt: skip
    for business_id in rows.keys() - written:  # an earlier run of this very day decided it: the new listings join it
        _join(tx, unit, business_id, [rows[business_id]["sourced_id"], *rows[business_id]["merged_sourced_ids"]])


def _route_chains(
    tx: sa.Connection, unit: CampaignDay, groups: Sequence[_Group], rows: Mapping[uuid.UUID, dict[str, Any]], hashes: KeyedHashes
) -> None:  # fmt: skip
    """Notes which businesses are branches of chains, and leaves out those that the campaign's policy does not want."""
    listable = [row for group in groups for row in group.rows]
    own = exclusions.chains_among(
        tx, unit.campaign, [value for row in listable for name, value in row.items() if name.endswith("_hmac")]
    )
    key_of = {group.rows[0]["sourced_id"]: chains.key_of(group.rows, own) for group in groups}
    live = [row for row in rows.values() if row["duplicate_of"] is None and row["excluded_reason"] is None]
    keyed = [
        {"business_id": row["business_id"], "chain_hmac": key_of[row["sourced_id"]]}
        for row in live
        if key_of[row["sourced_id"]]
    ]
    known = chains.recognised(tx, [row["chain_hmac"] for row in keyed], hashes, own)
    out = chains.excluded(tx, unit, keyed, known)
    for row in keyed:
        if row["chain_hmac"] in known:
            decided = rows[row["business_id"]]
            decided["evidence"] = decided["evidence"] | {"chain": known[row["chain_hmac"]]}
            decided["excluded_reason"] = out.get(row["business_id"])


def _join(tx: sa.Connection, unit: CampaignDay, business_id: uuid.UUID, ids: list[uuid.UUID]) -> None:
    merged = unique_businesses.c.merged_sourced_ids
    tx.execute(
        sa.update(unique_businesses)
        .where(_of(unit), unique_businesses.c.business_id == business_id)
        .values(merged_sourced_ids=merged.op("||")(sa.cast(ids, sa.ARRAY(sa.Uuid))))
    )


def _namespace(unit: CampaignDay) -> uuid.UUID:
    """The namespace of ids that this campaign-day gives."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"leadfactory:{unit.key}")


def _of(unit: CampaignDay) -> sa.ColumnElement[bool]:
    return sa.and_(unique_businesses.c.campaign == unit.campaign, unique_businesses.c.cohort_on == unit.day)


def _sourced(unit: CampaignDay) -> sa.Select[Any]:
    table = sourced_businesses
    of = sa.and_(table.c.campaign == unit.campaign, table.c.cohort_on == unit.day)
    return sa.select(table).where(of).order_by(table.c.rank, table.c.sourced_id)


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
            sa.func.count().filter(unique_businesses.c.excluded_reason.in_(("chain", "chain_branch"))).label("chains"),
        ).where(_of(unit))
    ).one()
    return dict(row._mapping)
