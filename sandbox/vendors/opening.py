"""When a business is open. One truth for all vendors; each vendor writes it in its own form."""

from __future__ import annotations

import datetime as dt

from sandbox.model import Address, Business
from sandbox.vendors.wire import digest

_EVENINGS = ("restaurant", "bar", "pizza", "cafe", "gym", "fitness", "food", "hospitality")
Period = tuple[int, int, int]  # day 0 = Monday, opens and closes at minutes after midnight, local time


def week(business: Business) -> list[Period]:
    """The regular week, at most one period a day; no period ends after midnight."""
    seed = digest("hours", business.key)
    evening = any(word in business.vertical for word in _EVENINGS)
    opens = (11 if evening else 8) * 60 + (seed[0] % 3) * 30
    closes = (21 if evening else 17) * 60 + (seed[1] % 4) * 30
    closed_on = {seed[2] % 2} if evening else {6} if seed[2] % 2 else {5, 6}
    return [(day, opens, closes) for day in range(7) if day not in closed_on]


def is_open(business: Business, now: dt.datetime) -> bool:
    """Whether it is open at ``now`` (aware); local time is taken as mean solar time, which is near enough here."""
    local = local_time(business.address, now)
    minute = local.hour * 60 + local.minute
    return business.state == "open" and any(
        day == local.weekday() and opens <= minute < closes for day, opens, closes in week(business)
    )


def local_time(address: Address, now: dt.datetime) -> dt.datetime:
    """The hour at the address, from its longitude (15 degrees an hour)."""
    return now.astimezone(dt.timezone(dt.timedelta(hours=round(address.longitude / 15))))
