"""What exists in the sandbox's world. Records only: no generation, no wire format.

One :class:`Business` is one real-world establishment. Vendors know it by their own listings, and a vendor may know it
twice, under another spelling, in another town, or not at all: those disagreements are the point of the world.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Literal, Protocol

OpenState = Literal["open", "closed_temporarily", "closed_permanently"]


@dataclasses.dataclass(frozen=True)
class Address:
    """A US postal address; ``latitude``/``longitude`` are WGS84 degrees."""

    line1: str
    city: str
    state: str
    zip_code: str
    latitude: float
    longitude: float


@dataclasses.dataclass(frozen=True)
class Business:
    """One establishment as it truly is. ``host`` is the host of its own website, or None when it has none."""

    key: str
    name: str
    vertical: str
    yelp_categories: tuple[str, ...]
    places_types: tuple[str, ...]
    address: Address
    phone: str | None
    host: str | None
    email: str | None
    email_shown: Literal["mailto", "json_ld", "text", "contact_page", "obfuscated", "none"]
    chain: str | None
    state: OpenState
    rating: float | None
    review_count: int
    price: str | None
    employees: int
    opened_on: dt.date


@dataclasses.dataclass(frozen=True)
class YelpListing:
    """How Yelp knows a business: its own id and spelling. Two listings may share one ``business_key``."""

    yelp_id: str
    alias: str
    name: str
    phone: str | None
    address: Address
    business_key: str


@dataclasses.dataclass(frozen=True)
class GooglePlace:
    """How Google knows a business; ``website`` is None when Google has none (or knows a different one)."""

    place_id: str
    name: str
    phone: str | None
    website: str | None
    address: Address
    business_key: str


@dataclasses.dataclass(frozen=True)
class Site:
    """A business's own website: what is wrong with it, from which both HTML and Lighthouse answers are built.

    ``offers`` is what it has for its visitors and what else its HTML shows, ``release`` the version that its builder tells.
    """

    host: str
    business_key: str
    behaviour: Literal[
        "ok",
        "dead_domain",
        "timeout",
        "refused",
        "server_error",
        "redirect_https",
        "redirect_other_host",
        "redirect_loop",
        "bad_certificate",
        "parked",
        "not_html",
        "huge",
        "robots_disallow",
        "private_address",
    ]
    defects: frozenset[str]
    weight_kb: int
    platform: str
    offers: frozenset[str] = frozenset()
    language: str = "en"
    release: str = ""


class World(Protocol):
    """The seeded world; every method is a pure function of the seed and its arguments."""

    seed: int

    def listings(
        self,
        *,
        location: str | None,
        latitude: float | None,
        longitude: float | None,
        radius_m: int | None,
        categories: frozenset[str],
        term: str | None,
        prices: frozenset[str],
    ) -> list[YelpListing]:
        """All Yelp listings that match, in Yelp's order; raises LookupError for a location that does not exist."""
        ...

    def listing(self, yelp_id_or_alias: str) -> YelpListing | None: ...

    def places(
        self, text: str, *, latitude: float | None, longitude: float | None, radius_m: float | None
    ) -> list[GooglePlace]:
        """Places for a free-text query such as "Joe's Pizza 12 W 30th St New York", best first; may be wrong, as Google is."""
        ...

    def places_of(self, kind: str, south: float, west: float, north: float, east: float) -> list[GooglePlace]:
        """All places of a type inside a rectangle (WGS84 degrees), the most prominent first."""
        ...

    def place(self, place_id: str) -> GooglePlace | None: ...

    def business(self, key: str) -> Business: ...

    def site(self, host: str) -> Site | None: ...
