"""How a search that Yelp's limit cuts is split: by category, then price, then square tiles, until each part fits. Pure."""

from __future__ import annotations

import dataclasses
import math
import uuid
from typing import Any

from leadfactory.d00_gateway.yelp import RADIUS_M, RESULT_CAP
from leadfactory.d01_targeting.places import Place, PlaceSpec, find
from leadfactory.d02_sourcing.sourcing_rules import rules

_NAMESPACE = uuid.UUID("5f0f6a52-63a0-4f53-9d0a-3a7c4a2c9f10")
_METRES_A_DEGREE = 111_320.0
PRICES = ("1", "2", "3", "4")


@dataclasses.dataclass(frozen=True)
class Part:
    """One search of a target; a tile is a square of ``half_side_m`` around a point."""

    part_id: uuid.UUID
    target_id: uuid.UUID
    parent_id: uuid.UUID | None
    position: int
    yelp_categories: str
    price: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    half_side_m: float | None = None
    next_offset: int = 0

    @property
    def is_tile(self) -> bool:
        return self.half_side_m is not None


def whole(target_id: uuid.UUID, yelp_categories: str, *, next_offset: int = 0) -> Part:
    """The part that is the whole target."""
    return Part(_id(target_id, None, "whole"), target_id, None, 0, yelp_categories, next_offset=next_offset)


def question(part: Part, place: Place) -> dict[str, Any]:
    """The arguments of ``YelpClient.search`` that ask for a part, without the page."""
    asked: dict[str, Any] = {"categories": part.yelp_categories}
    if part.is_tile:
        assert part.half_side_m is not None
        radius = min(RADIUS_M, math.ceil(part.half_side_m * math.sqrt(2)))  # the circle that holds the square
        asked |= {"latitude": part.latitude, "longitude": part.longitude, "radius_m": radius}
    else:
        asked |= {"location": place.location, "radius_m": place.radius_m}
    return asked | ({"price": part.price} if part.price else {})


def is_cut(part: Part, total: int, offset: int) -> bool:
    """Whether a part must be split: Yelp tells of more than it shows, and the whole target's share of that is used up.

    The whole target is searched to Yelp's limit first, best matches first; a part of it is split as soon as it is seen not to fit.
    """
    return total > RESULT_CAP and (part.parent_id is not None or offset >= RESULT_CAP)


def split(part: Part, place: Place, next_position: int, *, prices_done: bool = False) -> tuple[str, list[Part]]:
    """How ``part`` is split and into what; ("", []) when it cannot be.

    Args:
        next_position: the first position that no part of the target has.
        prices_done: its prices were searched and left businesses without a price: tiles are next.
    """
    categories = part.yelp_categories.split(",")
    if len(categories) > 1 and not prices_done:
        return "category", [
            _child(part, next_position + n, f"category:{each}", yelp_categories=each)
            for n, each in enumerate(categories)
        ]
    if part.price is None and not part.is_tile and not prices_done:
        return "price", [_child(part, next_position + n, f"price:{each}", price=each) for n, each in enumerate(PRICES)]
    tiles = _tiles(part, place)
    return (
        ("tile", [_child(part, next_position + n, f"tile:{n}", **each) for n, each in enumerate(tiles)])
        if tiles
        else ("", [])
    )


def _tiles(part: Part, place: Place) -> list[dict[str, float]]:
    """The four quarters of a part's square; none when they would be too small."""
    half = (part.half_side_m or _half_side_of(place)) / 2
    if half < rules().splitting.least_half_side_m:
        return []
    latitude = place.latitude if part.latitude is None else part.latitude
    longitude = place.longitude if part.longitude is None else part.longitude
    north = half / _METRES_A_DEGREE
    east = north / max(0.1, math.cos(math.radians(latitude)))
    return [
        {
            "latitude": round(latitude + a * north, 6),
            "longitude": round(longitude + b * east, 6),
            "half_side_m": round(half, 1),
        }
        for a in (-1, 1)
        for b in (-1, 1)
    ]


def _half_side_of(place: Place) -> float:
    """Half the side of a square around a place: given for a ZIP code, else out to the farthest ZIP code's own square."""
    margin = rules().splitting.zip_half_side_m
    if place.kind == "zip":
        return margin
    if place.radius_m is not None:
        return float(place.radius_m)
    furthest = 0.0
    for code in place.zips:
        at = find(PlaceSpec("zip", code))
        north = abs(at.latitude - place.latitude) * _METRES_A_DEGREE
        east = abs(at.longitude - place.longitude) * _METRES_A_DEGREE * math.cos(math.radians(place.latitude))
        furthest = max(furthest, north, east)
    return min(furthest + margin, RADIUS_M / math.sqrt(2) * 2)


def _child(part: Part, position: int, how: str, **changes: Any) -> Part:
    fresh = dataclasses.replace(part, next_offset=0, parent_id=part.part_id, position=position)
    return dataclasses.replace(fresh, part_id=_id(part.target_id, part.part_id, how), **changes)


def _id(target_id: uuid.UUID, parent_id: uuid.UUID | None, how: str) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, f"{target_id}:{parent_id}:{how}")
