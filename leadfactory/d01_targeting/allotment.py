"""How a day's businesses are shared out over targets: within quota, vendor calls and money, the best target first. Pure."""

from __future__ import annotations

import dataclasses
import math
import uuid
from collections.abc import Sequence

PAGE, CAP = 50, 240  # Yelp: businesses a page, results a query


@dataclasses.dataclass(frozen=True)
class Wish:
    """What a target could give: ``quota`` businesses a day, from result ``next_offset`` on, ``leads`` qualified per business."""

    target_id: uuid.UUID
    quota: int
    next_offset: int
    leads: float


@dataclasses.dataclass(frozen=True)
class Room:
    """What a campaign may still use on the day; None is no limit.

    ``business_microusd`` is what enriching to drafting one business costs, ``call_microusd`` one search call.
    """

    businesses: int
    calls: int | None = None
    microusd: int | None = None
    call_microusd: int = 0
    business_microusd: int = 0


@dataclasses.dataclass(frozen=True)
class Allotment:
    """What one target gets: businesses, search calls, the result to begin at, and the expected cost of all of it."""

    target_id: uuid.UUID
    businesses: int
    calls: int
    from_offset: int
    microusd: int


def allot(wishes: Sequence[Wish], room: Room) -> list[Allotment]:
    """Shares out the day, the target with the most expected leads per business first; one allotment per wish, in their order.

    Neither the businesses, nor the calls, nor the money of all allotments together pass ``room``.
    """
    left, calls, money = room.businesses, room.calls, room.microusd
    given: dict[uuid.UUID, Allotment] = {}
    for wish in sorted(wishes, key=lambda each: (-each.leads, str(each.target_id))):
        most = max(0, min(wish.quota, left, CAP - wish.next_offset))
        if calls is not None:
            most = min(most, calls * PAGE)
        businesses = most if money is None else affordable(most, money, room)
        needed = math.ceil(businesses / PAGE)
        cost = needed * room.call_microusd + businesses * room.business_microusd
        given[wish.target_id] = Allotment(wish.target_id, businesses, needed, wish.next_offset, cost)
        left -= businesses
        calls = None if calls is None else calls - needed
        money = None if money is None else money - cost
    return [given[wish.target_id] for wish in wishes]


def affordable(businesses: int, microusd: int, room: Room) -> int:
    """The most businesses, up to ``businesses``, whose search calls and further steps cost at most ``microusd``."""
    full, rest = divmod(businesses, PAGE)
    page = room.call_microusd + PAGE * room.business_microusd
    pages = full if page == 0 else min(full, max(0, microusd) // page)
    left = microusd - pages * page - room.call_microusd
    wanted = PAGE if pages < full else rest
    if left < 0 or wanted == 0:
        return pages * PAGE
    part = wanted if room.business_microusd == 0 else min(wanted, left // room.business_microusd)
    return pages * PAGE + part
