"""How Yelp and Google know a business: twice, under another spelling, in another town, without its website, or not at all."""

from __future__ import annotations

import dataclasses
import random

from sandbox.model import Business, GooglePlace, YelpListing
from sandbox.world import sites
from sandbox.world.businesses import slug
from sandbox.world.draws import digest, share, token

TWICE_SHARE, UNKNOWN_SHARE, ELSEWHERE_SHARE, NO_WEBSITE_SHARE = 0.04, 0.04, 0.03, 0.06
_ENDINGS = (
    (" St", " Street"),
    (" Ave", " Avenue"),
    (" Blvd", " Boulevard"),
    (" Rd", " Road"),
    (" Dr", " Drive"),
    (" Ln", " Lane"),
)
_ELSEWHERE = {"city": "Springfield", "state": "MO", "zip_code": "65806", "latitude": 37.2044, "longitude": -93.2927}


def on_yelp(seed: int, business: Business) -> list[YelpListing]:
    """Its listings on Yelp: one, or two of which the second is spelt differently."""
    first = YelpListing(
        yelp_id(seed, business, 0), f"{slug(business.name)}-{slug(business.address.city)}-{business.key}", business.name,
        business.phone, business.address, business.key,
    )  # fmt: skip
    if business.chain or share(seed, "twice", business.key) >= TWICE_SHARE:
        return [first]
    rng, at = random.Random(f"{seed}:spelling:{business.key}"), business.address
    address = dataclasses.replace(at, line1=_respelt(at.line1), latitude=round(at.latitude + 0.0002, 6))
    name = rng.choice((
        f"The {business.name}", business.name.replace("&", "and").upper(), f"{business.name} {at.city}",
        business.name.replace("'s", "s"), f"{business.name}, LLC",
    ))  # fmt: skip
    phone = business.phone if rng.random() < 0.8 else None
    alias = f"{slug(name)}-{business.key}-2"
    return [first, YelpListing(yelp_id(seed, business, 1), alias, name, phone, address, business.key)]


def on_google(seed: int, business: Business) -> GooglePlace | None:
    """Its place on Google, or None when Google does not know it."""
    fate = share(seed, "google", business.key)
    if fate < UNKNOWN_SHARE:
        return None
    address, phone = business.address, business.phone
    if fate < UNKNOWN_SHARE + ELSEWHERE_SHARE:  # a business of the same name in another town
        address, phone = dataclasses.replace(address, **_ELSEWHERE), "+14175550100"  # type: ignore[arg-type]
    website = None
    if business.host is not None and share(seed, "website", business.key) >= NO_WEBSITE_SHARE:
        secure = "no_https" not in sites.site_of(seed, business).defects
        website = f"{'https' if secure else 'http'}://{business.host}/"
    place_id = f"ChIJ{token(seed, 'place', business.key)[:12]}{business.key}0"
    return GooglePlace(place_id, business.name, phone, website, address, business.key)


def yelp_id(seed: int, business: Business, number: int) -> str:
    """Yelp's id of a listing; ends in the business's key and ``number``, by which it is found again."""
    return f"{token(seed, 'yelp', business.key)[:10]}-{business.key}{number}"


def yelp_rank(seed: int, listing: YelpListing) -> bytes:
    """Where Yelp's best match puts a listing."""
    return digest(seed, "rank", listing.yelp_id)


def google_rank(seed: int, place: GooglePlace) -> bytes:
    """How prominent Google holds a place to be; it does not agree with Yelp's order."""
    return digest(seed, "prominence", place.place_id)


def _respelt(line: str) -> str:
    for short, long in _ENDINGS:
        if line.endswith(short):
            return line.removesuffix(short) + long
    return line
