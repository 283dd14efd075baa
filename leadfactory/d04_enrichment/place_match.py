"""Which of Google's places is the business that was sourced. Agreement confirms; another town vetoes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from rapidfuzz import fuzz

from leadfactory.d02_sourcing.listings import Listing, e164, name_words, normalise_address
from leadfactory.d02_sourcing.matching import metres

# Weights and thresholds of ours, to be calibrated on labelled pairs; as of 2026-11-23.
ACCEPT = 0.75  # of 1.0: a name alone is worth at most 0.55
ALIKE = 0.8  # from which two names could be one business
FAR_M = 3_000.0  # beyond it a place of that name is another branch or another town
NEAR_M = 250.0  # two vendors pin the same door this far apart
_NAME, _PHONE, _DOOR, _NEAR, _AGAINST = 0.55, 0.3, 0.3, 0.2, 0.15


@dataclasses.dataclass(frozen=True)
class Match:
    """The verdict: ``matched`` with the place, ``vetoed`` (right name, wrong town or number), or ``no_match``."""

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
    """One place: name up to 0.55, telephone and door 0.3 each, nearness 0.2; a number or a door that differs costs 0.15."""
    town = _component(place, "locality")
    alike = _alike(listing, str((place.get("displayName") or {}).get("text") or ""), town)
    number = e164(place.get("internationalPhoneNumber") or place.get("nationalPhoneNumber"))
    phones = None if number is None or listing.phone is None else number == listing.phone
    door = normalise_address(_component(place, "street"), _component(place, "postal_code"))
    doors = None if door is None or listing.postal is None else door == listing.postal
    apart = _apart(listing, place)
    near = apart is not None and apart <= NEAR_M
    score = _NAME * alike + _PHONE * (phones is True) + _DOOR * (doors is True) + _NEAR * near
    score -= _AGAINST * ((phones is False) + (doors is False and not near))
    score = round(min(1.0, max(0.0, score)), 3)
    if _elsewhere(listing, place, town, apart) or (phones is False and doors is not True):
        return Match("vetoed" if alike >= ALIKE else "no_match", score, None)
    return Match("matched", score, place) if score >= ACCEPT else Match("no_match", score, None)


def closed_reason(place: Mapping[str, Any]) -> str | None:
    """Why Google says that the business cannot be visited; None when it can."""
    status = place.get("businessStatus")
    return {"CLOSED_TEMPORARILY": "closed_temporarily", "CLOSED_PERMANENTLY": "closed_permanently"}.get(str(status))


def _alike(listing: Listing, name: str, town: str | None) -> float:
    """Likeness of names from 0 to 1. One name inside the other counts only if at least two words agree ("Kitchen" is nobody)."""
    mine, theirs = listing.name_words, name_words(name, town)
    if not mine or not theirs:
        return 0.0
    whole = fuzz.token_sort_ratio(" ".join(sorted(mine)), " ".join(sorted(theirs))) / 100
    inside = len(mine & theirs) >= 2 and (mine <= theirs or theirs <= mine)
    return max(whole, 0.9) if inside else whole


def _elsewhere(listing: Listing, place: Mapping[str, Any], town: str | None, apart: float | None) -> bool:
    """Whether the place is in another state, too far away, or, where distance is unknown, in another town."""
    state = _component(place, "administrative_area_level_1", short=True)
    if state and listing.state and state.upper() != listing.state.upper():
        return True
    if apart is not None:
        return apart > FAR_M
    code = _component(place, "postal_code")
    same_town = not town or not listing.city or town.lower() == listing.city.lower()
    same_zip = not code or not listing.zip_code or code[:5] == listing.zip_code[:5]
    return not same_town and not same_zip


def _component(place: Mapping[str, Any], kind: str, *, short: bool = False) -> str | None:
    texts: dict[str, str] = {}
    for part in place.get("addressComponents") or []:
        text = (part.get("shortText") if short else None) or part.get("longText") or part.get("shortText") or ""
        for each in part.get("types") or []:
            texts.setdefault(each, str(text))
    if kind == "street":
        street = f"{texts.get('street_number', '')} {texts.get('route', '')}".strip()
        return street or str(place.get("formattedAddress") or "").split(",")[0] or None
    return texts.get(kind) or None


def _apart(listing: Listing, place: Mapping[str, Any]) -> float | None:
    at = place.get("location") or {}
    if None in (listing.latitude, listing.longitude, at.get("latitude"), at.get("longitude")):
        return None
    return metres(listing.latitude, listing.longitude, at["latitude"], at["longitude"])  # type: ignore[arg-type]
