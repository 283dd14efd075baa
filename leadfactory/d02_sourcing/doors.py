"""A street address taken apart for comparison, and whether two of them are one door. Pure; words are in matching.yaml."""

from __future__ import annotations

import dataclasses
import functools
import re

from leadfactory.d02_sourcing.matching_rules import rules, zip5
from leadfactory.d02_sourcing.names import _one_word, abbreviates
from leadfactory.keyed_hashes import normalise_name

_BOX = re.compile(r"\b(?:p\.?\s*o\.?|lock|caller|rr\s*\d+|hc\s*\d+)\s*(?:box|bx)\s*#?\s*(\w+)", re.IGNORECASE)
_RANGE = re.compile(r"^(\d+)\s*[-–]\s*(\d+)([a-z]?)\b")
_GLUED = re.compile(r"^(\d+)\s*[-–]\s*([a-z])\b")
_NUMBER = re.compile(r"^(\d+)([a-z]?)$")
_DASHED_UNIT = re.compile(r"(?<=[\s#])([a-z])\s*-\s*(\d+)\b")  # suite "C-170"
_SIDE = re.compile(r"\b([ns])\.?\s?([ew])\b\.?(?!')")
_MISREAD = re.compile(r"^[0-9][0-9oil]*$")
_READ_AS = str.maketrans("oil", "011")
_HALF = re.compile(r"\b1/2\b|½")
_ORDINAL = re.compile(r"^(\d+)(?:st|nd|rd|th)$")


@dataclasses.dataclass(frozen=True)
class Door:
    """``numbers``: every way to write the house number; ``words``: the street's own; ``kinds``: street, avenue …; ``sides``: n, sw …"""

    numbers: frozenset[str]
    span: tuple[int, int] | None
    words: frozenset[str]
    kinds: frozenset[str]
    sides: frozenset[str]
    unit: str | None
    zip_code: str | None
    city: str | None
    state: str | None
    box: str | None = None


@functools.lru_cache(maxsize=300_000)
def parse(street: str | None, zip_code: str | None, city: str | None = None, state: str | None = None) -> Door | None:
    """An address taken apart; None without a street, or without a ZIP code or town to place it in."""
    if not street or not street.strip() or not (zip_code or city):
        return None
    code, town = zip5(zip_code), _town(city)
    region = (state or "").strip().upper() or None
    empty: frozenset[str] = frozenset()
    line = street.casefold()
    box = _BOX.search(line) if "box" in line or "bx" in line else None
    if box:
        return Door(empty, None, empty, empty, empty, None, code, town, region, box[1].lower())
    line = _HALF.sub(" half ", line).replace("#", " # ") if "/" in line or "½" in line or "#" in line else line
    line = line.strip()
    if "-" in line or "–" in line:
        line = _DASHED_UNIT.sub(r"\1\2", _GLUED.sub(r"\1\2", line))
    span = _RANGE.match(line)
    line = _SIDE.sub(r"\1\2", line[span.end() :] if span else line)
    words = normalise_name(line.replace("#", " numbersign ")).split()
    unit, words = _unit(["#" if word == "numbersign" else word for word in words])
    unit, words = _trailing_unit(unit, words)
    numbers: frozenset[str] = empty
    reach = None
    if span:
        low, high = int(span[1]), int(span[2])
        numbers = frozenset({span[1] + span[2], *({span[1]} if high > low else ())})
        reach = (low, high) if high > low and high - low < 200 else None
        unit = unit or (span[3] or None)
    elif words:
        if _MISREAD.match(words[0]):
            words[0] = words[0].translate(_READ_AS)  # "2I4", "1O"
        spelt = rules().numbers.get(words[0], words[0]) if len(words) > 1 else words[0]
        found = _NUMBER.match(spelt)
        if found:
            numbers, words = frozenset({found[1]}), words[1:]
            unit = unit or found[2] or None
    if words[:1] == ["half"]:
        numbers, words = frozenset(number + "half" for number in numbers), words[1:]
    return _placed(numbers, reach, words, unit, (code, town, region))


def same_door(one: Door | None, other: Door | None) -> bool | None:
    """Whether two addresses are one door: False for another number, street or unit, None when it cannot be known."""
    if one is None or other is None:
        return None
    if one.box or other.box:
        return None  # a box is no door
    if one.numbers and other.numbers and not _one_number(one, other):
        return False
    place = _one_place(one, other)
    if place is False:
        return False
    if not one.numbers or not other.numbers:
        return None  # "I-40 Exit 79", "Largo Plaza": no number to compare
    street = _one_street(one, other)
    if not street:
        return street
    if one.unit and other.unit and not _one_unit(one.unit, other.unit):
        return False
    return True if place else None


def units_differ(one: Door | None, other: Door | None) -> bool:
    """Whether the house is the same and only the suites are not."""
    if one is None or other is None or not (one.unit and other.unit):
        return False
    bare = dataclasses.replace(one, unit=None), dataclasses.replace(other, unit=None)
    return same_door(*bare) is True


def same_number(one: Door | None, other: Door | None) -> bool:
    """Whether house number and town agree and only the road's name does not: "US 1" and "Federal Highway" are one."""
    if (
        one is None
        or other is None
        or not one.numbers
        or not other.numbers
        or (one.sides and other.sides and one.sides != other.sides)
    ):
        return False
    named = [{word for word in door.words if word.isdecimal()} for door in (one, other)]
    if named[0] and named[1] and named[0] != named[1]:
        return False  # 30th is not 31st
    return _one_number(one, other) and _one_place(one, other) is True


def one_street(one: Door | None, other: Door | None) -> bool:
    """Whether two addresses lie on the same street of a town."""
    return one is not None and other is not None and _one_street(one, other) is True and _one_place(one, other) is True


def _one_unit(one: str, other: str) -> bool:
    """``c170`` and ``170`` are one suite, ``a`` and ``b`` two."""
    if one == other:
        return True
    mine, theirs = re.sub(r"[^0-9]", "", one), re.sub(r"[^0-9]", "", other)
    lettered = one[:1].isalpha() and other[:1].isalpha()
    return bool(mine) and mine == theirs and not lettered


def number_mistyped(one: Door | None, other: Door | None) -> bool:
    """Whether two addresses differ in one slip of the house number only: 132 for 123, 1238 for 123."""
    if one is None or other is None or not one.numbers or not other.numbers or not _one_street(one, other):
        return False
    mine, theirs = min(one.numbers), min(other.numbers)
    short, long = sorted((mine, theirs), key=len)
    dropped = any(long[:spot] + long[spot + 1 :] == short for spot in range(len(long)))
    slip = sorted(mine) == sorted(theirs) or dropped
    return slip and abs(len(mine) - len(theirs)) <= 1 and _one_place(one, other) is True


def _one_place(one: Door, other: Door) -> bool | None:
    """Whether two addresses are in one town: by ZIP code, else by the town's name; None when that is open."""
    if one.state and other.state and one.state != other.state:
        return False
    if one.zip_code and other.zip_code and one.zip_code == other.zip_code:
        return True
    towns = None if not (one.city and other.city) else one.city == other.city or _one_word(one.city, other.city)
    if one.zip_code and other.zip_code:
        if one.zip_code[:3] != other.zip_code[:3] and not towns:
            return False
        return None
    return True if towns else None if towns is None else False


def _one_street(one: Door, other: Door) -> bool | None:
    """None when one side has no street to compare ("One Liberty Plaza" against nothing)."""
    if one.sides and other.sides and one.sides != other.sides:
        return False
    if one.words == other.words and one.kinds == other.kinds:
        return True
    left, right = set(one.words - other.words), set(other.words - one.words)
    my_kinds, their_kinds = set(one.kinds - other.kinds), set(other.kinds - one.kinds)
    for word in sorted(left):
        twin = next(
            (each for each in sorted(right | their_kinds) if _one_word(word, each) or abbreviates(word, each)), None
        )
        if twin is not None:
            left.discard(word)
            right.discard(twin)
            their_kinds.discard(twin)
    for word in sorted(right):
        twin = next((each for each in sorted(my_kinds) if _one_word(word, each) or abbreviates(word, each)), None)
        if twin is not None:
            right.discard(word)
            my_kinds.discard(twin)
    if left and right and "".join(sorted(left)) != "".join(sorted(right)):
        return False
    if left or right:
        rest = left or right
        joined = "".join(one.words) if len(one.words) == 1 else "".join(other.words)
        if not all(word in joined for word in rest):
            return False if one.words and other.words else None
    return not (one.kinds and other.kinds and my_kinds and their_kinds)


def _one_number(one: Door, other: Door) -> bool:
    if not one.numbers.isdisjoint(other.numbers):
        return True
    for span, numbers in ((one.span, other.numbers), (other.span, one.numbers)):
        if span and any(each.isdecimal() and span[0] <= int(each) <= span[1] for each in numbers):
            return True
    return False


def _unit(words: list[str]) -> tuple[str | None, list[str]]:
    """The suite or floor of an address, and the words without it."""
    known = rules().units
    for position, word in enumerate(words):
        following = words[position + 1 :]
        ordinal = _ORDINAL.match(word)
        if ordinal and following and following[0] in {"floor", "fl", "flr", "level"}:
            return ordinal[1], words[:position] + following[1:]
        if word not in known or (position == 0 and word != "#" and not (following and following[0][:1].isdigit())):
            continue
        while following and following[0] in known:
            following = following[1:]
        if following and (
            following[0][:1].isdigit()
            or len(following[0]) == 1
            or word in {"suite", "ste", "unit", "apt", "#", "space"}
        ):
            unit = following[0].lstrip("0") or "0"
            return unit, words[:position] + following[1:]
    return None, words


def _trailing_unit(unit: str | None, words: list[str]) -> tuple[str | None, list[str]]:
    """What follows the kind of street and ends in a number is a suite, whatever it is called ("… Street Ofc 14")."""
    known = rules()
    behind = [word for word in words[:-1] if word not in known.directions]
    if (
        unit is None
        and len(behind) > 2
        and re.fullmatch(r"[a-z]?\d+", words[-1])
        and behind[-1] in known.street_suffixes
    ):
        return words[-1], words[:-1]
    named = len(words) > 4 and words[-3] in known.street_suffixes and words[-2] not in known.roads
    if unit is None and named and words[-1][0].isdigit():
        return words[-1], words[:-2]
    return unit, words


def _placed(
    numbers: frozenset[str], span: tuple[int, int] | None, words: list[str], unit: str | None, place: tuple[str | None, str | None, str | None]
) -> Door:  # fmt: skip
    known = rules()
    if not known.alias_beginnings.isdisjoint(words):
        words = _aliases().sub(lambda found: known.street_aliases[found[0]], " ".join(words)).split()
    own: list[str] = []
    kinds: set[str] = set()
    sides: set[str] = set()
    for position, word in enumerate(words):
        last = position == len(words) - 1
        if word in known.directions and (position == 0 or last) and len(words) > 1:
            sides.add(known.directions[word])
        elif word in known.street_suffixes and position > 0 and _ends_here(words, position):
            kinds.add(known.street_suffixes[word])
        else:
            own.append(_ordinary(word))
    if sides and own and not kinds and all(word in known.street_suffixes for word in own):
        kinds = {known.street_suffixes[word] for word in own}  # "South St", "S St": the side is the street's name
        own, sides = sorted(sides), set()
    if (
        len(own) > 1
        and any(word.isdecimal() for word in own)
        and any(word in known.roads or len(word) == 2 for word in own)
    ):
        own = [word for word in own if word not in known.roads and not (len(word) == 2 and word.isalpha())] or own
        kinds.discard("road")
    return Door(numbers, span, frozenset(own), frozenset(kinds), frozenset(sides), unit, *place)


@functools.lru_cache(maxsize=1)
def _aliases() -> re.Pattern[str]:
    """Finds every street name that is also written in another way, the longest first."""
    said = sorted(rules().street_aliases, key=len, reverse=True)
    return re.compile(rf"(?:^|(?<= ))(?:{'|'.join(map(re.escape, said))})(?=$| )")


def _ends_here(words: list[str], position: int) -> bool:
    """Whether only kinds and sides of the street follow, and more than a side came before ("E St" is a street called E)."""
    known = rules()
    ends = all(each in known.street_suffixes or each in known.directions for each in words[position:])
    return ends and any(each not in known.directions for each in words[:position])


def _ordinary(word: str) -> str:
    """``30th``, ``thirtieth`` as far as we know the word, and ``30`` are one street."""
    ordinal = _ORDINAL.match(word)
    return ordinal[1] if ordinal else rules().numbers.get(word, word)


@functools.lru_cache(maxsize=50_000)
def _town(city: str | None) -> str | None:
    return " ".join(normalise_name(city or "").split()) or None
