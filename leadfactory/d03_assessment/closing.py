"""When a campaign-day is closed for buying: measurements and words are worth their price for some days after its own."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d03_assessment.catalogue import catalogue


def closed_for_buying(tx: sa.Connection, unit: CampaignDay, today: dt.date) -> str | None:
    """Why nothing more is measured or written for ``unit``, or None.

    A day older than ``day_open_days`` (config/findings.yaml) has had its nights, and no mail leaves for a closed campaign: what
    a click or a backfill bought for either would hardly be used.
    """
    state = tx.scalar(sa.select(campaigns.c.state).where(campaigns.c.campaign == unit.campaign))
    if state == "closed":
        return "closed for buying: the campaign is closed"
    age, most = (today - unit.day).days, catalogue().day_open_days
    if age > most:
        return f"closed for buying: its day was {age} days ago, and nothing is bought for a day older than {most} days"
    return None
