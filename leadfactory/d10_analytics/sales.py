"""What a campaign-day's letters sold, from the folded purchases. Money is in cents of the purchases' currency."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d07_storefront.tables import purchases

FIELDS = ("purchased", "refunded", "revenue_cents")
PAID = ("paid", "partially_refunded", "refunded", "disputed", "dispute_won", "dispute_lost")


@dataclasses.dataclass(frozen=True)
class Sales:
    """What was sold.

    - ``purchased``: purchases that were paid, whatever became of them
    - ``refunded``: of which the money went back, all or part of it
    - ``revenue_cents``: paid, less refunds and open or lost disputes
    """

    purchased: int = 0
    refunded: int = 0
    revenue_cents: int = 0


def sales(tx: sa.Connection, units: Sequence[CampaignDay]) -> dict[CampaignDay, Sales]:
    """What the letters of each of ``units`` sold."""
    p = purchases
    kept = sa.func.coalesce(sa.func.sum(p.c.amount_cents - p.c.refunded_cents - p.c.disputed_cents), 0)
    found = {}
    for unit in units:
        row = tx.execute(
            sa.select(
                sa.func.count().label("purchased"),
                sa.func.count().filter(p.c.refunded_cents > 0).label("refunded"),
                sa.cast(kept, sa.BigInteger).label("revenue_cents"),
            ).where(p.c.campaign == unit.campaign, p.c.cohort_on == unit.day, p.c.state.in_(PAID))
        ).one()
        found[unit] = Sales(**row._mapping)
    return found
