"""The seeded world: answers every question as a pure function of the seed, and makes businesses when first asked for."""

from __future__ import annotations

import functools
import hashlib
import re

from sandbox.model import Business, GooglePlace, Site, YelpListing
from sandbox.world import businesses, geography, sites, views
from sandbox.world.vocabulary import BY_LETTER, CHAINS, VERTICALS

NAMES_ALIKE = 0.6  # share of a name's words that a free text must hold for Google to offer the place
_IN_ID = re.compile(r"(\d{5})([a-o])(\d{4})(\d)$")
_IN_ALIAS = re.compile(r"-(\d{5}[a-o]\d{4})(-2)?$")
_IN_HOST = re.compile(r"-(\d{5})([a-o])(\d+)\.example$")


class SeededWorld:
    """A world of small businesses in every US ZIP code."""

    def __init__(self, seed: str) -> None:
        self.name = seed
        self.seed = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
        self.cohort = functools.cache(self._cohort)
        self._found = functools.lru_cache(maxsize=256)(self._search)
        self._named = functools.cache(self._names_in)
        self._chains = {businesses.chain_host(name): (name, v) for v, names in CHAINS.items() for name in names}

    # ── what exists ──────────────────────────────────────────────────────────────────────────────
    def _cohort(self, code: str, vertical: str) -> tuple[Business, ...]:
        place = geography.zip_of(code)
        return businesses.cohort(self.seed, place, vertical) if place is not None else ()

    def business(self, key: str) -> Business:
        """The business of a key; raises LookupError when there is none."""
        found = self._by_id(key + "0")
        if found is None:
            raise LookupError(key)
        return found[0]

    def site(self, host: str) -> Site | None:
        """The website under a host name, ``www.`` or not, or hosted by a builder; None when nobody registered it."""
        bare = host.lower().removeprefix("www.")
        if bare.endswith(sites.HOSTED):
            bare = bare.removesuffix(sites.HOSTED) + ".example"
        if bare in self._chains:
            name, vertical = self._chains[bare]
            return sites.chain_site(self.seed, bare, name, vertical)
        found = _IN_HOST.search(_readable(bare))
        if found is None or len(found[3]) > 4:
            return None
        business = self._by_id(f"{found[1]}{found[2]}{int(found[3]):04d}0")
        return sites.site_of(self.seed, business[0]) if business and business[0].host == bare else None

    # ── what Yelp knows ──────────────────────────────────────────────────────────────────────────
    def listings(
        self, *, location: str | None, latitude: float | None, longitude: float | None, radius_m: int | None,
        categories: frozenset[str], term: str | None, prices: frozenset[str],
    ) -> list[YelpListing]:  # fmt: skip
        """All Yelp listings that match, in Yelp's order; raises LookupError for a location that does not exist."""
        return list(self._found(location, latitude, longitude, radius_m, categories, term, prices))

    def _search(
        self, location: str | None, latitude: float | None, longitude: float | None, radius_m: int | None,
        categories: frozenset[str], term: str | None, prices: frozenset[str],
    ) -> list[YelpListing]:  # fmt: skip
        if location is not None:
            zips = geography.zips_of(location)
        else:
            zips = geography.near(latitude or 0.0, longitude or 0.0, float(radius_m or 4_000))
        found: list[YelpListing] = []
        for vertical, kind in VERTICALS.items():
            whole = not categories or bool(categories & set(kind.parents))
            if not whole and not categories & set(kind.yelp):
                continue
            for business in (each for place in zips for each in self.cohort(place.code, vertical)):
                if (whole or categories & set(business.yelp_categories)) and (not prices or business.price in prices):
                    found += views.on_yelp(self.seed, business)
        if term:
            found = [each for each in found if term.lower() in each.name.lower()]
        return sorted(found, key=lambda each: views.yelp_rank(self.seed, each))

    def listing(self, yelp_id_or_alias: str) -> YelpListing | None:
        """The listing of an id or alias."""
        found = self._by_id(yelp_id_or_alias)
        if found is None and (alias := _IN_ALIAS.search(yelp_id_or_alias)):
            found = self._by_id(alias[1] + ("1" if alias[2] else "0"))
        known = views.on_yelp(self.seed, found[0]) if found else []
        return known[found[1]] if found and found[1] < len(known) else None

    # ── what Google knows ────────────────────────────────────────────────────────────────────────
    def places(
        self, text: str, *, latitude: float | None, longitude: float | None, radius_m: float | None
    ) -> list[GooglePlace]:
        """Places for a free text, best first. The text must name a place, or come with a bias."""
        try:
            zips = geography.zips_of(text)
        except LookupError:
            zips = geography.near(latitude, longitude, 3_000) if latitude is not None and longitude is not None else []
        words = set(businesses.slug(text).split("-"))
        scored = []
        for place in zips[:4]:
            named = self._named(place.code)
            candidates = {id(each[0]): each for word in words for each in named.get(word, ())}
            for business, name, street in candidates.values():
                share = len(name & words) / len(name)
                if share >= NAMES_ALIKE:
                    scored.append((-(share + len(street & words)), business.key, business))
        best = [business for _, _, business in sorted(scored)[:20]]
        return [known for each in best if (known := views.on_google(self.seed, each)) is not None]

    def places_of(self, kind: str, south: float, west: float, north: float, east: float) -> list[GooglePlace]:
        """All places of a type inside a rectangle, the most prominent first; names play no part."""
        found = []
        for zone in geography.around(south, west, north, east):
            for vertical, words in VERTICALS.items():
                if kind in words.places:
                    for business in self.cohort(zone.code, vertical):
                        known = views.on_google(self.seed, business)
                        if (
                            known
                            and south <= known.address.latitude <= north
                            and west <= known.address.longitude <= east
                        ):
                            found.append(known)
        return sorted(found, key=lambda each: views.google_rank(self.seed, each))

    def _names_in(self, code: str) -> dict[str, list[tuple[Business, set[str], set[str]]]]:
        """Word of a name → the businesses of a ZIP that carry it, with the words of their names and streets."""
        index: dict[str, list[tuple[Business, set[str], set[str]]]] = {}
        for business in (each for vertical in VERTICALS for each in self.cohort(code, vertical)):
            name = set(businesses.slug(business.name).split("-"))
            entry = (business, name, set(businesses.slug(business.address.line1).split("-")))
            for word in name:
                index.setdefault(word, []).append(entry)
        return index

    def place(self, place_id: str) -> GooglePlace | None:
        """The place of an id."""
        found = self._by_id(place_id)
        return views.on_google(self.seed, found[0]) if found else None

    # ── what only the sandbox tells ──────────────────────────────────────────────────────────────
    def within(self, location: str, vertical: str) -> list[Business]:
        """All businesses of a vertical in a place; raises LookupError for a place or vertical that does not exist."""
        return [each for place in geography.zips_of(location) for each in self.cohort(place.code, _known(vertical))]

    def duplicates(self, location: str, vertical: str) -> list[tuple[str, str]]:
        """Pairs of Yelp ids in a place that are one business."""
        known = (views.on_yelp(self.seed, each) for each in self.within(location, vertical))
        return [(each[0].yelp_id, other.yelp_id) for each in known for other in each[1:]]

    def _by_id(self, text: str) -> tuple[Business, int] | None:
        found = _IN_ID.search(text)
        if found is None:
            return None
        cohort, index = self.cohort(found[1], BY_LETTER[found[2]]), int(found[3])
        return (cohort[index], int(found[4])) if index < len(cohort) else None


def _known(vertical: str) -> str:
    if vertical not in VERTICALS:
        raise LookupError(f"vertical {vertical!r} is none of {', '.join(VERTICALS)}")
    return vertical


def _readable(host: str) -> str:
    """An international host in letters; itself when it is none, or a wrong one."""
    try:
        return host.encode("ascii").decode("idna") if "xn--" in host else host
    except UnicodeError:
        return host
