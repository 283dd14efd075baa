"""A small world written by hand, so that a contract test knows what the vendors must find in it."""

from __future__ import annotations

import datetime as dt

from sandbox.model import Address, Business, GooglePlace, YelpListing


class Town:
    """A world of 300 businesses in one ZIP; number 0 has no reviews, 1 is known under an older alias, 2 has no phone."""

    seed = 11
    size = 300

    def __init__(self) -> None:
        self._businesses = [self._business(i) for i in range(self.size)]

    def _business(self, i: int) -> Business:
        state = {3: "closed_permanently", 4: "closed_temporarily"}.get(i, "open")
        at = Address(f"{i + 1} W 30th St", "New York", "NY", "10001", 40.75 + i / 10_000, -73.99)
        return Business(
            key=f"b{i}", name="Café Zoë" if i == 5 else f"Pizza House {i}", vertical="restaurant",
            yelp_categories=("pizza",) if i % 2 else ("pizza", "italian"), places_types=("pizza_restaurant", "restaurant"),
            address=at, phone=None if i == 2 else f"+1212555{i:04d}", host=None if i == 6 else f"pizza{i}.example",
            email=None, email_shown="none", chain=None, state=state, rating=None if i == 0 else 3.0 + (i % 5) / 2,
            review_count=0 if i == 0 else i, price=None if i % 3 == 0 else "$" * (i % 4 + 1), employees=5,
            opened_on=dt.date(2015, 1, 1),
        )  # fmt: skip

    def _listing(self, i: int) -> YelpListing:
        b = self._businesses[i]
        return YelpListing(f"yelp-id-{i:013d}", f"pizza-house-{i}-new-york", b.name, b.phone, b.address, b.key)

    def _place(self, i: int) -> GooglePlace:
        b = self._businesses[i]
        return GooglePlace(f"ChIJ{i:023d}", b.name, b.phone, b.host and f"https://{b.host}/", b.address, b.key)

    def listings(self, *, location, latitude, longitude, radius_m, categories, term, prices) -> list[YelpListing]:
        if location is not None and not any(part in location for part in ("New York", "10001")):
            raise LookupError(location)
        kept = [
            i
            for i, b in enumerate(self._businesses)
            if (not categories or categories & set(b.yelp_categories)) and (not prices or b.price in prices)
            and (not term or term.lower() in b.name.lower())
        ]  # fmt: skip
        return [self._listing(i) for i in kept]

    def listing(self, yelp_id_or_alias: str) -> YelpListing | None:
        if yelp_id_or_alias == "old-name-new-york":
            return self._listing(1)
        return next(
            (one for one in map(self._listing, range(self.size)) if yelp_id_or_alias in (one.yelp_id, one.alias)), None
        )

    def places(self, text: str, *, latitude, longitude, radius_m) -> list[GooglePlace]:
        words = set(text.lower().split())
        return [self._place(i) for i, b in enumerate(self._businesses) if words & set(b.name.lower().split())]

    def place(self, place_id: str) -> GooglePlace | None:
        return next((one for one in map(self._place, range(self.size)) if one.place_id == place_id), None)

    def business(self, key: str) -> Business:
        return self._businesses[int(key[1:])]
