"""Which of Google's places is the business that was sourced. Agreement confirms; another town vetoes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from rapidfuzz import fuzz

from leadfactory.d02_sourcing.listings import Listing, e164, normalise_address
from leadfactory.d02_sourcing.matching import metres
from leadfactory.keyed_hashes import normalise_name

ACCEPT = 0.75  # of 1.0; a name alone is worth at most 0.55
FAR_M = 3_000.0
NEAR_M = 250.0


@dataclasses.dataclass(frozen=True)
class Match:
    """The verdict: ``matched`` with the place, ``vetoed`` (right name, wrong town), or ``no_match``."""

    verdict: str
    score: float
    place: Mapping[str, Any] | None


def best(listing: Listing, places: Sequence[Mapping[str, Any]]) -> Match:
    """The best of ``places``; the first wins a tie, because Google ranks."""
    judged = [judge(listing, place) for place in places]
    accepted = [each for each in judged if each.verdict == "matched"]
    if accepted:
        return max(accepted, key=lambda each: each.score)
    vetoed = [each for each in judged if each.verdict == "vetoed"]
    if vetoed:
        return Match("vetoed", max(each.score for each in vetoed), None)
    return Match("no_match", max((each.score for each in judged), default=0.0), None)


def judge(listing: Listing, place: Mapping[str, Any]) -> Match:
    """One place: name up to 0.55, telephone 0.3, door 0.3, nearness 0.2; far away is another branch or another town."""
    name = normalise_name(str((place.get("displayName") or {}).get("text") or ""))
    alike = fuzz.token_set_ratio(normalise_name(listing.name), name) / 100 if name else 0.0
    phone = e164(place.get("internationalPhoneNumber") or place.get("nationalPhoneNumber"))
    phones = None if phone is None or listing.phone is None else phone == listing.phone
    door = normalise_address(_component(place, "street"), _component(place, "postal_code"))
    doors = None if door is None or listing.postal is None else door == listing.postal
    apart = _apart(listing, place)
    score = (
        0.55 * alike + 0.3 * (phones is True) + 0.3 * (doors is True) + 0.2 * (apart is not None and apart <= NEAR_M)
    )
    score = round(min(1.0, score), 3)
    if alike >= 0.8 and apart is not None and apart > FAR_M:
        return Match("vetoed", score, None)
    if phones is False and doors is False:
        return Match("vetoed" if alike >= 0.8 else "no_match", score, None)
    return Match("matched", score, place) if score >= ACCEPT else Match("no_match", score, None)


def closed_reason(place: Mapping[str, Any]) -> str | None:
    """Why Google says that the business cannot be visited; None when it can."""
    status = place.get("businessStatus")
    return {"CLOSED_TEMPORARILY": "closed_temporarily", "CLOSED_PERMANENTLY": "closed_permanently"}.get(str(status))


def _component(place: Mapping[str, Any], kind: str) -> str | None:
    parts = place.get("addressComponents") or []
    texts = {
        t: str(part.get("longText") or part.get("shortText") or "") for part in parts for t in part.get("types") or []
    }
    if kind == "street":
        street = f"{texts.get('street_number', '')} {texts.get('route', '')}".strip()
        return street or str(place.get("formattedAddress") or "").split(",")[0] or None
    return texts.get(kind) or None


def _apart(listing: Listing, place: Mapping[str, Any]) -> float | None:
    at = place.get("location") or {}
    if None in (listing.latitude, listing.longitude, at.get("latitude"), at.get("longitude")):
        return None
    return metres(listing.latitude, listing.longitude, at["latitude"], at["longitude"])  # type: ignore[arg-type]
