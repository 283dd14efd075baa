"""How a day's businesses are shared out over targets so that the most qualified leads are expected. Pure; any order of targets.

The problem: per target whole businesses b and whole search calls k with ``b <= 50 k``; maximise ``sum(leads * b)`` within the
day's businesses, calls and money, keeping a share of the day for targets that were never tried.

- Where neither calls nor money bind, filling the best target first is optimal.
- Else a dynamic program over pages finds the optimum for every (calls, businesses) at once. Best first, cut off at a limit,
  bounds how many calls can be worth it.
- The program is kept to ``LARGEST`` states: a larger day gets the better of the optimum within that size and best first cut
  off at its limits, which loses no more than the pages that a limit on calls or the price of calls forbids.

Each of them is a maximum over sets that grow with every limit: a larger budget or quota never gives fewer expected leads.
"""

from __future__ import annotations

import dataclasses
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

PAGE = 50  # Yelp: businesses a page
LARGEST, MOST_EXACT = 40_000_000, 1_500  # states of the program (bytes), and businesses a day for which it looks
_BITS = 11  # a business count below 2,048 in the low bits of a value
_SCALE = 100_000_000  # leads as whole numbers, so that sums do not depend on the order
_NEVER = -(1 << 60)


@dataclasses.dataclass(frozen=True)
class Wish:
    """What a target could give: ``quota`` businesses a day, ``leads`` qualified per business.

    How far a single search reaches bounds no target: sourcing goes on in parts, of which ``next_offset`` is the cursor.
    ``untried`` is a target without a single judged business, whose ``leads`` is a prior only.
    """

    target_id: uuid.UUID
    quota: int
    next_offset: int
    leads: float
    untried: bool = False

    @property
    def most(self) -> int:
        """The most businesses of a day: none of a target from which no lead is expected."""
        return max(0, self.quota) if self.leads > 0 else 0


@dataclasses.dataclass(frozen=True)
class Room:
    """What a campaign may still use on the day; None is no limit.

    ``business_microusd`` is what enriching to drafting one business costs, ``call_microusd`` one search call; ``explore`` is
    the share of the day's businesses (0 to 1) that tried targets leave to untried ones while these have any.
    """

    businesses: int
    calls: int | None = None
    microusd: int | None = None
    call_microusd: int = 0
    business_microusd: int = 0
    explore: float = 0.0

    def allows(self, calls: int, businesses: int) -> bool:
        """Whether that many calls and businesses stay within every limit."""
        enough = businesses <= self.businesses and (self.calls is None or calls <= self.calls)
        return enough and (self.microusd is None or self.cost(calls, businesses) <= self.microusd)

    def cost(self, calls: int, businesses: int) -> int:
        """What they are expected to cost, in millionths of a dollar."""
        return calls * self.call_microusd + businesses * self.business_microusd


@dataclasses.dataclass(frozen=True)
class Allotment:
    """What one target gets: businesses, the fewest search calls that bring them, the cursor to begin at, and the expected cost of it all.

    A search that is split or meets results that the campaign has already takes a few calls more.
    """

    target_id: uuid.UUID
    businesses: int
    calls: int
    from_offset: int
    microusd: int


Given = dict[uuid.UUID, int]


def allot(wishes: Sequence[Wish], room: Room) -> list[Allotment]:
    """The allotments with the most expected leads, one per wish, in their order.

    Neither the businesses, nor the calls, nor the money of all allotments together pass ``room``.
    """
    ranked = [w for w in sorted(wishes, key=lambda each: (-each.leads, str(each.target_id))) if w.most]
    tried = _tried_most(ranked, room)
    given = _best_first(ranked, room, tried, cut=False)
    if not room.allows(_calls(given), sum(given.values())):
        value = {wish.target_id: round(wish.leads * _SCALE) for wish in ranked}
        plans = [_best_first(ranked, room, tried, cut=True), _exact(ranked, room, tried)]
        given = max(plans, key=lambda plan: sum(value[target] * count for target, count in plan.items()))
    return [_allotment(wish, given.get(wish.target_id, 0), room) for wish in wishes]


def _allotment(wish: Wish, businesses: int, room: Room) -> Allotment:
    calls = math.ceil(businesses / PAGE)
    return Allotment(wish.target_id, businesses, calls, wish.next_offset, room.cost(calls, businesses))


def _calls(given: Mapping[uuid.UUID, int]) -> int:
    return sum(math.ceil(count / PAGE) for count in given.values())


def _tried_most(ranked: Sequence[Wish], room: Room) -> int:
    """The most businesses that tried targets get together: the day's less what is kept for untried ones. Independent of money."""
    day = max(0, min(room.businesses, sum(each.most for each in ranked)))
    return day - min(math.floor(room.explore * day), sum(each.most for each in ranked if each.untried))


def _best_first(ranked: Sequence[Wish], room: Room, tried: int, *, cut: bool) -> Given:
    """Businesses by target, the most leads per business first; ``cut`` stops where calls or money end, else they are ignored."""
    given: Given = {}
    calls, left = 0, max(0, room.businesses)
    for wish in ranked:
        count = min(wish.most, left, left if wish.untried else tried)
        most = count
        if cut:
            done = sum(given.values())
            while count and not room.allows(calls + math.ceil(count / PAGE), done + count):
                count -= 1
        given[wish.target_id] = count
        calls, left = calls + math.ceil(count / PAGE), left - count
        tried -= 0 if wish.untried else count
        if count < most:
            break
    return given


def _pages(ranked: Sequence[Wish]) -> list[tuple[Wish, int]]:
    """Each target's pages with the businesses on them, as many as the program can fill; those of tried targets first."""
    pages = [
        (wish, min(PAGE, wish.most - start)) for wish in ranked for start in range(0, min(wish.most, MOST_EXACT), PAGE)
    ]
    return sorted(pages, key=lambda each: each[0].untried)


def _exact(ranked: Sequence[Wish], room: Room, tried: int) -> Given:
    """The optimum for at most ``MOST_EXACT`` businesses and the calls that fit into ``LARGEST`` states.

    ``best[k, n]`` is the most expected leads of exactly n businesses within k calls. A page of s businesses may give any part
    x of them: ``best'[k, n] = max(best[k, n], max over x <= s of best[k - 1, n - x] + leads * x)``, a sliding maximum over
    ``best - leads * n``. Its place is kept in the low bits, so that the way back is known.
    """
    import numpy as np
    from scipy.ndimage import maximum_filter1d

    pages = _pages(ranked)
    affordable = room.businesses
    if room.microusd is not None and room.business_microusd:
        affordable = min(affordable, max(0, room.microusd) // room.business_microusd)
    most = min(affordable, MOST_EXACT, sum(size for _, size in pages))
    worth = _calls(_best_first(ranked, dataclasses.replace(room, businesses=max(most, 0)), tried, cut=False))
    calls = min(
        worth, room.calls if room.calls is not None else worth, LARGEST // (max(1, len(pages)) * (MOST_EXACT + 1))
    )
    if most <= 0 or calls <= 0:
        return {}
    count = np.arange(most + 1, dtype=np.int64)
    best = np.full((calls + 1, most + 1), _NEVER >> _BITS, dtype=np.int64)
    best[:, 0] = 0
    taken: list[Any] = []
    for wish, size in pages:
        upto = most + 1 if wish.untried else min(most, tried) + 1
        slope = round(wish.leads * _SCALE) * count[:upto]
        keyed = ((best[:-1, :upto] - slope) << _BITS) | count[:upto]
        window = maximum_filter1d(keyed, size + 1, axis=1, mode="constant", cval=_NEVER, origin=size // 2)
        reached = (window >> _BITS) + slope
        better = reached > best[1:, :upto]
        step = np.where(better, count[:upto] - (window & ((1 << _BITS) - 1)), 0).astype(np.uint8)
        best[1:, :upto] = np.where(better, reached, best[1:, :upto])
        taken.append(step)
    return _way_back(best, taken, pages, room)


def _way_back(best: Any, taken: Sequence[Any], pages: Sequence[tuple[Wish, int]], room: Room) -> Given:
    """The businesses by target of the best state within ``room``; of equals the cheapest."""
    import numpy as np

    calls, most = best.shape[0] - 1, best.shape[1] - 1
    k, n = np.mgrid[0 : calls + 1, 0 : most + 1]
    cost = room.call_microusd * k + room.business_microusd * n
    fits = best >= 0
    if room.microusd is not None:
        fits &= cost <= room.microusd
    worth = np.where(fits, best, -1)
    top = worth == worth.max()
    at = np.where(top, cost, np.iinfo(np.int64).max).argmin()
    call, left = (int(each) for each in np.unravel_index(at, best.shape))
    given: Given = {}
    for (wish, _), step in zip(reversed(pages), reversed(taken), strict=True):
        if call == 0 or left >= step.shape[1]:
            continue
        part = int(step[call - 1, left])
        if part:
            given[wish.target_id] = given.get(wish.target_id, 0) + part
            call, left = call - 1, left - part
    return given
