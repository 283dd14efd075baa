"""A Yelp listing as Yelp's API writes it: the search form, the details form and the matches form."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from sandbox.model import Address, Business, YelpListing
from sandbox.vendors.opening import is_open, week
from sandbox.vendors.wire import Json, digest, url_token

_EARTH_M = 6_371_008.8
_CDN = "https://s3-media0.fl.yelpcdn.com/bphoto"


def brief(listing: YelpListing) -> Json:
    """What matches returns."""
    at = listing.address
    return {
        "id": listing.yelp_id,
        "alias": listing.alias,
        "name": listing.name,
        "coordinates": {"latitude": at.latitude, "longitude": at.longitude},
        "location": {
            "address1": at.line1 or None, "address2": "", "address3": None, "city": at.city, "zip_code": at.zip_code,
            "country": "US", "state": at.state,
            "display_address": [line for line in (at.line1, f"{at.city}, {at.state} {at.zip_code}") if line],
        },
        "phone": listing.phone or "",
        "display_phone": display_phone(listing.phone),
    }  # fmt: skip


def found(listing: YelpListing, business: Business, now: dt.datetime, distance_m: float | None) -> Json:
    """One business of a search result; ``distance_m`` is None when nothing was searched around."""
    seed = digest("yelp", listing.yelp_id)
    body = brief(listing) | {
        "image_url": "" if seed[0] % 7 == 0 else f"{_CDN}/{url_token('photo', listing.yelp_id)}/o.jpg",
        "is_closed": business.state == "closed_permanently",
        "url": f"https://www.yelp.com/biz/{listing.alias}?adjust_creative=sandbox&utm_campaign=yelp_api_v3"
        "&utm_medium=api_v3_business_search&utm_source=sandbox",
        "review_count": business.review_count,
        "categories": [{"alias": c, "title": c.replace("_", " ").title()} for c in business.yelp_categories],
        "rating": business.rating or 0.0,
        "transactions": ["pickup", "delivery"][: seed[1] % 3] if "restaurant" in business.vertical else [],
        "attributes": {
            "business_temp_closed": int(now.timestamp()) + 2_592_000
            if business.state == "closed_temporarily"
            else None,
            "menu_url": None,
            "open24_hours": None,
            "waitlist_reservation": None,
        },
        "business_hours": hours(business, now),
    }
    if business.price:
        body["price"] = business.price
    if distance_m is not None:
        body["distance"] = distance_m
    return body


def details(listing: YelpListing, business: Business, now: dt.datetime, enhanced: bool) -> Json:
    """Details of one business. Only an ``enhanced`` key sees photos and the business's own address on the web."""
    body = found(listing, business, now, None)
    opening = body.pop("business_hours")
    photos = [f"{_CDN}/{url_token('photo', listing.yelp_id, i)}/o.jpg" for i in range(3 if enhanced else 0)]
    body |= {
        "is_claimed": digest("claimed", listing.yelp_id)[0] % 10 < 6,
        "photos": photos,
        "photo_count": digest("photos", listing.yelp_id)[0] % 60,
        "hours": opening,
        "messaging": {"url": f"https://www.yelp.com/raq/{listing.yelp_id}", "use_case_text": "Message the Business",
                      "is_enabled": True},
    }  # fmt: skip
    if enhanced:
        body["date_opened"] = business.opened_on.isoformat()
        body["attributes"]["business_url"] = f"http://{business.host}" if business.host else None
    return body


def hours(business: Business, now: dt.datetime) -> list[Json]:
    """The regular hours; a closed business has none."""
    if business.state == "closed_permanently":
        return []
    spans = [{"is_overnight": False, "start": f"{a // 60:02d}{a % 60:02d}", "end": f"{b // 60:02d}{b % 60:02d}", "day": day}
             for day, a, b in week(business)]  # fmt: skip
    return [{"open": spans, "hours_type": "REGULAR", "is_open_now": is_open(business, now)}]


def display_phone(phone: str | None) -> str:
    """A +1 number as people write it; "" for none."""
    if not phone:
        return ""
    digits = phone.removeprefix("+1")
    return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}" if len(digits) == 10 and digits.isdigit() else phone


def distance_m(at: Address, latitude: float, longitude: float) -> float:
    """Great-circle distance in metres."""
    phi, phi0 = math.radians(at.latitude), math.radians(latitude)
    half = math.sin((phi - phi0) / 2) ** 2
    half += math.cos(phi) * math.cos(phi0) * math.sin(math.radians(at.longitude - longitude) / 2) ** 2
    return 2 * _EARTH_M * math.asin(math.sqrt(half))


def center(listings: list[YelpListing]) -> dict[str, Any]:
    """The middle of some listings, or null coordinates when there are none."""
    if not listings:
        return {"latitude": None, "longitude": None}
    n = len(listings)
    return {
        "latitude": round(sum(one.address.latitude for one in listings) / n, 6),
        "longitude": round(sum(one.address.longitude for one in listings) / n, 6),
    }
