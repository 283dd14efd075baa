"""Letters as lists: the newest version of each with its state, its send and who said what."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d08_personalization import reviews, store
from leadfactory.d09_delivery.tables import email_sends


def listed(
    tx: sa.Connection, *, campaign: str | None = None, state: str | None = None, limit: int = 50, skip: int = 0
) -> list[dict[str, Any]]:
    """The newest version of each letter with its review state, those that wait first, then the youngest.

    Raises:
        ValueError: a state that there is not.
    """
    if state is not None and state not in (*reviews.STATES, "refused"):
        raise ValueError(f"state={state!r} is unknown: choose from {', '.join((*reviews.STATES, 'refused'))}")
    d, r, c, e, s = store.newest_drafts(None), reviews.newest(), campaigns, enriched_businesses, email_sends
    cleared = reviews.cleared(d, c.c.review_percent)
    says = sa.case(
        (d.c.status == "rejected", "refused"),
        (r.c.state.in_(("approved", "edited", "rejected")), r.c.state),
        (~cleared, "waiting"),
        else_="unreviewed",
    )
    query = (
        sa.select(
            d.c.draft_id, d.c.campaign, d.c.cohort_on, d.c.business_id, d.c.step, d.c.version, d.c.subject, d.c.wording,
            says.label("state"), sa.func.coalesce(r.c.reason, d.c.reason).label("reason"), r.c.reviewer, e.c.site_host,
            s.c.state.label("send"), d.c.drafted_at,
        )
        .join(c, c.c.campaign == d.c.campaign)
        .outerjoin(r, r.c.draft_id == d.c.draft_id)
        .outerjoin(e, sa.and_(*(e.c[key] == d.c[key] for key in ("campaign", "cohort_on", "business_id"))))
        .outerjoin(s, sa.and_(*(s.c[key] == d.c[key] for key in ("campaign", "business_id", "step"))))
        .where(d.c.status != "held_out")
        .order_by((says != "waiting"), d.c.drafted_at.desc(), d.c.campaign, d.c.business_id)
        .limit(limit)
        .offset(skip)
    )  # fmt: skip
    if campaign is not None:
        query = query.where(d.c.campaign == campaign)
    if state is not None:
        query = query.where(says == state)
    return [dict(row._mapping) for row in tx.execute(query)]
