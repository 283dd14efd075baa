"""A listing as matching sees it, from a vendor's JSON; and the normal forms of phones, names and addresses."""

from __future__ import annotations

import dataclasses
import functools
import re
import uuid
from collections.abc import Mapping
from typing import Any

import phonenumbers

from leadfactory.keyed_hashes import normalise_name

_STREET = {
    "street": "st", "avenue": "ave", "boulevard": "blvd", "road": "rd", "drive": "dr", "lane": "ln", "court": "ct", "place": "pl",
    "square": "sq", "highway": "hwy", "parkway": "pkwy", "suite": "ste", "north": "n", "south": "s", "east": "e", "west": "w",
    "first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th",
}  # fmt: skip
_NAME_NOISE = {"the", "llc", "inc", "co", "corp", "ltd", "pllc", "pc", "dds", "md", "and", "of"}


@dataclasses.dataclass(frozen=True)
class Listing:
    """One sourced listing. ``zip_code``, ``latitude``, ``longitude`` and the texts are None when the vendor gave none."""

    sourced_id: uuid.UUID
    rank: int
    name: str
    city: str | None
    street: str | None
    zip_code: str | None
    phone: str | None
    latitude: float | None
    longitude: float | None
    open: bool

    @functools.cached_property
    def name_words(self) -> frozenset[str]:
        """The words of the name that tell businesses apart."""
        city = set(normalise_name(self.city or "").split())
        words = [w for w in normalise_name(self.name).split() if w not in _NAME_NOISE]
        return frozenset(w for w in words if w not in city) or frozenset(words)

    @functools.cached_property
    def postal(self) -> str | None:
        """The normal form of street and ZIP code."""
        return normalise_address(self.street, self.zip_code)


def e164(text: str | None) -> str | None:
    """A US phone number in E.164 form; None when there is none or it cannot be one."""
    if not text:
        return None
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def normalise_address(street: str | None, zip_code: str | None) -> str | None:
    """ "12 West 30th Street", "10001" as ``12 w 30th st 10001``; None without a street or a ZIP code."""
    if not street or not zip_code:
        return None
    words = [_STREET.get(word, word) for word in re.findall(r"\w+", street.lower())]
    return " ".join([*words, zip_code[:5]])


def from_yelp(sourced_id: uuid.UUID, rank: int, business: Mapping[str, Any]) -> Listing:
    """A listing from Yelp's JSON; what is absent or empty is None."""
    at = business.get("location") or {}
    point = business.get("coordinates") or {}
    return Listing(
        sourced_id,
        rank,
        str(business.get("name") or ""),
        at.get("city") or None,
        at.get("address1") or None,
        at.get("zip_code") or None,
        e164(business.get("phone")),
        point.get("latitude"),
        point.get("longitude"),
        closed_reason(business) is None,
    )


def closed_reason(business: Mapping[str, Any]) -> str | None:
    """Why a business is not open for custom, as Yelp tells it; None when it is."""
    if business.get("is_closed"):
        return "closed_permanently"
    if (business.get("attributes") or {}).get("business_temp_closed"):
        return "closed_temporarily"
    return None
