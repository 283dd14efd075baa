"""Which of Google's places is the business that was sourced: weighed evidence, a calibrated confidence, and vetoes.

Evidence is a set of codes ("phone_same", "door_differs"): what is not known gives none. Confidence is the logistic function of the
sum of the codes' log-odds (config/enrichment.yaml, with the date and set of the calibration). Another state, another town, or
another telephone at another door veto, whatever else agrees. No word of Google's leaves this module, only codes and the id.
"""

from __future__ import annotations

import dataclasses
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rapidfuzz import fuzz

from leadfactory.d02_sourcing import doors, matching
from leadfactory.d02_sourcing.listings import Listing, e164
from leadfactory.d04_enrichment.own_site import host_of, is_own, registrable_domain
from leadfactory.d04_enrichment.policy import Match as Rules

# How alike two names are, of 100: token-sort similarity of their telling words. As of 2026-11-25.
NAME_SAME, NAME_CLOSE = 92.0, 75.0
_NOBODY = uuid.UUID(int=0)  # a place has no listing's id
CORROBORATES = frozenset({"phone_same", "domain_same", "door_same", "near", "close"})
CLOSED = {"CLOSED_TEMPORARILY": "closed_temporarily", "CLOSED_PERMANENTLY": "closed_permanently"}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A business that is looked for: its listing, the domain that its source names, and the place types of its trade."""

    listing: Listing
    domain: str | None = None
    types: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Judgement:
    """One place beside one business. ``veto`` is its code, None when nothing vetoes."""

    place: Mapping[str, Any]
    confidence: float
    evidence: tuple[str, ...]
    veto: str | None = None

    def accepted(self, rules: Rules) -> bool:
        """Whether the place is taken for the business: sure enough, not vetoed, and not by name and trade alone."""
        return self.veto is None and self.confidence >= rules.accept and not CORROBORATES.isdisjoint(self.evidence)


@dataclasses.dataclass(frozen=True)
class Match:
    """The verdict over all candidates: ``matched`` with the place; ``vetoed`` (the right name, wrong town or number) or
    ``no_match`` with the likeliest candidate, which is None when there was none."""

    verdict: str
    best: Judgement | None

    @property
    def place(self) -> Mapping[str, Any] | None:
        """The place that is the business; None when it was not found."""
        return self.best.place if self.best is not None and self.verdict == "matched" else None


def best(wanted: Wanted, places: Sequence[Mapping[str, Any]], rules: Rules) -> Match:
    """The best of ``places``; the first wins a tie, because Google ranks."""
    judged = [judge(wanted, place, rules) for place in places]
    accepted = [each for each in judged if each.accepted(rules)]
    if accepted:
        return Match("matched", max(accepted, key=lambda each: each.confidence))
    if not judged:
        return Match("no_match", None)
    likeliest = max(judged, key=lambda each: each.confidence)
    named = [each for each in judged if each.veto is not None and {"name_same", "name_close"} & set(each.evidence)]
    return Match("vetoed", max(named, key=lambda each: each.confidence)) if named else Match("no_match", likeliest)


def judge(wanted: Wanted, place: Mapping[str, Any], rules: Rules) -> Judgement:
    """One place: its evidence, what vetoes it, and how likely it is the business."""
    theirs = _listing_of(place)
    apart = matching.distance_m(wanted.listing, theirs)
    codes = tuple(_evidence(wanted, theirs, place, apart, rules))
    sure = confidence(codes, rules)
    veto = _veto(wanted.listing, theirs, apart, codes, rules)
    return Judgement(place, round(min(sure, rules.vetoed_most) if veto else sure, 3), codes, veto)


def confidence(evidence: Iterable[str], rules: Rules) -> float:
    """Probability that a place with this evidence is the business: logistic(intercept + sum of log-odds)."""
    odds = rules.intercept + sum(rules.coefficients[code] for code in evidence)
    return 1 / (1 + math.exp(-max(-40.0, min(40.0, odds))))


def closed_reason(place: Mapping[str, Any]) -> str | None:
    """Why Google says that the business cannot be visited; None when it can."""
    return CLOSED.get(str(place.get("businessStatus")))


def _evidence(
    wanted: Wanted, theirs: Listing, place: Mapping[str, Any], apart: float | None, rules: Rules
) -> Iterable[str]:
    mine = wanted.listing
    if mine.phone and theirs.phone:
        yield "phone_same" if mine.phone == theirs.phone else "phone_differs"
    website = str(place.get("websiteUri") or "")
    if wanted.domain and website and is_own(website):
        yield "domain_same" if registrable_domain(host_of(website)) == wanted.domain else "domain_differs"
    yield _names(mine, theirs)
    door = doors.same_door(mine.door, theirs.door)
    if door is not None:
        yield "door_same" if door else "door_differs"
    if apart is not None:
        yield "near" if apart <= rules.near_m else "close" if apart <= rules.close_m else "around"
    kinds = set(place.get("types") or []) - {"point_of_interest", "establishment"}
    if wanted.types and kinds:
        yield "category_same" if _same_trade(wanted.types, kinds) else "category_differs"


def _names(mine: Listing, theirs: Listing) -> str:
    if not mine.name_words or not theirs.name_words:
        return "name_differs"
    alike = fuzz.token_sort_ratio(mine.sorted_name, theirs.sorted_name)
    if alike >= NAME_SAME:
        return "name_same"
    shared = mine.name_words & theirs.name_words
    inside = mine.name_words <= theirs.name_words or theirs.name_words <= mine.name_words
    if alike >= NAME_CLOSE:
        return "name_close"
    return "name_inside" if inside and len(shared) >= 2 else "name_differs"  # one word of the trade is nobody's name


def _same_trade(wanted: frozenset[str], kinds: set[str]) -> bool:
    """Whether the place is of the trade: "restaurant" is "pizza_restaurant" too."""
    return any(kind == each or kind.endswith(f"_{each}") for each in wanted for kind in kinds)


def _veto(mine: Listing, theirs: Listing, apart: float | None, codes: Sequence[str], rules: Rules) -> str | None:
    if mine.state and theirs.state and mine.state.upper() != theirs.state.upper():
        return "another_state"
    if apart is not None and apart > rules.far_m:
        return "another_town"
    if apart is None and _another_town(mine, theirs):
        return "another_town"
    if "phone_differs" in codes and "door_same" not in codes and "domain_same" not in codes:
        return "another_phone"
    if "door_differs" in codes and "phone_same" not in codes and "domain_same" not in codes and "near" not in codes:
        return "another_door"
    return None


def _another_town(mine: Listing, theirs: Listing) -> bool:
    same_town = not theirs.city or not mine.city or theirs.city.lower() == mine.city.lower()
    same_zip = not theirs.zip_code or not mine.zip_code or theirs.zip_code[:5] == mine.zip_code[:5]
    return not same_town and not same_zip


def _listing_of(place: Mapping[str, Any]) -> Listing:
    """A place in the terms of a listing; what Google did not give is None."""
    parts, at = _components(place), place.get("location") or {}
    street = f"{parts.get('street_number', '')} {parts.get('route', '')}".strip()
    unit = parts.get("subpremise")
    if street and unit:
        street = f"{street} # {unit}"
    return Listing(
        sourced_id=_NOBODY, rank=0, name=str((place.get("displayName") or {}).get("text") or ""),
        city=parts.get("locality") or parts.get("sublocality") or parts.get("postal_town"),
        street=street or str(place.get("formattedAddress") or "").split(",")[0] or None, zip_code=parts.get("postal_code"),
        phone=e164(place.get("internationalPhoneNumber") or place.get("nationalPhoneNumber")),
        latitude=at.get("latitude"), longitude=at.get("longitude"), state=parts.get("state"),
    )  # fmt: skip


def _components(place: Mapping[str, Any]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for part in place.get("addressComponents") or []:
        text = part.get("longText") or part.get("shortText") or ""
        for each in part.get("types") or []:
            if each == "administrative_area_level_1":
                texts.setdefault("state", str(part.get("shortText") or text))
            texts.setdefault(each, str(text))
    return {name: text for name, text in texts.items() if text}
