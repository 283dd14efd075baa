"""What a letter's link leads to: the audit of the business that it was written about, its price, or why there is no offer."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from typing import Literal

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d06_reports import store
from leadfactory.d07_storefront.checkout import is_sold, is_stopped
from leadfactory.d07_storefront.pages_config import config
from leadfactory.d07_storefront.price_book import Price, price_for
from leadfactory.d07_storefront.teasers import Teaser, teaser
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.erasure import requests

Closed = Literal["unknown", "stopped", "erased", "expired"]


@dataclasses.dataclass(frozen=True)
class Offer:
    """A report that can be bought now, or that was bought before (``sold``)."""

    send_id: uuid.UUID
    unit: CampaignDay
    business_id: uuid.UUID
    teaser: Teaser
    price: Price
    sold: bool = False


def offer(tx: sa.Connection, send_id: uuid.UUID, now: dt.datetime) -> Offer | Closed:
    """The offer of the letter ``send_id``, or why it is closed. A letter has told its price, so this writes nothing.

    ``unknown``: no such letter. ``erased``: its recipient was forgotten. ``stopped``: the business asked to be left alone. ``expired``: nothing measured, or too long ago.
    """
    s = email_sends
    row = tx.execute(
        sa.select(s.c.campaign, s.c.cohort_on, s.c.business_id, s.c.address_hmac).where(s.c.send_id == send_id)
    ).one_or_none()
    if row is None:
        return "unknown"
    if requests.is_erased(tx, row.address_hmac):
        return "erased"
    if is_stopped(tx, row.business_id):
        return "stopped"
    unit = CampaignDay(row.campaign, row.cohort_on)
    try:
        given = store.read(tx, unit, row.business_id, on=now.date(), compared=False)
    except store.NothingToReport:
        return "expired"
    if now - given.audit.fetched_at > dt.timedelta(days=config().landing.valid_days):
        return "expired"
    price = price_for(tx, row.business_id, unit.campaign, now)
    return Offer(send_id, unit, row.business_id, teaser(given), price, is_sold(tx, row.business_id))
