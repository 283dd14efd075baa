"""Which listings are one business. Agreement confirms, disagreement vetoes; the outcome does not depend on order."""

from __future__ import annotations

import dataclasses
import math
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from rapidfuzz import fuzz

from leadfactory.d02_sourcing.listings import Listing

# Thresholds of ours, to be calibrated on labelled pairs; as of 2026-11-23.
NAME_ALIKE = 86.0  # token-sort similarity of 100 from which two names may be one
STREET_ALIKE = 85.0  # similarity of two street lines behind the same house number
FAR_M = 400.0  # two doors this far apart are two branches, whatever else agrees
NEAR_M = 60.0  # one door, as two people drop a pin
LARGEST_BLOCK = (
    200  # a larger block is a switchboard's number, a mall's address or a word of the trade, and says nothing
)
_SIDES = frozenset({"n", "s", "e", "w", "ne", "nw", "se", "sw"})
Key = TypeVar("Key", bound=Hashable)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What two listings say of each other: ``same`` (with what agrees), ``different`` (a veto), or ``unknown``."""

    outcome: str
    evidence: tuple[str, ...] = ()


def compare(one: Listing, other: Listing) -> Verdict:
    """Judges a pair; symmetric, and never ``same`` when in doubt."""
    apart = distance_m(one, other)
    phones = None if one.phone is None or other.phone is None else one.phone == other.phone
    doors = same_door(one, other)
    alike = names_alike(one, other)
    inside = bool(one.name_words) and (one.name_words <= other.name_words or other.name_words <= one.name_words)
    if (doors is not True and apart is not None and apart > FAR_M) or (doors is False and not _one_pin(apart, phones)):
        return Verdict("different", ("door",))
    if phones is False and (doors is not True or not alike):
        return Verdict("different", ("phone",))
    agree = [name for name, yes in (("phone", phones is True), ("door", doors is True), ("name", alike)) if yes]
    near = doors is None and phones is None and apart is not None and apart <= NEAR_M
    if (len(agree) >= 2) or (alike and near) or (inside and phones is True):
        return Verdict(
            "same", (*agree, *(("distance",) if near else ()), *(("name_inside",) if inside and not alike else ()))
        )
    return Verdict("unknown")


def same(one: Listing, other: Listing) -> bool:
    """Whether two listings, seen alone, are one business."""
    return compare(one, other).outcome == "same"


def names_alike(one: Listing, other: Listing) -> bool:
    """Whether the telling words of two names are (nearly) the same."""
    return bool(one.name_words) and fuzz.token_sort_ratio(one.sorted_name, other.sorted_name) >= NAME_ALIKE


def same_door(one: Listing, other: Listing) -> bool | None:
    """Whether two listings are behind one door: False for another house number or another street, None when it is not known."""
    if one.postal is None or other.postal is None:
        return None
    if one.postal == other.postal:
        return True
    (mine, my_unit, my_zip), (theirs, their_unit, their_zip) = _door(one.postal), _door(other.postal)
    if not (mine[0].isdecimal() and theirs[0].isdecimal()):
        return None  # "One Liberty Plaza": no number to compare
    street, other_street = set(mine[1:]), set(theirs[1:])
    numbers, other_numbers = ({word for word in words if word[0].isdigit()} for words in (street, other_street))
    sides, other_sides = street & _SIDES, other_street & _SIDES
    if mine[0] != theirs[0] or numbers != other_numbers or (sides and other_sides and sides != other_sides):
        return False
    if my_unit and their_unit and my_unit != their_unit:
        return False
    alike = fuzz.token_sort_ratio(" ".join(mine[1:]), " ".join(theirs[1:])) >= STREET_ALIKE
    return None if alike and my_zip != their_zip else alike


def groups(listings: Iterable[Listing]) -> list[tuple[list[Listing], list[str]]]:
    """The listings in groups that are one business each, best-ranked first, each with what held it together.

    Near-linear by blocking. A pair that disagrees never ends up in one group, however many others lie between.
    """
    by_id = {each.sourced_id: each for each in listings}
    edges: dict[tuple[uuid.UUID, uuid.UUID], Verdict] = {}
    for block in _blocks(list(by_id.values())):
        for position, one in enumerate(block):
            for other in block[position + 1 :]:
                pair = (min(one.sourced_id, other.sourced_id), max(one.sourced_id, other.sourced_id))
                if pair not in edges:
                    edges[pair] = compare(one, other)
    found = cluster(
        by_id, {pair: verdict.evidence for pair, verdict in edges.items() if verdict.outcome == "same"},
        lambda one, other: compare(by_id[one], by_id[other]).outcome == "different",
    )  # fmt: skip
    place = {key: position for position, members in enumerate(found) for key in members}
    held: dict[int, set[str]] = defaultdict(set)
    for (mine, theirs), verdict in edges.items():
        if verdict.outcome == "same" and place[mine] == place[theirs]:
            held[place[mine]].update(verdict.evidence)
    told = [
        (sorted((by_id[key] for key in members), key=lambda each: (each.rank, each.sourced_id)), sorted(held[position]))
        for position, members in enumerate(found)
    ]
    return sorted(told, key=lambda each: (each[0][0].rank, each[0][0].sourced_id))


def cluster(
    keys: Iterable[Key], links: Mapping[tuple[Key, Key], tuple[str, ...]], differ: Callable[[Key, Key], bool]
) -> list[list[Key]]:
    """Groups of keys joined by ``links``, strongest first, never joining groups of which any two members ``differ``.

    Independent of the order of its inputs: links are taken by how much they rest on, then by the keys themselves.
    """
    group_of: dict[Key, list[Key]] = {key: [key] for key in keys}
    for one, other in sorted(links, key=lambda pair: (-len(links[pair]), *map(str, pair))):
        mine, theirs = group_of[one], group_of[other]
        if mine is theirs or any(differ(a, b) for a in mine for b in theirs):
            continue
        mine.extend(theirs)
        for key in theirs:
            group_of[key] = mine
    return list({id(group): group for group in group_of.values()}.values())


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


def _one_pin(apart: float | None, phones: bool | None) -> bool:
    """Whether two addresses that read differently may still be one door: the same number, and the pins all but touch."""
    return phones is True and apart is not None and apart <= NEAR_M / 2


def _door(postal: str) -> tuple[list[str], str, str]:
    """House number and street words, the unit behind ``#`` ("" for none), and the ZIP code."""
    line, _, code = postal.rpartition(" ")
    street, _, unit = line.partition(" # ")
    return street.split() or [""], unit, code


def _blocks(listings: Sequence[Listing]) -> list[list[Listing]]:
    """Groups within which pairs are compared: same phone, same door, or in one ZIP code the two rarest words of the name."""
    counted = Counter((each.zip_code, word) for each in listings for word in each.name_words)
    blocks: dict[tuple[str, ...], list[Listing]] = defaultdict(list)
    for each in listings:
        if each.phone:
            blocks["phone", each.phone].append(each)
        if each.postal:
            blocks["door", each.postal].append(each)
        rarest = sorted(each.name_words, key=lambda word: (counted[each.zip_code, word], word))
        for word in rarest[:2]:
            blocks["name", str(each.zip_code), word].append(each)
    return [block for block in blocks.values() if 1 < len(block) <= LARGEST_BLOCK]
