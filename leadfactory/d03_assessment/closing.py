"""When a campaign-day is closed for buying: what measurement and words could still be worth ends with the day's audits."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d03_assessment.catalogue import catalogue


def closed_for_buying(tx: sa.Connection, unit: CampaignDay, today: dt.date) -> str | None:
    """Why nothing more is measured or written for ``unit``, or None.

    No mail may rest on an audit older than ``audit_valid_days`` (config/findings.yaml), and none leaves for a closed
    campaign: what a click or a backfill bought for such a day could never be used.
    """
    state = tx.scalar(sa.select(campaigns.c.state).where(campaigns.c.campaign == unit.campaign))
    if state == "closed":
        return "closed for buying: the campaign is closed"
    age, valid = (today - unit.day).days, catalogue().audit_valid_days
    if age > valid:
        return f"closed for buying: its day was {age} days ago, and no mail rests on an audit older than {valid} days"
    return None
