"""How far a campaign has come through its targets: looked at, planned today, and of how many that Yelp tells of while it may be kept."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.tables import campaign_targets, targets
from leadfactory.d02_sourcing import totals
from leadfactory.d02_sourcing.tables import sourced_businesses, target_parts

TITLE = "coverage of targets (results looked at, and planned)"


@dataclasses.dataclass(frozen=True)
class Coverage:
    """One target over all parts of its search.

    ``looked_at`` is of the ``told_total`` results that Yelp told of, which is None before the first answer and once its term is
    over: show it, do not store it. ``planned`` is what the day's plan still has to source. ``searches`` is 1 until Yelp's limit has
    split the target.
    """

    target_id: uuid.UUID
    place: str
    active: bool
    exhausted: bool
    looked_at: int
    told_total: int | None
    searches: int
    planned: int = 0

    @property
    def label(self) -> str:
        """The place, marked when there is no more to look at."""
        return f"{self.place} (exhausted)" if self.exhausted else self.place

    @property
    def parts(self) -> Mapping[str, float]:
        """What a bar is made of: our own counts, because the plot stays with the materialization."""
        return {"looked at": self.looked_at, "planned, not looked at yet": 0 if self.exhausted else self.planned}

    @property
    def told(self) -> str:
        """In words: ``180 of 700``."""
        return f"{self.looked_at} of {'unknown' if self.told_total is None else self.told_total}"


def of(tx: sa.Connection, unit: CampaignDay, now: dt.datetime) -> list[Coverage]:
    """The active targets of a campaign, the least looked at last."""
    planned = _left(tx, unit)
    seen = [
        dataclasses.replace(each, planned=planned.get(each.target_id, 0))
        for each in of_campaign(tx, unit.campaign, now)
    ]
    return sorted((each for each in seen if each.active), key=lambda each: (-each.looked_at, each.place))


def of_campaign(tx: sa.Connection, campaign: str, now: dt.datetime) -> list[Coverage]:
    """Every target of a campaign by place, without what is planned.

    Parts overlap, so their cursors do not add up. What was looked at is the distinct listings that were stored; it is the whole
    target's own cursor where that has come further, because results that another target had before are looked at and not stored.
    """
    t, p, s = targets.c, target_parts.c, sourced_businesses.c
    stored = (
        sa.select(s.target_id, sa.func.count(sa.distinct(s.yelp_id)).label("n"))
        .where(s.campaign == campaign, s.target_id.is_not(None))
        .group_by(s.target_id)
        .subquery()
    )
    whole = sa.case((p.parent_id.is_(None), p.next_offset))
    searched = (
        sa.select(
            p.target_id, sa.func.max(whole).label("cursor"), sa.func.array_agg(p.part_id).filter(p.parent_id.is_(None)).label("roots"),
            sa.func.count().filter(p.split_by.is_(None)).label("searches"),
        )
        .group_by(p.target_id).subquery()
    )  # fmt: skip
    rows = tx.execute(
        sa.select(
            t.target_id, t.place, t.active, t.exhausted_at.is_not(None).label("exhausted"), sa.func.coalesce(stored.c.n, 0).label("stored"),
            # a target that was searched before there were parts has its cursor only
            sa.func.coalesce(searched.c.cursor, t.next_offset).label("cursor"), searched.c.roots,
            sa.func.coalesce(searched.c.searches, 1).label("searches"),
        )
        .select_from(targets.outerjoin(stored, stored.c.target_id == t.target_id).outerjoin(searched, searched.c.target_id == t.target_id))
        .where(t.campaign == campaign)
        .order_by(t.place)
    ).all()  # fmt: skip
    told = totals.told(tx, [part_id for row in rows for part_id in row.roots or ()], now)
    found = []
    for row in rows:
        total = told.get(row.roots[0]) if row.roots else None
        seen = max(row.stored, row.cursor)
        seen = seen if total is None else min(seen, total)
        found.append(Coverage(row.target_id, row.place, row.active, row.exhausted, seen, total, row.searches))
    return found


def _left(tx: sa.Connection, unit: CampaignDay) -> dict[uuid.UUID, int]:
    """Target → businesses of the day's stored plan that are not sourced."""
    c, s = campaign_targets.c, sourced_businesses.c
    done = (
        sa.select(sa.func.count())
        .where(s.campaign == c.campaign, s.cohort_on == c.cohort_on, s.target_id == c.target_id)
        .scalar_subquery()
    )
    left = sa.func.greatest(0, c.businesses_planned - done)
    query = sa.select(c.target_id, left).where(c.campaign == unit.campaign, c.cohort_on == unit.day)
    return dict(tx.execute(query).tuples().all())
