"""The seeded world: every method is a pure function of the seed. Businesses are made per ZIP and vertical, when asked for."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import functools
import hashlib
import random
import re
import unicodedata

from sandbox.model import Address, Business, GooglePlace, Site, YelpListing
from sandbox.world import geography, sites
from sandbox.world.vocabulary import BY_LETTER, CHAINS, MIDDLES, NON_ASCII, OWNERS, STREETS, VERTICALS

LARGE_CITY = 20  # standard ZIP codes; a ZIP of such a city is four times as dense
_IN_ID = re.compile(r"(\d{5})([a-o])(\d{4})(\d)$")
_IN_HOST = re.compile(r"-(\d{5})([a-o])(\d+)\.example$")
_ABBREVIATIONS = (
    (" Street", " St"),
    (" St", " Street"),
    (" Ave", " Avenue"),
    (" Blvd", " Boulevard"),
    (" Rd", " Road"),
)


class SeededWorld:
    """A world of small businesses in every US ZIP code."""

    def __init__(self, seed: str) -> None:
        self.name = seed
        self.seed = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
        self.cohort = functools.cache(self._cohort)
        self._found = functools.lru_cache(maxsize=256)(self._search)
        self._named = functools.cache(self._names_in)
        self._chains = {
            _slug(name) + ".example": (name, vertical) for vertical, names in CHAINS.items() for name in names
        }

    # ── what exists ──────────────────────────────────────────────────────────────────────────────
    def _cohort(self, code: str, vertical: str) -> tuple[Business, ...]:
        place = geography.zip_of(code)
        if place is None:
            return ()
        kind = VERTICALS[vertical]
        rng = random.Random(f"{self.seed}:{code}:{vertical}")
        dense = 4 if geography.size_of(place.city, place.state) >= LARGE_CITY else 1
        return tuple(self._business(rng, place, vertical, index) for index in range(kind.per_zip * dense))

    def _business(self, rng: random.Random, place: geography.Zip, vertical: str, index: int) -> Business:
        kind = VERTICALS[vertical]
        chain = rng.choice(CHAINS[vertical]) if vertical in CHAINS and rng.random() < 0.05 else None
        noun_at = rng.randrange(len(kind.nouns))
        owner = rng.choice(NON_ASCII) if rng.random() < 0.06 else rng.choice(OWNERS)
        name = chain or " ".join(filter(None, (owner, rng.choice(MIDDLES), kind.nouns[noun_at])))
        if not chain and rng.random() < 0.004:
            name = f"{owner} <b>{kind.nouns[noun_at]}</b>"
        has_site = chain is not None or rng.random() < 0.88
        host = None
        if chain:
            host = f"{_slug(chain)}.example"
        elif has_site:
            host = f"{_slug(name)}-{place.code}{kind.letter}{index}.example"
        shown = rng.choices(
            ("mailto", "json_ld", "text", "contact_page", "obfuscated", "none"), weights=(34, 8, 18, 18, 5, 17)
        )[0]
        mailbox = rng.choice(("info", "info", "hello", "contact", "office", "frontdesk", "owner"))
        email = None
        if host and shown != "none":
            local = _slug(name).replace("-", "")[:20] or "shop"
            email = f"{local}{index}@gmail.com" if rng.random() < 0.12 else f"{mailbox}@{host}"
        reviews = int(rng.paretovariate(0.9)) - 1
        categories = {kind.yelp[min(noun_at, len(kind.yelp) - 1)]} | (
            {rng.choice(kind.yelp)} if rng.random() < 0.4 else set()
        )
        state = rng.choices(("open", "closed_temporarily", "closed_permanently"), weights=(95, 2, 3))[0]
        exchange = 200 + int(hashlib.sha256(place.code.encode()).hexdigest(), 16) % 790
        exchange += 1 if exchange % 100 == 11 else 0
        line = (ord(kind.letter) - ord("a")) * 600 + index % 600
        return Business(
            key=f"{place.code}{kind.letter}{index:04d}", name=name, vertical=vertical, yelp_categories=tuple(sorted(categories)),
            places_types=kind.places,
            address=Address(
                f"{rng.randrange(1, 2400)} {rng.choice(STREETS)}", place.city, place.state, place.code,
                round(place.latitude + rng.uniform(-0.012, 0.012), 6), round(place.longitude + rng.uniform(-0.012, 0.012), 6),
            ),
            phone=None if rng.random() < 0.05 else f"+1{place.area_code}{exchange:03d}{line:04d}", host=host, email=email,
            email_shown=shown if email else "none", chain=chain, state=state,  # type: ignore[arg-type]
            rating=None if reviews == 0 else round(min(5.0, max(1.0, rng.gauss(4.0, 0.6))) * 2) / 2,
            review_count=min(reviews, 4000), price=rng.choice(("$", "$$", "$$", "$$$", None)), employees=rng.randrange(1, 40),
            opened_on=dt.date(rng.randrange(1975, 2026), rng.randrange(1, 13), rng.randrange(1, 29)),
        )  # fmt: skip

    def business(self, key: str) -> Business:
        """The business of a key; raises LookupError when there is none."""
        found = self._by_id(key + "0")
        if found is None:
            raise LookupError(key)
        return found[0]

    # ── what Yelp knows ──────────────────────────────────────────────────────────────────────────
    def listings(
        self, *, location: str | None, latitude: float | None, longitude: float | None, radius_m: int | None,
        categories: frozenset[str], term: str | None, prices: frozenset[str],
    ) -> list[YelpListing]:  # fmt: skip
        """All Yelp listings that match, in Yelp's order."""
        return list(self._found(location, latitude, longitude, radius_m, categories, term, prices))

    def _search(
        self, location: str | None, latitude: float | None, longitude: float | None, radius_m: int | None,
        categories: frozenset[str], term: str | None, prices: frozenset[str],
    ) -> list[YelpListing]:  # fmt: skip
        if location is not None:
            zips = geography.zips_of(location)
        else:
            zips = geography.near(latitude or 0.0, longitude or 0.0, float(radius_m or 4_000))
        verticals = [v for v, kind in VERTICALS.items() if not categories or categories & {*kind.yelp, *_parents(v)}]
        found = []
        for place in zips:
            for vertical in verticals:
                whole = not categories or bool(categories & _parents(vertical))
                for business in self.cohort(place.code, vertical):
                    if (whole or categories & set(business.yelp_categories)) and (
                        not prices or business.price in prices
                    ):
                        found += self._listings_of(business)
        if term:
            found = [each for each in found if term.lower() in each.name.lower()]
        return sorted(found, key=lambda each: _digest(self.seed, "rank", each.yelp_id))

    def _listings_of(self, business: Business) -> list[YelpListing]:
        first = YelpListing(
            self._yelp_id(business, 0), f"{_slug(business.name)}-{_slug(business.address.city)}-{business.key}", business.name,
            business.phone, business.address, business.key,
        )  # fmt: skip
        if business.chain or _share(self.seed, "twice", business.key) >= 0.04:
            return [first]
        rng = random.Random(f"{self.seed}:spelling:{business.key}")
        address = dataclasses.replace(
            business.address,
            line1=_respelt(business.address.line1),
            latitude=round(business.address.latitude + 0.0002, 6),
        )
        name = rng.choice((f"The {business.name}", business.name.replace("&", "and").upper(), f"{business.name} {business.address.city}",
                           business.name.replace("'s", "s"), f"{business.name}, LLC"))  # fmt: skip
        phone = business.phone if rng.random() < 0.8 else None
        return [
            first,
            YelpListing(
                self._yelp_id(business, 1), f"{_slug(name)}-{business.key}-2", name, phone, address, business.key
            ),
        ]

    def listing(self, yelp_id_or_alias: str) -> YelpListing | None:
        """The listing of an id or alias."""
        found = self._by_id(yelp_id_or_alias)
        if found is None:
            alias = re.search(r"-(\d{5}[a-o]\d{4})(-2)?$", yelp_id_or_alias)
            found = self._by_id(alias[1] + ("1" if alias[2] else "0")) if alias else None
        if found is None:
            return None
        each = self._listings_of(found[0])
        return each[found[1]] if found[1] < len(each) else None

    # ── what Google knows ────────────────────────────────────────────────────────────────────────
    def places(
        self, text: str, *, latitude: float | None, longitude: float | None, radius_m: float | None
    ) -> list[GooglePlace]:
        """Places for a free text, best first. The text must name a place, or come with a bias."""
        try:
            zips = geography.zips_of(text)
        except LookupError:
            zips = geography.near(latitude, longitude, 3_000) if latitude is not None and longitude is not None else []
        words = set(_slug(text).split("-"))
        scored = []
        for place in zips[:4]:
            named = self._named(place.code)
            for business, name, street in {
                id(each[0]): each for word in words for each in named.get(word, ())
            }.values():
                share = len(name & words) / len(name)
                if share >= 0.6:
                    scored.append((-(share + len(street & words)), business.key, business))
        return [known for _, _, business in sorted(scored)[:20] if (known := self._place_of(business)) is not None]

    def _names_in(self, code: str) -> dict[str, list[tuple[Business, set[str], set[str]]]]:
        """Word of a name → the businesses of a ZIP that carry it, with the words of their names and streets."""
        index: dict[str, list[tuple[Business, set[str], set[str]]]] = {}
        for vertical in VERTICALS:
            for business in self.cohort(code, vertical):
                name = set(_slug(business.name).split("-"))
                entry = (business, name, set(_slug(business.address.line1).split("-")))
                for word in name:
                    index.setdefault(word, []).append(entry)
        return index

    def _place_of(self, business: Business) -> GooglePlace | None:
        fate = _share(self.seed, "google", business.key)
        if fate < 0.04:
            return None
        address, phone = business.address, business.phone
        if fate < 0.07:  # the same name in another town
            address = dataclasses.replace(
                address, city="Springfield", state="MO", zip_code="65806", latitude=37.2044, longitude=-93.2927
            )
            phone = "+14175550100"
        website = None
        if business.host is not None and _share(self.seed, "website", business.key) > 0.06:
            secure = "no_https" not in sites.site_of(self.seed, business).defects
            website = f"{'https' if secure else 'http'}://{business.host}/"
        return GooglePlace(self._place_id(business), business.name, phone, website, address, business.key)

    def place(self, place_id: str) -> GooglePlace | None:
        """The place of an id."""
        found = self._by_id(place_id)
        return self._place_of(found[0]) if found else None

    # ── what the web knows ───────────────────────────────────────────────────────────────────────
    def site(self, host: str) -> Site | None:
        """The website under a host name, ``www.`` or not; None when nobody registered it."""
        bare = host.lower().removeprefix("www.")
        found = _IN_HOST.search(bare)
        if found:
            business = self._by_id(f"{found[1]}{found[2]}{int(found[3]):04d}0")
            return sites.site_of(self.seed, business[0]) if business and business[0].host == bare else None
        if bare in self._chains:
            name, vertical = self._chains[bare]
            return sites.chain_site(self.seed, bare, name, vertical)
        return None

    def duplicates(self, code: str, vertical: str) -> list[tuple[str, str]]:
        """Pairs of Yelp ids in a ZIP that are one business."""
        pairs = []
        for business in self.cohort(code, vertical):
            ids = [each.yelp_id for each in self._listings_of(business)]
            pairs += [(ids[0], other) for other in ids[1:]]
        return pairs

    def _by_id(self, text: str) -> tuple[Business, int] | None:
        found = _IN_ID.search(text)
        if found is None:
            return None
        cohort = self.cohort(found[1], BY_LETTER[found[2]])
        index = int(found[3])
        return (cohort[index], int(found[4])) if index < len(cohort) else None

    def _yelp_id(self, business: Business, number: int) -> str:
        return f"{_token(self.seed, 'yelp', business.key)[:10]}-{business.key}{number}"

    def _place_id(self, business: Business) -> str:
        return f"ChIJ{_token(self.seed, 'place', business.key)[:12]}{business.key}0"


def _parents(vertical: str) -> set[str]:
    return {
        "restaurant": {"restaurants", "food"}, "dental": {"dental"}, "legal": {"professional", "legalservices"},
        "home_services": {"homeservices"}, "medical": {"health"}, "beauty": {"beautysvc"}, "automotive": {"auto"},
        "real_estate": {"realestate"}, "fitness": {"fitness", "active"}, "financial": {"financialservices"}, "pets": {"pets"},
        "retail": {"shopping"}, "education": {"education"}, "hospitality": {"hotelstravel"}, "professional_services": {"professional"},
    }[vertical]  # fmt: skip


def _slug(text: str) -> str:
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", re.sub(r"<[^>]*>", "", text)) if not unicodedata.combining(c)
    ).lower()
    plain = plain.replace("'", "").replace("ł", "l").replace("æ", "ae").replace("北京楼", "beijing-lou")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "shop"


def _respelt(line: str) -> str:
    for short, long in _ABBREVIATIONS[1:]:
        if line.endswith(short):
            return line.removesuffix(short) + long
    return line


def _digest(*parts: object) -> bytes:
    return hashlib.sha256("\x00".join(map(str, parts)).encode()).digest()


def _share(*parts: object) -> float:
    return int.from_bytes(_digest(*parts)[:6], "big") / 2**48


def _token(*parts: object) -> str:
    return base64.urlsafe_b64encode(_digest(*parts)).decode().replace("_", "x").replace("-", "y")
