"""Plans the sends of a campaign-day: one row per drafted first letter of a launched campaign. Planning sends nothing."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery.identity import send_id
from leadfactory.d09_delivery.rules import rules
from leadfactory.d09_delivery.tables import email_sends, send_transitions

ASSET = "email_sends"


def plan_sends(tx: sa.Connection, unit: CampaignDay | None, now: dt.datetime) -> int:
    """Adds the planned sends that are missing for ``unit``, or for every campaign-day; how many were added.

    A first letter is due when its draft is there and expires 72 hours after it was drafted: what was not sent in time is
    never sent late.
    """
    d, e, c = email_drafts, enriched_businesses, campaigns
    newer = d.alias("newer")
    expires = dt.timedelta(hours=rules().first_touch_expires_hours)
    query = (
        sa.select(d.c.campaign, d.c.cohort_on, d.c.business_id, d.c.step, d.c.draft_id, d.c.drafted_at, e.c.contact_email_hmac,
                  e.c.site_domain_hmac, e.c.timezone, c.c.sender_email)
        .join(e, sa.and_(e.c.campaign == d.c.campaign, e.c.cohort_on == d.c.cohort_on, e.c.business_id == d.c.business_id))
        .join(c, c.c.campaign == d.c.campaign)
        .where(
            d.c.status == "drafted", c.c.state == "launched", e.c.contact_email_hmac.is_not(None), c.c.sender_email.is_not(None),
            d.c.drafted_at + expires > now,
            ~sa.exists().where(newer.c.campaign == d.c.campaign, newer.c.cohort_on == d.c.cohort_on, newer.c.business_id == d.c.business_id,
                               newer.c.step == d.c.step, newer.c.version > d.c.version),
            ~sa.exists().where(email_sends.c.business_id == d.c.business_id, email_sends.c.campaign == d.c.campaign, email_sends.c.step == d.c.step),
        )
    )  # fmt: skip
    if unit is not None:
        query = query.where(d.c.campaign == unit.campaign, d.c.cohort_on == unit.day)
    rows = [
        {
            "campaign": row.campaign, "cohort_on": row.cohort_on, "send_id": send_id(row.business_id, row.campaign, row.step),
            "business_id": row.business_id, "step": row.step, "draft_id": row.draft_id, "address_hmac": row.contact_email_hmac,
            "domain_hmac": row.site_domain_hmac, "sender_email": row.sender_email, "timezone": row.timezone, "due_at": row.drafted_at,
            "expires_at": row.drafted_at + expires, "planned_at": now,
        }
        for row in tx.execute(query)
    ]  # fmt: skip
    if not rows:
        return 0
    added = tx.execute(insert(email_sends).on_conflict_do_nothing().returning(email_sends.c.send_id), rows).all()
    if added:
        tx.execute(
            sa.insert(send_transitions),
            [
                {"send_id": each.send_id, "from_state": None, "to_state": "planned", "happened_at": now}
                for each in added
            ],
        )
    for touched in {CampaignDay(row["campaign"], row["cohort_on"]) for row in rows}:
        campaign_days.mark_dirty(tx, touched, ASSET, "send_transitions")
    return len(added)
