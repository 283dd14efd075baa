"""Which areas are worth a search of 20 places at once, decided before each page is paid for. Pure.

One business looked up alone costs a details request (its ids-only search is free); a page of an area costs more and gives 20
places, of which some are businesses of the day. How many is not known beforehand: the guess is the density of places in
config/enrichment.yaml, and every page that was read corrects it. A page is bought while what its expected matches would cost
alone is at least ``pays`` times its price.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from leadfactory.d00_gateway.places import PAGE_SIZE, Box
from leadfactory.d04_enrichment.policy import Area

_METRES_A_DEGREE = 111_195.0  # of latitude, on a sphere of 6,371 km
Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Tile:
    """An area and the businesses in it, by their position in what was given."""

    box: Box
    members: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Prices:
    """Millionths of a dollar of one page of an area, and of one business alone."""

    page: int
    single: int


@dataclasses.dataclass
class Yield:
    """What the day's pages of one place type have given so far."""

    results: int = 0
    matches: int = 0

    def count(self, results: int, matches: int) -> None:
        """One page."""
        self.results += results
        self.matches += matches


def single_microusd(details: int, one_step: int, candidates: float) -> tuple[str, int]:
    """How one business is looked up, and what that is expected to cost.

    Two steps (ids for nothing, then the details of the candidates that are looked at) against one search with the full mask:
    with Google's prices of 2026-11, 1.1 × $0.020 against $0.035. The cheaper is taken, so a change of price changes the way.
    """
    two_steps = math.ceil(details * candidates)
    return ("two_steps", two_steps) if two_steps <= one_step else ("one_step", one_step)


def tiles(points: Sequence[Point], rules: Area) -> list[Tile]:
    """The points in boxes of at most ``businesses_per_tile``, halved at the median of the longer side.

    Independent of anything but the points and their order. Points that coincide stay together, however many.
    """
    open_, done = [tuple(range(len(points)))] if points else [], list[Tile]()
    while open_:
        members = open_.pop()
        halves = _halved(points, members) if len(members) > rules.businesses_per_tile else None
        if halves is None:
            done.append(Tile(_box([points[i] for i in members], rules.margin_m), members))
        else:
            open_ += reversed(halves)
    return done


def expected_matches(tile: Tile, still_open: int, seen: Yield, rules: Area) -> float:
    """How many of the ``still_open`` businesses of a tile its next page is expected to hold."""
    if still_open <= 0:
        return 0.0
    there = max(float(still_open), area_km2(tile.box) * rules.places_per_km2)
    guess = min(rules.guess_most, still_open / there)
    share = (seen.matches + guess * rules.guess_weighs) / (seen.results + rules.guess_weighs)
    return min(float(still_open), PAGE_SIZE * min(1.0, share))


def worth(expected: float, prices: Prices, rules: Area) -> bool:
    """Whether a page that is expected to hold so many matches is cheaper than looking them up alone, by the margin asked for."""
    return expected * prices.single >= rules.pays * prices.page


def area_km2(box: Box) -> float:
    """The area of a box on a sphere, in square kilometres."""
    high = (box.north - box.south) * _METRES_A_DEGREE
    wide = (box.east - box.west) * _METRES_A_DEGREE * _shrunk(box.south, box.north)
    return high * wide / 1e6


def _halved(points: Sequence[Point], members: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    lats, longs = [points[i][0] for i in members], [points[i][1] for i in members]
    high = max(lats) - min(lats)
    wide = (max(longs) - min(longs)) * _shrunk(min(lats), max(lats))
    if high == wide == 0:
        return None
    axis = 0 if high >= wide else 1
    ordered = sorted(members, key=lambda i: (points[i][axis], i))
    middle = points[ordered[len(ordered) // 2]][axis]
    low = tuple(i for i in members if points[i][axis] < middle)
    if not low:  # the median is the smallest: the rest goes above it
        low = tuple(i for i in members if points[i][axis] <= middle)
    rest = tuple(i for i in members if i not in set(low))
    return (low, rest) if low and rest else None


def _box(points: Sequence[Point], margin_m: float) -> Box:
    lats, longs = [lat for lat, _ in points], [long for _, long in points]
    north_south = margin_m / _METRES_A_DEGREE
    east_west = north_south / _shrunk(min(lats), max(lats))
    return Box(
        max(-90.0, min(lats) - north_south), max(-180.0, min(longs) - east_west),
        min(90.0, max(lats) + north_south), min(180.0, max(longs) + east_west),
    )  # fmt: skip


def _shrunk(south: float, north: float) -> float:
    """How much shorter a degree of longitude is there; never quite 0."""
    return max(0.01, math.cos(math.radians((south + north) / 2)))
