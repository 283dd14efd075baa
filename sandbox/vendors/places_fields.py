"""A place as Google writes it, and the field mask that decides which of it is sent."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sandbox.model import Business, GooglePlace
from sandbox.vendors.opening import is_open, week
from sandbox.vendors.wire import Json, digest, words

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_PRICES = {"$": "INEXPENSIVE", "$$": "MODERATE", "$$$": "EXPENSIVE", "$$$$": "VERY_EXPENSIVE"}
_STATUS = {
    "open": "OPERATIONAL",
    "closed_temporarily": "CLOSED_TEMPORARILY",
    "closed_permanently": "CLOSED_PERMANENTLY",
}

#: Every field a Place may have; a mask that names another is refused.
PLACE_FIELDS = words(
    "accessibilityOptions addressComponents addressDescriptor adrFormatAddress allowsDogs attributions businessStatus "
    "consumerAlert containingPlaces curbsidePickup currentOpeningHours currentSecondaryOpeningHours delivery dineIn "
    "displayName editorialSummary entrances evChargeAmenitySummary evChargeOptions formattedAddress fuelOptions "
    "generativeSummary goodForChildren goodForGroups goodForWatchingSports googleMapsLinks googleMapsTypeLabel googleMapsUri "
    "iconBackgroundColor iconMaskBaseUri id internationalPhoneNumber liveMusic location menuForChildren movedPlace "
    "movedPlaceId name nationalPhoneNumber navigationPoints neighborhoodSummary openingDate outdoorSeating parkingOptions "
    "paymentOptions photos plusCode postalAddress priceLevel priceRange primaryType primaryTypeDisplayName "
    "pureServiceAreaBusiness rating regularOpeningHours regularSecondaryOpeningHours reservable restroom reviewSummary "
    "reviews servesBeer servesBreakfast servesBrunch servesCocktails servesCoffee servesDessert servesDinner servesLunch "
    "servesVegetarianFood servesWine shortFormattedAddress subDestinations takeout timeZone transitStation types "
    "userRatingCount utcOffsetMinutes viewport websiteUri"
)


class BadMask(ValueError):
    """A mask that names a field which does not exist."""


def parse_mask(text: str, prefix: str, others: frozenset[str]) -> list[tuple[str, ...]] | None:
    """The paths of a mask, None for ``*``. ``prefix`` is ``places.`` in a search; ``others`` are fields beside the places.

    Raises BadMask for an unknown field, for a space, and for a place field without its prefix.
    """
    if text.strip() == "*":
        return None
    paths: list[tuple[str, ...]] = []
    for item in text.split(","):
        bare = item.removeprefix(prefix) if item != prefix.rstrip(".") else ""
        head = bare.split(".")[0]
        if item in others:
            paths.append((item,))
        elif prefix and item == prefix.rstrip("."):
            paths.append(("*",))
        elif item.startswith(prefix) and head in PLACE_FIELDS:
            paths.append(("*", *bare.split(".")) if prefix else tuple(bare.split(".")))
        else:
            raise BadMask(f"Error expanding 'fields' parameter. Cannot find matching fields for path '{item}'.")
    return paths


def masked(place: Json, paths: list[tuple[str, ...]] | None) -> Json:
    """Only the fields that the mask asks for; absent fields stay absent."""
    if paths is None or () in paths:
        return place
    out: Json = {}
    for path in paths:
        _copy(place, out, path)
    return out


def _copy(source: Any, target: Json, path: tuple[str, ...]) -> None:
    head, rest = path[0], path[1:]
    if not isinstance(source, dict) or head not in source:
        return
    value = source[head]
    if not rest or not isinstance(value, dict | list):
        target[head] = value
    elif isinstance(value, dict):
        _copy(value, target.setdefault(head, {}), rest)
    else:
        into = target.setdefault(head, [{} for _ in value])
        for one, copy in zip(value, into, strict=True):
            _copy(one, copy, rest)


def whole(place: GooglePlace, business: Business, now: dt.datetime) -> Json:
    """All that Google says about a place; what it does not know is left out, as proto3 JSON does."""
    at = place.address
    number, _, street = at.line1.partition(" ")
    body: Json = {
        "name": f"places/{place.place_id}",
        "id": place.place_id,
        "types": [*business.places_types, "point_of_interest", "establishment"],
        "formattedAddress": f"{at.line1}, {at.city}, {at.state} {at.zip_code}, USA",
        "shortFormattedAddress": f"{at.line1}, {at.city}",
        "addressComponents": _components(number, street, place),
        "postalAddress": {"regionCode": "US", "languageCode": "en-US", "postalCode": at.zip_code,
                          "administrativeArea": at.state, "locality": at.city, "addressLines": [at.line1]},
        "location": {"latitude": at.latitude, "longitude": at.longitude},
        "googleMapsUri": f"https://maps.google.com/?cid={int.from_bytes(digest('cid', place.place_id)[:8], 'big')}",
        "utcOffsetMinutes": round(at.longitude / 15) * 60,
        "businessStatus": _STATUS[business.state],
        "displayName": {"text": place.name, "languageCode": "en"},
    }  # fmt: skip
    if business.places_types:
        body["primaryType"] = business.places_types[0]
        body["primaryTypeDisplayName"] = {
            "text": business.places_types[0].replace("_", " ").title(),
            "languageCode": "en-US",
        }
    if place.phone and len(place.phone) == 12:
        digits = place.phone.removeprefix("+1")
        body["nationalPhoneNumber"] = f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"
        body["internationalPhoneNumber"] = f"+1 {digits[:3]}-{digits[3:6]}-{digits[6:]}"
    if place.website:
        body["websiteUri"] = place.website
    if business.rating is not None and business.review_count:
        body["rating"] = min(5.0, max(1.0, round(business.rating + (digest("g", place.place_id)[0] % 5 - 2) / 10, 1)))
        body["userRatingCount"] = max(1, round(business.review_count * (0.6 + digest("n", place.place_id)[0] / 128)))
    if business.price in _PRICES:
        body["priceLevel"] = f"PRICE_LEVEL_{_PRICES[business.price]}"
    if business.state != "closed_permanently":
        body["regularOpeningHours"] = _hours(business, now)
    return body


def _components(number: str, street: str, place: GooglePlace) -> list[Json]:
    at = place.address
    parts = [(number, ["street_number"]), (street, ["route"]), (at.city, ["locality", "political"]),
             (at.state, ["administrative_area_level_1", "political"]), ("US", ["country", "political"]),
             (at.zip_code, ["postal_code"])]  # fmt: skip
    return [
        {
            "longText": "United States" if text == "US" else text,
            "shortText": text,
            "types": types,
            "languageCode": "en-US",
        }
        for text, types in parts
        if text
    ]


def _hours(business: Business, now: dt.datetime) -> Json:
    spans = {day: (a, b) for day, a, b in week(business)}
    periods = []
    for day, (opens, closes) in sorted(spans.items(), key=lambda span: (span[0] + 1) % 7):
        sunday_first = (day + 1) % 7  # Google counts days from Sunday
        periods.append({
            "open": {"day": sunday_first, "hour": opens // 60, "minute": opens % 60},
            "close": {"day": sunday_first, "hour": closes // 60, "minute": closes % 60},
        })  # fmt: skip
    lines = [f"{name}: {_span(spans[day])}" if day in spans else f"{name}: Closed" for day, name in enumerate(_DAYS)]
    return {"openNow": is_open(business, now), "periods": periods, "weekdayDescriptions": lines}


def _span(span: tuple[int, int]) -> str:
    return " – ".join(f"{(m // 60 - 1) % 12 + 1}:{m % 60:02d} {'AM' if m < 720 else 'PM'}" for m in span)
