"""How far a campaign has come through its targets: looked at, planned today, and still within reach."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.allotment import CAP
from leadfactory.d01_targeting.tables import campaign_targets, targets

TITLE = "coverage of targets (results of the search)"


@dataclasses.dataclass(frozen=True)
class Coverage:
    """One target, in results of its search.

    How many there are in all is known of an exhausted target only; of the others at most ``CAP`` can be reached.
    """

    place: str
    looked_at: int
    planned: int
    exhausted: bool

    @property
    def label(self) -> str:
        """The place, marked when there is no more to look at."""
        return f"{self.place} (exhausted)" if self.exhausted else self.place

    @property
    def parts(self) -> Mapping[str, float]:
        """What a bar is made of; together all that is known or within reach."""
        ahead = 0 if self.exhausted else max(0, CAP - self.looked_at)
        planned = min(self.planned, ahead)
        return {"looked at": self.looked_at, "planned, not looked at yet": planned, "within reach": ahead - planned}


def of(tx: sa.Connection, unit: CampaignDay) -> list[Coverage]:
    """The targets of a campaign, the least looked at last."""
    t, c = targets, campaign_targets
    same = sa.and_(c.c.target_id == t.c.target_id, c.c.campaign == unit.campaign, c.c.cohort_on == unit.day)
    left = sa.func.greatest(0, c.c.businesses_planned - (t.c.next_offset - c.c.from_offset))
    rows = tx.execute(
        sa.select(t.c.place, t.c.next_offset, t.c.exhausted_at.is_not(None).label("exhausted"), sa.func.coalesce(left, 0).label("left"))
        .select_from(t.outerjoin(c, same))
        .where(t.c.campaign == unit.campaign, t.c.active)
        .order_by(t.c.next_offset.desc(), t.c.place)
    )  # fmt: skip
    return [Coverage(row.place, row.next_offset, row.left, row.exhausted) for row in rows]
