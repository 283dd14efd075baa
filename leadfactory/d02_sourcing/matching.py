"""Which listings are one business. Agreement confirms, disagreement vetoes; the outcome does not depend on order."""

from __future__ import annotations

import math
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence

from rapidfuzz import fuzz

from leadfactory.d02_sourcing.listings import Listing

NAME_ALIKE = 86.0  # token-sort similarity of 100 from which two names may be one
FAR_M = 400.0  # two doors this far apart are two branches, whatever else agrees
NEAR_M = 60.0
LARGEST_BLOCK = 200  # a block beyond it is a switchboard's number or a mall's address, and says nothing


def same(one: Listing, other: Listing) -> bool:
    """Whether two listings are one business: symmetric, and False when in doubt."""
    apart = distance_m(one, other)
    phones = None if one.phone is None or other.phone is None else one.phone == other.phone
    doors = None if one.postal is None or other.postal is None else one.postal == other.postal
    if doors is not True and apart is not None and apart > FAR_M:
        return False
    if phones is False and doors is False:
        return False
    alike = fuzz.token_sort_ratio(" ".join(sorted(one.name_words)), " ".join(sorted(other.name_words))) >= NAME_ALIKE
    inside = bool(one.name_words) and (one.name_words <= other.name_words or other.name_words <= one.name_words)
    if alike or (inside and phones is True):
        near = apart is not None and apart <= NEAR_M
        return phones is True or doors is True or (phones is None and near)
    return phones is True and doors is True  # renamed, at the same door and number


def groups(listings: Iterable[Listing]) -> list[list[Listing]]:
    """The listings in groups that are one business each, best-ranked first; near-linear by blocking."""
    ordered = sorted(listings, key=lambda each: (each.rank, each.sourced_id))
    parent: dict[uuid.UUID, uuid.UUID] = {each.sourced_id: each.sourced_id for each in ordered}

    def root(of: uuid.UUID) -> uuid.UUID:
        while parent[of] != of:
            parent[of] = parent[parent[of]]
            of = parent[of]
        return of

    for block in _blocks(ordered):
        for position, one in enumerate(block):
            for other in block[position + 1 :]:
                if root(one.sourced_id) != root(other.sourced_id) and same(one, other):
                    first, second = sorted((root(one.sourced_id), root(other.sourced_id)))
                    parent[second] = first
    together: dict[uuid.UUID, list[Listing]] = defaultdict(list)
    for each in ordered:
        together[root(each.sourced_id)].append(each)
    return sorted(together.values(), key=lambda group: (group[0].rank, group[0].sourced_id))


def survivor(group: Sequence[Listing]) -> Listing:
    """The listing that stands for its group: open before closed, with a phone before without, then the best rank."""
    return min(group, key=lambda each: (not each.open, each.phone is None, each.rank, each.sourced_id))


def distance_m(one: Listing, other: Listing) -> float | None:
    """Metres between two listings; None when either has no coordinates."""
    if None in (one.latitude, one.longitude, other.latitude, other.longitude):
        return None
    return metres(one.latitude, one.longitude, other.latitude, other.longitude)  # type: ignore[arg-type]


def metres(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Great-circle distance (haversine on a sphere of 6,371 km)."""
    a, b = math.radians(latitude), math.radians(other_latitude)
    half = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    )
    return 2 * 6_371_000 * math.asin(math.sqrt(min(1.0, half)))


def _blocks(listings: Sequence[Listing]) -> Iterable[list[Listing]]:
    """Groups within which pairs are compared: same phone, same door, or same ZIP code and a shared word of the name."""
    blocks: dict[tuple[str, str], list[Listing]] = defaultdict(list)
    for each in listings:
        if each.phone:
            blocks["phone", each.phone].append(each)
        if each.postal:
            blocks["door", each.postal].append(each)
        for word in each.name_words:
            blocks["name", f"{each.zip_code}:{word}"].append(each)
    return (block for block in blocks.values() if 1 < len(block) <= LARGEST_BLOCK)
