"""The SQL of target_parts: cursors, splits, deferrals, probes and the coverage that was reached."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.yelp import RESULT_CAP, YelpPage
from leadfactory.d01_targeting.places import Place
from leadfactory.d01_targeting.tables import targets
from leadfactory.d02_sourcing import parts, totals
from leadfactory.d02_sourcing.parts import Part
from leadfactory.d02_sourcing.sourcing_rules import rules
from leadfactory.d02_sourcing.tables import sourced_businesses, target_parts

_FIELDS = [field.name for field in dataclasses.fields(Part)]


def next_open(tx: sa.Connection, row: Mapping[str, Any], now: dt.datetime) -> Part | None:
    """The part of a planned target that is searched next, its root made when there is none; None when all is exhausted."""
    target_id = row["target_id"]
    cursor = tx.execute(
        sa.select(targets.c.next_offset, targets.c.exhausted_at).where(targets.c.target_id == target_id)
    ).one()
    if cursor.exhausted_at is not None:
        return None
    if tx.scalar(sa.select(sa.func.count()).where(target_parts.c.target_id == target_id)) == 0:
        _add(tx, [parts.whole(target_id, row["yelp_categories"], next_offset=cursor.next_offset)], now)
    return _first_open(tx, target_id)


def moved(
    tx: sa.Connection, part: Part, place: Place, offset: int, page: YelpPage, *, done: bool, now: dt.datetime
) -> str | None:
    """Stores where a part stands after an answer; splits it when it is cut, closes it when it is done. Says what there is to say.

    What is said is kept for ever, so it names no total of Yelp's.
    """
    said = None
    changed: dict[str, Any] = {
        "next_offset": offset,
        "deferred": 0,
        "deferred_reason": None,
        "deferred_at": None,
    }
    totals.tell(tx, part.part_id, page.total, page.fetched_at)
    if parts.is_cut(part, page.total, offset):
        how, children = parts.split(part, place, _next_position(tx, part.target_id))
        if children and _next_position(tx, part.target_id) + len(children) <= rules().splitting.most_parts:
            changed["split_by"] = how
            _add(tx, children, now)
            if part.parent_id is None:
                said = f"Yelp shows {RESULT_CAP} results of a search that has more; it goes on in {len(children)} parts by {how}"
        else:
            changed |= {"exhausted_at": now, "cut": True}
            said = f"exhausted: Yelp shows {RESULT_CAP} results of its smallest part, which has more; target smaller places to reach the rest"
    elif done:
        changed["exhausted_at"] = now
    tx.execute(sa.update(target_parts).where(target_parts.c.part_id == part.part_id).values(**changed))
    if done:
        _tile_the_unpriced(tx, part, place, now)
    rest = _first_open(tx, part.target_id)
    if rest is None:
        tx.execute(
            sa.update(targets).where(targets.c.target_id == part.target_id).values(next_offset=offset, exhausted_at=now)
        )
        return said or f"exhausted after {offset} results" + ("" if part.parent_id is None else " of its last part")
    tx.execute(sa.update(targets).where(targets.c.target_id == part.target_id).values(next_offset=rest.next_offset))
    return said


def defer(tx: sa.Connection, part: Part, businesses: int, reason: str, now: dt.datetime) -> None:
    """Notes that planned businesses of a part wait, and why."""
    changed = {"deferred": businesses, "deferred_reason": reason, "deferred_at": now}
    tx.execute(sa.update(target_parts).where(target_parts.c.part_id == part.part_id).values(**changed))


def to_probe(tx: sa.Connection, unit: CampaignDay) -> list[sa.Row[Any]]:
    """Exhausted targets that were not asked for new results on the day: (target_id, kind, place, part_id, …)."""
    morning = dt.datetime.combine(unit.day, dt.time(), dt.UTC)
    p, t = target_parts.c, targets.c
    query = (
        sa.select(t.target_id, t.campaign, t.kind, t.place, p.part_id, p.reopened_at, p.yelp_categories)
        .join_from(targets, target_parts, sa.and_(p.target_id == t.target_id, p.parent_id.is_(None)))
        .where(
            t.campaign == unit.campaign,
            t.active,
            t.exhausted_at < morning,
            sa.func.coalesce(p.probed_at, t.exhausted_at) < morning,
        )
    )
    return list(tx.execute(query.order_by(t.place)))


def probed(tx: sa.Connection, row: sa.Row[Any], page: YelpPage, now: dt.datetime) -> bool:
    """Stores a probe's answer; a target with more results than before is open again from tomorrow's plan on. Whether it is."""
    more = _has_more(tx, row, page.total, now)
    root = target_parts.c.part_id == row.part_id
    tx.execute(sa.update(target_parts).where(root).values(probed_at=now, **({"reopened_at": now} if more else {})))
    totals.tell(tx, row.part_id, page.total, page.fetched_at)
    if more:
        leaf = sa.and_(target_parts.c.target_id == row.target_id, target_parts.c.split_by.is_(None))
        tx.execute(sa.update(target_parts).where(leaf).values(next_offset=0, exhausted_at=None, cut=False))
        tx.execute(
            sa.update(targets).where(targets.c.target_id == row.target_id).values(next_offset=0, exhausted_at=None)
        )
    return more


def _has_more(tx: sa.Connection, row: sa.Row[Any], total: int, now: dt.datetime) -> bool:
    """Whether an exhausted target has more results than when it was last asked, or, once that may not be kept, than we looked at.

    Our own count may stay below Yelp's for ever (a neighbouring target had some first), so it opens a target once: again only when
    that brought a listing, or ``look_again_days`` later. What Yelp cuts is not reached by looking again.
    """
    told = totals.told(tx, [row.part_id], now).get(row.part_id)
    if told is not None:
        return total > told
    p, s = target_parts.c, sourced_businesses.c
    leaf = sa.and_(p.target_id == row.target_id, p.split_by.is_(None))
    leaves = tx.execute(sa.select(p.next_offset, p.cut).where(leaf)).all()
    own = sa.and_(s.campaign == row.campaign, s.target_id == row.target_id)
    looked = (
        leaves[0].next_offset
        if len(leaves) == 1
        else tx.scalar(sa.select(sa.func.count(sa.distinct(s.yelp_id))).where(own))
    )
    if total <= (looked or 0) or any(each.cut for each in leaves):
        return False
    if row.reopened_at is None or row.reopened_at <= now - dt.timedelta(days=rules().splitting.look_again_days):
        return True
    return bool(tx.scalar(sa.select(sa.exists().where(own, s.fetched_at > row.reopened_at))))


def at_position(tx: sa.Connection, target_id: uuid.UUID, position: int) -> Part | None:
    """The part of a target at a position."""
    return _part(tx, sa.and_(target_parts.c.target_id == target_id, target_parts.c.position == position))


@dataclasses.dataclass(frozen=True)
class Reached:
    """Of one target: distinct listings seen, its searches, and those that Yelp showed to their end. Our own counts: they stay."""

    seen: int
    searches: int
    finished: int


def coverage(tx: sa.Connection, campaign: str) -> dict[str, Reached]:
    """Place → what was reached, for the campaign's targets that were searched."""
    p, t, s = target_parts.c, targets.c, sourced_businesses.c
    seen = (
        sa.select(sa.func.count(sa.distinct(s.yelp_id)))
        .where(s.campaign == campaign, s.target_id == t.target_id)
        .scalar_subquery()
    )
    finished = sa.and_(p.exhausted_at.is_not(None), sa.not_(p.cut))
    query = (
        sa.select(t.place, seen.label("seen"), sa.func.count().label("searches"), sa.func.count().filter(finished).label("finished"))
        .join_from(targets, target_parts, p.target_id == t.target_id)
        .where(t.campaign == campaign, p.split_by.is_(None))
        .group_by(t.target_id, t.place)
        .order_by(t.place)
    )  # fmt: skip
    return {row.place: Reached(row.seen, row.searches, row.finished) for row in tx.execute(query)}


def _tile_the_unpriced(tx: sa.Connection, part: Part, place: Place, now: dt.datetime) -> None:
    """When the prices of a search are exhausted and told of fewer than the search itself, the rest is looked for by tiles.

    So it is when a total's term ended meanwhile: what may be there is looked for.
    """
    if part.price is None or part.is_tile or part.parent_id is None:
        return
    p = target_parts.c
    family = tx.execute(sa.select(p.part_id, p.exhausted_at, p.split_by).where(p.parent_id == part.parent_id)).all()
    parent = _part(tx, p.part_id == part.parent_id)
    if parent is None or any(row.exhausted_at is None and row.split_by is None for row in family):
        return
    of_prices = totals.told(tx, [row.part_id for row in family], now)
    of_search = totals.told(tx, [part.parent_id], now).get(part.parent_id)
    known = of_search is not None and len(of_prices) == len(family)
    fewer = not known or sum(of_prices.values()) < (of_search or 0)
    if fewer and len(family) == len(parts.PRICES):
        how, children = parts.split(parent, place, _next_position(tx, part.target_id), prices_done=True)
        if children:
            tx.execute(sa.update(target_parts).where(p.part_id == parent.part_id).values(split_by=how))
            _add(tx, children, now)


def _first_open(tx: sa.Connection, target_id: uuid.UUID) -> Part | None:
    p = target_parts.c
    return _part(tx, sa.and_(p.target_id == target_id, p.exhausted_at.is_(None), p.split_by.is_(None)))


def _part(tx: sa.Connection, where: sa.ColumnElement[bool]) -> Part | None:
    columns = [target_parts.c[name] for name in _FIELDS]
    row = tx.execute(sa.select(*columns).where(where).order_by(target_parts.c.position).limit(1)).first()
    return None if row is None else Part(**row._mapping)


def _next_position(tx: sa.Connection, target_id: uuid.UUID) -> int:
    return 1 + (
        tx.scalar(sa.select(sa.func.max(target_parts.c.position)).where(target_parts.c.target_id == target_id)) or 0
    )


def _add(tx: sa.Connection, made: list[Part], now: dt.datetime) -> None:
    tx.execute(
        insert(target_parts).on_conflict_do_nothing(),
        [{**dataclasses.asdict(part), "created_at": now} for part in made],
    )
