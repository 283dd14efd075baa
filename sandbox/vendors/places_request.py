"""What Google accepts as a text search: known names, types, ranges, and fields that exclude each other."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from sandbox.vendors.wire import hex_token, words

_KNOWN = words(
    "evOptions includeFutureOpeningBusinesses includePureServiceAreaBusinesses includedType languageCode locationBias "
    "locationRestriction maxResultCount minRating openNow pageSize pageToken priceLevels rankPreference regionCode "
    "routingParameters searchAlongRouteParameters strictTypeFiltering textQuery"
)
_TYPES: dict[str, tuple[type, ...]] = {
    "textQuery": (str,), "pageToken": (str,), "includedType": (str,), "languageCode": (str,), "regionCode": (str,),
    "pageSize": (int,), "maxResultCount": (int,), "minRating": (int, float), "openNow": (bool,),
    "strictTypeFiltering": (bool,), "priceLevels": (list,), "rankPreference": (str,), "locationBias": (dict,),
    "locationRestriction": (dict,),
}  # fmt: skip
_PRICE_LEVELS = frozenset(
    f"PRICE_LEVEL_{level}" for level in ("INEXPENSIVE", "MODERATE", "EXPENSIVE", "VERY_EXPENSIVE")
)
# Types that a text may name, of Table A; any other is known by the request's own includedType.
_CATEGORIES = words(
    "accounting beauty_salon car_repair dentist doctor electrician florist gym hair_salon hotel jewelry_store lawyer lodging plumber "
    "preschool real_estate_agency restaurant roofing_contractor school spa store veterinary_care"
)
_MAX_RADIUS_M = 50_000
_PAGE = 20


class BadRequest(ValueError):
    """A search that Google answers with INVALID_ARGUMENT."""


@dataclasses.dataclass(frozen=True)
class Search:
    """An accepted search. ``area`` is (latitude, longitude, radius in metres); ``restricted`` is (south, west, north, east).

    ``category`` is the place type that the text names, such as "dentists" or "dentists in 10001"; None for a business's name.
    ``within`` is what follows "in"; empty when nothing does.
    """

    text: str
    page_size: int
    page_token: str
    type: str | None
    strict: bool
    min_rating: float
    open_now: bool
    price_levels: frozenset[str]
    by_distance: bool
    area: tuple[float, float, float] | None
    restricted: tuple[float, float, float, float] | None
    identity: str
    category: str | None = None
    within: str = ""


def checked_search(body: dict[str, Any]) -> Search:
    """Check a body of places:searchText; raises BadRequest."""
    for name, value in body.items():
        if name not in _KNOWN:
            raise BadRequest(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
        kinds = _TYPES.get(name)
        if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            raise BadRequest(f"Invalid value at '{name}': {json.dumps(value)}")
    text = body.get("textQuery", "").strip()
    if not text:
        raise BadRequest("Empty text_query.")
    if "locationBias" in body and "locationRestriction" in body:
        raise BadRequest("Only one of location_bias and location_restriction may be set.")
    restricted = (
        _rectangle(body["locationRestriction"], "location_restriction") if "locationRestriction" in body else None
    )
    return Search(
        text=text,
        page_size=_page_size(body),
        page_token=body.get("pageToken", ""),
        type=body.get("includedType"),
        strict=body.get("strictTypeFiltering", False),
        min_rating=_min_rating(body),
        open_now=body.get("openNow", False),
        price_levels=_price_levels(body),
        by_distance=_rank(body) == "DISTANCE",
        area=_around(restricted) if restricted else _bias(body["locationBias"]) if "locationBias" in body else None,
        restricted=restricted,
        category=_category(text, body.get("includedType")),
        within=text.partition(" in ")[2].strip(),
        # What must not change between the pages of one search.
        identity=hex_token(json.dumps({k: v for k, v in body.items() if k != "pageToken"}, sort_keys=True), length=16),
    )


def _category(text: str, included: str | None) -> str | None:
    """The place type that a text is a word for: "Hair salons in Austin, TX" is one; "Joe's Pizza" is none."""
    words = text.lower().partition(" in ")[0].replace("_", " ").split()
    named = "_".join(words)
    known = _CATEGORIES | ({included} if included else set())
    return next((each for each in (named, named.removesuffix("s"), named.removesuffix("es")) if each in known), None)


def _page_size(body: dict[str, Any]) -> int:
    size = body.get("pageSize", body.get("maxResultCount", _PAGE))
    if not 0 <= size <= _PAGE:
        raise BadRequest(f"page_size must be between 1 and {_PAGE} (inclusive); got {size}.")
    return size or _PAGE


def _min_rating(body: dict[str, Any]) -> float:
    rating = body.get("minRating", 0)
    if not 0 <= rating <= 5:
        raise BadRequest(f"min_rating must be between 0 and 5 (inclusive); got {rating}.")
    return -(-rating * 2 // 1) / 2  # rounded up to the next half, as documented


def _price_levels(body: dict[str, Any]) -> frozenset[str]:
    levels = body.get("priceLevels", [])
    for level in levels:
        if level not in _PRICE_LEVELS:
            raise BadRequest(f"Invalid value at 'price_levels': {json.dumps(level)}")
    return frozenset(levels)


def _rank(body: dict[str, Any]) -> str:
    rank = body.get("rankPreference", "RELEVANCE")
    if rank not in ("RANK_PREFERENCE_UNSPECIFIED", "DISTANCE", "RELEVANCE"):
        raise BadRequest(f"Invalid value at 'rank_preference': {json.dumps(rank)}")
    return rank


def _bias(bias: dict[str, Any]) -> tuple[float, float, float]:
    if set(bias) == {"rectangle"}:
        return _around(_rectangle(bias, "location_bias"))
    if set(bias) != {"circle"} or not isinstance(bias["circle"], dict):
        raise BadRequest("Invalid value at 'location_bias': exactly one of circle and rectangle must be set.")
    radius = bias["circle"].get("radius", 0)
    if isinstance(radius, bool) or not isinstance(radius, int | float) or not 0 <= radius <= _MAX_RADIUS_M:
        raise BadRequest(f"Invalid location_bias.circle.radius: must be between 0 and {_MAX_RADIUS_M} (inclusive).")
    latitude, longitude = _point(bias["circle"].get("center", {}), "location_bias.circle.center")
    return latitude, longitude, float(radius)


def _rectangle(area: dict[str, Any], where: str) -> tuple[float, float, float, float]:
    if set(area) != {"rectangle"} or not isinstance(area["rectangle"], dict):
        raise BadRequest(f"Invalid value at '{where}': a rectangle must be set, and nothing else.")
    south, west = _point(area["rectangle"].get("low", {}), f"{where}.rectangle.low")
    north, east = _point(area["rectangle"].get("high", {}), f"{where}.rectangle.high")
    if south > north:
        raise BadRequest(f"Invalid {where}.rectangle: low.latitude must not be above high.latitude.")
    return south, west, north, east


def _point(point: Any, where: str) -> tuple[float, float]:
    values: list[Any] = [point.get(name, 0) if isinstance(point, dict) else None for name in ("latitude", "longitude")]
    for value, most in zip(values, (90, 180), strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float) or not -most <= value <= most:
            raise BadRequest(f"Invalid value at '{where}': {json.dumps(point)}")
    return float(values[0]), float(values[1])


def _around(rectangle: tuple[float, float, float, float]) -> tuple[float, float, float]:
    """The middle of a rectangle and the half of its height, in metres."""
    south, west, north, east = rectangle
    return (south + north) / 2, (west + east) / 2, max((north - south) / 2 * 111_195, 1.0)
