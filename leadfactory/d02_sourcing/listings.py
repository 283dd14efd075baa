"""A listing as matching sees it, from a vendor's JSON; and the normal forms of phones, names and addresses.

``normalise_address`` and ``name_words`` are hashed and so frozen (keyed_hashes.NORMALISATION); matching reads ``named`` and
``door`` instead, whose words may grow in config/matching.yaml.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import phonenumbers

from leadfactory.d02_sourcing import doors, names
from leadfactory.d02_sourcing.matching_rules import rules
from leadfactory.d04_enrichment.own_site import host_of, is_own, registrable_domain
from leadfactory.keyed_hashes import normalise_name

_STREET = {
    "street": "st", "str": "st", "avenue": "ave", "av": "ave", "boulevard": "blvd", "road": "rd", "drive": "dr", "lane": "ln",
    "court": "ct", "place": "pl", "square": "sq", "highway": "hwy", "parkway": "pkwy", "terrace": "ter", "circle": "cir",
    "trail": "trl", "turnpike": "tpke", "expressway": "expy", "north": "n", "south": "s", "east": "e", "west": "w",
    "northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw", "saint": "st", "mount": "mt", "fort": "ft",
    "first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th", "sixth": "6th", "seventh": "7th",
    "eighth": "8th", "ninth": "9th", "tenth": "10th",
}  # fmt: skip
_PUNCTUATION = str.maketrans("", "", " ().-")
_PLAIN_US = re.compile(r"(?:\+?1)?([2-9][0-9]{9})")
_ONE_NUMBER = 17  # letters of "+1 (212) 555-0101"; a longer field may hold an extension or a second number
_SEVERAL = re.compile(r"[,;/|]|\bor\b")
_EXTENSION = re.compile(r"(?:\bext(?:ension)?\.?|x)\s*(\d{1,6})\b", re.IGNORECASE)
_UNIT = {"suite", "ste", "unit", "apt", "apartment", "floor", "fl", "flr", "room", "rm", "bldg", "building", "no"}
# Words that say how a business is incorporated or who works in it, not which one it is.
_NAME_NOISE = {"the", "llc", "llp", "inc", "co", "corp", "ltd", "pllc", "pc", "pa", "dds", "dmd", "md", "and", "of"}


@dataclasses.dataclass(frozen=True)
class Listing:
    """One sourced listing. What the vendor did not give is None; latitude and longitude are WGS84 degrees."""

    sourced_id: uuid.UUID
    rank: int
    name: str
    city: str | None = None
    street: str | None = None
    zip_code: str | None = None
    phone: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    open: bool = True
    state: str | None = None
    domain: str | None = None
    site_path: str = ""
    extension: str | None = None
    other_phones: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()

    @functools.cached_property
    def named(self) -> names.Name:
        """The name taken apart for comparison."""
        return names.parse(self.name, self.city)

    @functools.cached_property
    def door(self) -> doors.Door | None:
        """The address taken apart for comparison."""
        return doors.parse(self.street, self.zip_code, self.city, self.state)

    @functools.cached_property
    def toll_free(self) -> bool:
        """Whether the number is one of those that a chain gives for all its places."""
        return self.phone is not None and self.phone[2:5] in rules().toll_free and self.phone.startswith("+1")

    @functools.cached_property
    def name_words(self) -> frozenset[str]:
        """The words of the name that tell businesses apart."""
        return name_words(self.name, self.city)

    @functools.cached_property
    def sorted_name(self) -> str:
        """The telling words in order, for comparison."""
        return " ".join(sorted(self.name_words))

    @functools.cached_property
    def postal(self) -> str | None:
        """The normal form of street and ZIP code."""
        return normalise_address(self.street, self.zip_code)


def name_words(name: str, city: str | None = None) -> frozenset[str]:
    """The words of a name without legal forms and without the town, unless nothing else is left."""
    words = normalise_name(re.sub(r"<[^>]*>", " ", name)).split()
    telling = [word for word in words if word not in _NAME_NOISE]
    town = set(normalise_name(city or "").split())
    return frozenset(word for word in telling if word not in town) or frozenset(telling) or frozenset(words)


def e164(text: str | None) -> str | None:
    """A US phone number in E.164 form; None when there is none or it cannot be one."""
    if not text:
        return None
    plain = _PLAIN_US.fullmatch(
        text.translate(_PUNCTUATION)
    )  # what nearly all are; libphonenumber says the same, slower
    if plain:
        return f"+1{plain[1]}"
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def phones(text: str | None) -> tuple[str | None, frozenset[str], str | None]:
    """The first number of a field in E.164 form, the others that it holds, and the extension ("555-0101 x12, 555-0102")."""
    first = e164(text)
    if not text or (first is not None and len(text) <= _ONE_NUMBER):
        return first, frozenset(), None
    found = [number for part in _SEVERAL.split(text) if (number := e164(part))]
    extension = _EXTENSION.search(text)
    return (found[0] if found else first), frozenset(found[1:]), extension[1] if extension else None


def normalise_address(street: str | None, zip_code: str | None) -> str | None:
    """ "12 West 30th Street, Suite 5", "10001" as ``12 w 30th st # 5 10001``; None without a street or a ZIP code."""
    if not street or not zip_code:
        return None
    words = [_STREET.get(word, word) for word in normalise_name(street).split()]
    if not words:
        return None
    joined = " ".join("#" if position and word in _UNIT else word for position, word in enumerate(words))
    return f"{re.sub(r'# (?:# )+', '# ', joined)} {zip_code[:5]}"


def from_yelp(sourced_id: uuid.UUID, rank: int, business: Mapping[str, Any]) -> Listing:
    """A listing from Yelp's JSON; what is absent or empty is None."""
    at = business.get("location") or {}
    point = business.get("coordinates") or {}
    website = (business.get("attributes") or {}).get("business_url")
    return Listing(
        sourced_id=sourced_id,
        rank=rank,
        name=str(business.get("name") or ""),
        city=at.get("city") or None,
        street=at.get("address1") or None,
        zip_code=at.get("zip_code") or None,
        phone=e164(business.get("phone")),
        latitude=point.get("latitude"),
        longitude=point.get("longitude"),
        open=closed_reason(business) is None,
        state=at.get("state") or None,
        domain=own_domain(website),
        site_path=path_of(website),
        categories=frozenset(each["alias"] for each in business.get("categories") or () if each.get("alias")),
    )


def path_of(url: str | None) -> str:
    """The path of a website's address without its trailing slash: a chain's branches have a page each."""
    return urlsplit(url if "//" in url else f"//{url}").path.rstrip("/").lower() if url else ""


def own_domain(url: str | None) -> str | None:
    """The registrable domain of a business's own website; None for a page on a network or a host of many businesses."""
    if not url or not is_own(url):
        return None
    domain = registrable_domain(host_of(url))
    shared = rules().shared_hosts
    return None if not domain or domain in shared or domain.partition(".")[2] in shared else domain


def closed_reason(business: Mapping[str, Any]) -> str | None:
    """Why a business is not open for custom, as Yelp tells it; None when it is."""
    if business.get("is_closed"):
        return "closed_permanently"
    if (business.get("attributes") or {}).get("business_temp_closed"):
        return "closed_temporarily"
    return None


def excluded_reason(business: Mapping[str, Any]) -> str | None:
    """Why a listing is not pursued: it is closed, or a search near a border found a business of another country."""
    country = (business.get("location") or {}).get("country")
    return closed_reason(business) or ("outside_us" if country not in {None, "", "US"} else None)


def review_band(business: Mapping[str, Any]) -> str | None:
    """How many reviews a listing has, coarsely: 0, 1-10, 11-50 or >50; None when it does not say."""
    count = business.get("review_count")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        return None
    return "0" if count == 0 else "1-10" if count <= 10 else "11-50" if count <= 50 else ">50"
