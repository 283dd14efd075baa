"""What a campaign-day's letters sold, from the folded purchases. Money is in cents of the purchases' currency."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d06_reports.tables import audit_reports, report_deliveries
from leadfactory.d07_storefront.tables import purchases

FIELDS = ("purchased", "refunded", "revenue_cents", "reports_delivered")
PAID = ("paid", "partially_refunded", "refunded", "disputed", "dispute_won", "dispute_lost")


@dataclasses.dataclass(frozen=True)
class Sales:
    """What was sold.

    - ``purchased``: purchases that were paid, whatever became of them
    - ``refunded``: of which the money went back, all or part of it
    - ``revenue_cents``: paid, less refunds and open or lost disputes
    - ``reports_delivered``: purchases whose mail with the report's links has arrived
    """

    purchased: int = 0
    refunded: int = 0
    revenue_cents: int = 0
    reports_delivered: int = 0


def sales(tx: sa.Connection, units: Sequence[CampaignDay]) -> dict[CampaignDay, Sales]:
    """What the letters of each of ``units`` sold."""
    p, d = purchases, report_deliveries
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
        arrived = sa.select(sa.func.count(d.c.purchase_id.distinct())).where(
            d.c.campaign == unit.campaign, d.c.cohort_on == unit.day, d.c.kind == "sold", d.c.delivered_at.is_not(None)
        )
        found[unit] = Sales(**row._mapping, reports_delivered=int(tx.scalar(arrived) or 0))
    return found


def not_delivered(tx: sa.Connection, units: Sequence[CampaignDay]) -> dict[str, int]:
    """How many purchases' mails have not arrived, by what is known of them: why ``reports_delivered`` is less than ``purchased``."""
    d = report_deliveries
    why = d.c.state.op("||")(sa.func.coalesce(sa.literal(": ").op("||")(d.c.reason), "")).label("why")
    rows = tx.execute(
        sa.select(why, sa.func.count(d.c.purchase_id.distinct()).label("n"))
        .where(
            sa.tuple_(d.c.campaign, d.c.cohort_on).in_([(unit.campaign, unit.day) for unit in units]),
            d.c.kind == "sold",
            d.c.delivered_at.is_(None),
        )
        .group_by(why)
        .order_by(why)
    )
    return {row.why: row.n for row in rows}


def sold_pdf(tx: sa.Connection, units: Sequence[CampaignDay]) -> str | None:
    """The hash of one sold PDF, that of the first purchase; None where none was made (no Pango, nothing sold)."""
    a = audit_reports
    of_units = sa.tuple_(a.c.campaign, a.c.cohort_on).in_([(unit.campaign, unit.day) for unit in units])
    query = (
        sa.select(a.c.pdf_sha256).where(of_units, a.c.pdf_sha256.is_not(None)).order_by(a.c.sealed_at, a.c.report_id)
    )
    return tx.scalar(query.limit(1))
