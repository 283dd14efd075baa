"""Which of many listings are one business: near-linear by blocking, and the outcome does not depend on order."""

from __future__ import annotations

import contextlib
import gc
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from leadfactory.d02_sourcing.listings import Listing
from leadfactory.d02_sourcing.matching import compare
from leadfactory.d02_sourcing.matching_rules import rules, zip5

Key = TypeVar("Key", bound=Hashable)
_Glance = tuple[str, frozenset[str]]


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Without Python's cycle collector, which walks all of a large day's listings again and again and finds no cycle: a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def groups(listings: Iterable[Listing]) -> list[tuple[list[Listing], list[str]]]:
    """The listings in groups that are one business each, best-ranked first, each with what held it together.

    Near-linear by blocking. A pair that disagrees never ends up in one group, however many others lie between.
    """
    with _no_collector():
        return _groups(listings)


def _groups(listings: Iterable[Listing]) -> list[tuple[list[Listing], list[str]]]:
    ordered = sorted(
        {each.sourced_id: each for each in listings}.values(), key=lambda each: (each.rank, each.sourced_id)
    )
    links = _links(ordered)
    found = cluster(
        range(len(ordered)), links, lambda one, other: compare(ordered[one], ordered[other]).outcome == "different"
    )
    place = {key: position for position, members in enumerate(found) for key in members}
    held: dict[int, set[str]] = defaultdict(set)
    for (mine, theirs), evidence in links.items():
        if place[mine] == place[theirs]:
            held[place[mine]].update(evidence)
    told = [
        ([ordered[key] for key in sorted(members)], sorted(held[position])) for position, members in enumerate(found)
    ]
    return sorted(told, key=lambda each: (each[0][0].rank, each[0][0].sourced_id))


def _links(listings: Sequence[Listing]) -> dict[tuple[int, int], tuple[str, ...]]:
    """The pairs that are one business, by position, with what agrees; only pairs that share a block are looked at."""
    links: dict[tuple[int, int], tuple[str, ...]] = {}
    seen: set[int] = set()
    size = len(listings)
    blocks = _blocks(listings)
    glances = [_glance(each) for each in listings]
    for block in blocks:
        for at, mine in enumerate(block):
            glance = glances[mine]
            for theirs in block[at + 1 :]:
                if glance is not None and (other := glances[theirs]) is not None and _plainly_two(glance, other):
                    continue
                pair = mine * size + theirs
                if pair in seen:
                    continue
                seen.add(pair)
                verdict = compare(listings[mine], listings[theirs])
                if verdict.outcome == "same":
                    links[mine, theirs] = verdict.evidence
    return links


def _glance(each: Listing) -> _Glance | None:
    """The one local number and the house numbers of a listing; None for one that needs a closer look."""
    door = each.door
    if each.phone is None or each.toll_free or each.other_phones or door is None or door.span or not door.numbers:
        return None
    return each.phone, door.numbers


def _plainly_two(one: _Glance, other: _Glance) -> bool:
    """Whether number and house number both differ, as of nearly all pairs: what ``compare`` would say, at a glance."""
    return one[0] != other[0] and one[1].isdisjoint(other[1])


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


def _blocks(listings: Sequence[Listing]) -> list[list[int]]:
    """Positions within which pairs are compared: one phone, one domain, one house number in a ZIP code, one street and number in
    a town, or in one ZIP code the two rarest words of the name."""
    counted = Counter((zip5(each.zip_code), word) for each in listings for word in each.named.plain)
    blocks: dict[Hashable, list[int]] = defaultdict(list)
    for position, each in enumerate(listings):
        for key in _keys(each, counted):
            blocks[key].append(position)
    most = rules().thresholds.largest_block
    return [block for block in blocks.values() if 1 < len(block) <= most]


def _keys(each: Listing, counted: Mapping[tuple[str | None, str], int]) -> set[Hashable]:
    keys: set[Hashable] = set()
    code = zip5(each.zip_code)
    if each.phone:
        keys.add(each.phone)
        keys.update(each.other_phones)
    if each.domain:
        keys.update((("domain", each.domain, code), ("domain", each.domain, each.city)))
    door = each.door
    if door is not None and door.numbers:
        number = (
            min(door.numbers, key=lambda word: (len(word), word)) if len(door.numbers) > 1 else next(iter(door.numbers))
        )
        if door.zip_code:
            keys.add(("number", number, door.zip_code))
        if door.city:
            keys.update(("street", number, word, door.city) for word in door.words)
    rarest = sorted(set(each.named.plain), key=lambda word: (counted[code, word], word))
    keys.update(("name", code, word) for word in rarest[:2])
    return keys
