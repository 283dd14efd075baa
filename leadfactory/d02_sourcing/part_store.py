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
from leadfactory.d00_gateway.yelp import RESULT_CAP
from leadfactory.d01_targeting.places import Place
from leadfactory.d01_targeting.tables import targets
from leadfactory.d02_sourcing import parts
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
    tx: sa.Connection, part: Part, place: Place, offset: int, total: int, *, done: bool, now: dt.datetime
) -> str | None:
    """Stores where a part stands after an answer; splits it when it is cut, closes it when it is done. Says what there is to say."""
    said = None
    changed: dict[str, Any] = {
        "next_offset": offset,
        "told_total": total,
        "deferred": 0,
        "deferred_reason": None,
        "deferred_at": None,
    }
    if parts.is_cut(part, total, offset):
        how, children = parts.split(part, place, _next_position(tx, part.target_id))
        if children and _next_position(tx, part.target_id) + len(children) <= rules().splitting.most_parts:
            changed["split_by"] = how
            _add(tx, children, now)
            if part.parent_id is None:
                said = f"{RESULT_CAP} of {total} results of a search are shown; it goes on in {len(children)} parts by {how}"
        else:
            changed["exhausted_at"] = now
            said = f"exhausted: Yelp shows {RESULT_CAP} of {total} results of its smallest part; target smaller places to reach the rest"
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
    """Exhausted targets that were not asked for new results on the day: (target_id, kind, place, part_id, told_total)."""
    morning = dt.datetime.combine(unit.day, dt.time(), dt.UTC)
    p, t = target_parts.c, targets.c
    query = (
        sa.select(t.target_id, t.kind, t.place, p.part_id, p.told_total, p.yelp_categories)
        .join_from(targets, target_parts, sa.and_(p.target_id == t.target_id, p.parent_id.is_(None)))
        .where(
            t.campaign == unit.campaign,
            t.active,
            t.exhausted_at < morning,
            sa.func.coalesce(p.probed_at, t.exhausted_at) < morning,
        )
    )
    return list(tx.execute(query.order_by(t.place)))


def probed(tx: sa.Connection, row: sa.Row[Any], total: int, now: dt.datetime) -> int:
    """Stores a probe's answer; a target with more results than before is open again from tomorrow's plan on. Returns how many more."""
    more = total - (row.told_total or 0)
    tx.execute(
        sa.update(target_parts).where(target_parts.c.part_id == row.part_id).values(probed_at=now, told_total=total)
    )
    if more > 0:
        leaf = sa.and_(target_parts.c.target_id == row.target_id, target_parts.c.split_by.is_(None))
        tx.execute(sa.update(target_parts).where(leaf).values(next_offset=0, exhausted_at=None))
        tx.execute(
            sa.update(targets).where(targets.c.target_id == row.target_id).values(next_offset=0, exhausted_at=None)
        )
    return max(0, more)


def at_position(tx: sa.Connection, target_id: uuid.UUID, position: int) -> Part | None:
    """The part of a target at a position."""
    return _part(tx, sa.and_(target_parts.c.target_id == target_id, target_parts.c.position == position))


def coverage(tx: sa.Connection, campaign: str) -> dict[str, tuple[int, int]]:
    """Place → distinct listings seen and results told of, for the campaign's targets that were searched."""
    p, t, s = target_parts.c, targets.c, sourced_businesses.c
    seen = (
        sa.select(sa.func.count(sa.distinct(s.yelp_id)))
        .where(s.campaign == campaign, s.target_id == t.target_id)
        .scalar_subquery()
    )
    query = (
        sa.select(t.place, seen.label("seen"), p.told_total)
        .join_from(targets, target_parts, sa.and_(p.target_id == t.target_id, p.parent_id.is_(None)))
        .where(t.campaign == campaign, p.told_total.is_not(None))
        .order_by(t.place)
    )
    return {row.place: (min(row.seen, row.told_total), row.told_total) for row in tx.execute(query)}


def _tile_the_unpriced(tx: sa.Connection, part: Part, place: Place, now: dt.datetime) -> None:
    """When the prices of a search are exhausted and told of fewer than the search itself, the rest is looked for by tiles."""
    if part.price is None or part.is_tile or part.parent_id is None:
        return
    p = target_parts.c
    family = tx.execute(sa.select(p.told_total, p.exhausted_at, p.split_by).where(p.parent_id == part.parent_id)).all()
    parent = _part(tx, p.part_id == part.parent_id)
    if parent is None or any(
        row.told_total is None or (row.exhausted_at is None and row.split_by is None) for row in family
    ):
        return
    if sum(row.told_total for row in family) < (parent.told_total or 0) and len(family) == len(parts.PRICES):
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
