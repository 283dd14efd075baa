"""Which listings are one business. Agreement confirms, disagreement vetoes; the outcome does not depend on order.

Thresholds and words are in config/matching.yaml.
"""

from __future__ import annotations

import dataclasses
import math
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from leadfactory.d02_sourcing import doors, names
from leadfactory.d02_sourcing.listings import Listing
from leadfactory.d02_sourcing.matching_rules import rules

Key = TypeVar("Key", bound=Hashable)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What two listings say of each other: ``same`` (with what agrees), ``different`` (a veto), or ``unknown``."""

    outcome: str
    evidence: tuple[str, ...] = ()


def compare(one: Listing, other: Listing) -> Verdict:
    """Judges a pair; symmetric, and never ``same`` when in doubt."""
    phones = None if one.phone is None or other.phone is None else one.phone == other.phone
    domains = None if one.domain is None or other.domain is None else one.domain == other.domain
    doored = doors.same_door(one.door, other.door)
    if phones is False and doored is False:
        return Verdict("different", ("phone", "door"))
    apart = distance_m(one, other)
    limits = rules().thresholds
    alike = names.likeness(one.named, other.named)
    if doored is False:
        if phones is True and alike == names.SAME and _slip_of_the_pen(one, other, apart):
            return Verdict("same", ("phone", "name", "distance" if apart is not None else "door_nearly"))
        return Verdict("different", ("door",))
    if doored is None and apart is not None and apart > limits.far_m:
        return Verdict("different", ("distance",))
    near = apart is not None and apart <= limits.near_m
    agree = [
        word
        for word, yes in (("phone", phones is True), ("door", doored is True), ("domain", domains is True), ("name", alike == names.SAME))
        if yes
    ]
    if doored is True:
        told = _behind_one_door(one, other, phones, domains, alike)
    else:
        told = _door_unknown(one, other, phones, domains, alike, near)
    if told == "same":
        more = (*(("distance",) if near and doored is None else ()), *(("name_inside",) if alike == names.INSIDE else ()))
        return Verdict("same", (*agree, *more))
    return Verdict(told, ("phone",) if told == "different" else ())


def _behind_one_door(one: Listing, other: Listing, phones: bool | None, domains: bool | None, alike: str) -> str:
    """The same number or the same name behind a door is the same business; another number needs the same name."""
    if phones is True:  # renamed, unless the trades tell of two who share a desk
        return "unknown" if names.trades_clash(one.named, other.named) and domains is not True else "same"
    department = names.is_department(one.named, other.named)
    if phones is False:
        return "same" if alike == names.SAME and not department else "different"
    if alike == names.SAME and not department:
        return "same"
    if alike == names.INSIDE and not department:
        return "same"
    return "same" if domains is True and not department and not names.trades_clash(one.named, other.named) else "unknown"


def _door_unknown(
    one: Listing, other: Listing, phones: bool | None, domains: bool | None, alike: str, near: bool
) -> str:
    """Without two addresses, two further things must agree, and a number that many share is none of them."""
    close = alike in (names.SAME, names.INSIDE)
    if phones is False:
        return "same" if domains is True and alike == names.SAME and near else "different"
    if phones is True and not one.toll_free:
        if close or domains is True or (near and not names.trades_clash(one.named, other.named)):
            return "same"
        return "unknown"
    if alike == names.SAME and near:
        return "same"
    if domains is True and alike == names.SAME and (near or _one_town(one, other)):
        return "same"
    return "unknown"


def _one_town(one: Listing, other: Listing) -> bool:
    return one.zip_code is not None and doors.zip5(one.zip_code) == doors.zip5(other.zip_code)


def _slip_of_the_pen(one: Listing, other: Listing, apart: float | None) -> bool:
    """Whether two addresses that read differently are one: the pins all but touch, another suite, or a house number mistyped."""
    limits = rules().thresholds
    if apart is not None and apart <= limits.touching_m:
        return True
    if apart is not None and apart > limits.far_m:
        return False
    return doors.units_differ(one.door, other.door) or doors.number_mistyped(one.door, other.door)


def same(one: Listing, other: Listing) -> bool:
    """Whether two listings, seen alone, are one business."""
    return compare(one, other).outcome == "same"


def groups(listings: Iterable[Listing]) -> list[tuple[list[Listing], list[str]]]:
    """The listings in groups that are one business each, best-ranked first, each with what held it together.

    Near-linear by blocking. A pair that disagrees never ends up in one group, however many others lie between.
    """
    ordered = sorted({each.sourced_id: each for each in listings}.values(), key=lambda each: (each.rank, each.sourced_id))
    links = _links(ordered)
    found = cluster(range(len(ordered)), links, lambda one, other: compare(ordered[one], ordered[other]).outcome == "different")
    place = {key: position for position, members in enumerate(found) for key in members}
    held: dict[int, set[str]] = defaultdict(set)
    for (mine, theirs), evidence in links.items():
        if place[mine] == place[theirs]:
            held[place[mine]].update(evidence)
    told = [([ordered[key] for key in sorted(members)], sorted(held[position])) for position, members in enumerate(found)]
    return sorted(told, key=lambda each: (each[0][0].rank, each[0][0].sourced_id))


def _links(listings: Sequence[Listing]) -> dict[tuple[int, int], tuple[str, ...]]:
    """The pairs that are one business, by position, with what agrees; only pairs that share a block are looked at."""
    links: dict[tuple[int, int], tuple[str, ...]] = {}
    seen: set[int] = set()
    size = len(listings)
    for block in _blocks(listings):
        for at, mine in enumerate(block):
            one = listings[mine]
            for theirs in block[at + 1 :]:
                other = listings[theirs]
                pair = mine * size + theirs
                if pair in seen or _plainly_two(one, other):
                    continue
                seen.add(pair)
                verdict = compare(one, other)
                if verdict.outcome == "same":
                    links[mine, theirs] = verdict.evidence
    return links


def _plainly_two(one: Listing, other: Listing) -> bool:
    """Whether number and house number both differ, as of nearly all pairs: what ``compare`` would say, at a glance."""
    if one.phone is None or other.phone is None or one.phone == other.phone:
        return False
    mine, theirs = one.door, other.door
    if mine is None or theirs is None or mine.span or theirs.span:
        return False
    return bool(mine.numbers) and bool(theirs.numbers) and mine.numbers.isdisjoint(theirs.numbers)


def cluster(
    keys: Iterable[Key], links: Mapping[tuple[Key, Key], tuple[str, ...]], differ: Callable[[Key, Key], bool]
) -> list[list[Key]]:
    """Groups of keys joined by ``links``, strongest first, never joining groups of which any two members ``differ``.

    Independent of the order of its inputs: links are taken by how much they rest on, then by the keys themselves.
    """
    group_of: dict[Key, list[Key]] = {key: [key] for key in keys}
    for one, other in sorted(links, key=lambda pair: (-len(links[pair]), *pair)):
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


def _blocks(listings: Sequence[Listing]) -> list[list[int]]:
    """Positions within which pairs are compared: one phone, one domain, one house number in a ZIP code, one street and number in
    a town, or in one ZIP code the two rarest words of the name."""
    counted = Counter((doors.zip5(each.zip_code), word) for each in listings for word in each.named.plain)
    blocks: dict[Hashable, list[int]] = defaultdict(list)
    for position, each in enumerate(listings):
        for key in _keys(each, counted):
            blocks[key].append(position)
    most = rules().thresholds.largest_block
    return [block for block in blocks.values() if 1 < len(block) <= most]


def _keys(each: Listing, counted: Mapping[tuple[str | None, str], int]) -> set[Hashable]:
    keys: set[Hashable] = set()
    code = doors.zip5(each.zip_code)
    if each.phone:
        keys.add(each.phone)
    if each.domain:
        keys.add(("domain", each.domain, code))
    door = each.door
    if door is not None and door.numbers:
        number = min(door.numbers, key=lambda word: (len(word), word)) if len(door.numbers) > 1 else next(iter(door.numbers))
        if door.zip_code:
            keys.add(("number", number, door.zip_code))
        if door.city:
            keys.update(("street", number, word, door.city) for word in door.words)
    rarest = sorted(set(each.named.plain), key=lambda word: (counted[code, word], word))
    keys.update(("name", code, word) for word in rarest[:2])
    return keys
