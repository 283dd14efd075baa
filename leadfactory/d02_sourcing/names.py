"""What a business's name says, taken apart for comparison, and how alike two names are. Pure; words are in matching.yaml."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable

from rapidfuzz.distance import OSA

from leadfactory.d02_sourcing.matching_rules import rules, stem
from leadfactory.keyed_hashes import normalise_name

SAME, INSIDE, TOUCHING, APART = "same", "inside", "touching", "apart"
_MARKUP = re.compile(r"<[^>]*>")
_NUMBER = re.compile(r"(?:#|\bno\.?|\bstore|\bunit|\blocation|\bshop)\s*#?\s*(\d{1,6})\b", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_SPLIT = re.compile(r"(?<=\w)\s+(?:at|@)\s+(?=\w)|[()\[\]]|\s[-–—|·@]\s|\s/\s|:\s")
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.){2,}[A-Za-z]?")


@dataclasses.dataclass(frozen=True)
class Name:
    """``core``: the words that tell businesses apart; ``trade``: words of the trade; ``number``: of a store in a chain.

    ``others`` are further names that the business goes by ("… dba …"), ``label`` what follows a dash: a quarter or a slogan. ``plain`` is every telling word in order.
    """

    plain: tuple[str, ...]
    core: frozenset[str]
    trade: frozenset[str]
    number: str | None
    others: tuple[Name, ...] = ()
    label: tuple[str, ...] = ()

    @functools.cached_property
    def squeezed(self) -> str:
        """All telling words without a space: ``barber shop`` and ``barbershop`` are one."""
        return "".join(self.plain)


@functools.lru_cache(maxsize=300_000)
def parse(name: str, city: str | None = None) -> Name:
    """A name taken apart. The town, legal forms and titles are left out, unless nothing else is left."""
    known = rules()
    text = _MARKUP.sub(" ", name) if "<" in name else name
    if "." in text:
        text = _INITIALS.sub(lambda found: found[0].replace(".", ""), text)
    number = _NUMBER.search(text) if _DIGIT.search(text) else None
    if number:
        text = _NUMBER.sub(" ", text)
    parts = [part for part in _SPLIT.split(text) if part and part.strip()] or [text]
    head, *tails = parts
    head_words = normalise_name(head).split()
    named: list[list[str]] = [[]]
    for word in head_words:
        if word in known.also_known and named[-1]:
            named.append([])
        else:
            named[-1].append(word)
    label: tuple[str, ...] = ()
    town = _town(city)
    for tail in tails:  # "(formerly Joe's)" is another name, "- Chelsea" says which branch or is a slogan
        words = normalise_name(tail).split()
        if words and words[0] in known.also_known:
            named.append(words[1:])
        elif not label:
            label = tuple(word for word in words if word not in town)
    made = [each for each in (_of(words, town, number[1] if number else None) for words in named if words) if each]
    first = (
        made[0] if made else _of(normalise_name(text).split(), town, None) or Name((), frozenset(), frozenset(), None)
    )
    return dataclasses.replace(first, others=tuple(made[1:]), label=label) if label or len(made) > 1 else first


@functools.lru_cache(maxsize=50_000)
def _town(city: str | None) -> frozenset[str]:
    return frozenset(normalise_name(city or "").split())


def likeness(one: Name, other: Name) -> str:
    """How two names stand: ``same``, ``inside`` (one holds the other), ``touching`` (they share a telling word), ``apart``."""
    best = APART
    for mine in (one, *one.others):
        for theirs in (other, *other.others):
            if one.others and other.others and mine is one and theirs is other:
                continue  # two trade names of one company are told apart by the trade names
            found = _likeness(mine, theirs)
            if found == SAME:
                return SAME
            best = min(best, found, key=(SAME, INSIDE, TOUCHING, APART).index)
    return best


def comparable(one: Name, other: Name) -> bool:
    """Whether two names are written in one script: 北京楼 and Beijing Lou say nothing of each other."""
    return _latin(one) == _latin(other)


def _latin(name: Name) -> bool:
    return any(letter.isascii() and letter.isalpha() for letter in name.squeezed)


def trades_clash(one: Name, other: Name) -> bool:
    """Whether both names tell their trade and the trades have nothing in common."""
    mine, theirs = _trades(one.trade), _trades(other.trade)
    return bool(mine) and bool(theirs) and mine.isdisjoint(theirs)


def has_branch_sign(one: Name, other: Name) -> bool:
    """Whether a store number or a word behind the name tells branches apart."""
    return bool(one.number or other.number or one.label or other.label)


def is_department(one: Name, other: Name) -> bool:
    """Whether one name is the other's with a word of a department or a machine more ("Walmart", "Walmart Pharmacy")."""
    mine, theirs = set(one.plain), set(other.plain)
    more = (mine - theirs) or (theirs - mine)
    if not more or not (mine <= theirs or theirs <= mine):
        return False
    return not more.isdisjoint(rules().department_stems)


def _likeness(one: Name, other: Name) -> str:
    if not one.plain or not other.plain:
        return APART
    if one.number and other.number and one.number != other.number:
        return APART
    if one.plain == other.plain or one.squeezed == other.squeezed:
        return SAME
    if trades_clash(one, other):
        return APART
    mine, theirs = _unpaired(one.core, other.core)
    mine = [word for word in mine if not any(_one_word(word, each) for each in other.trade - one.trade)]
    theirs = [word for word in theirs if not any(_one_word(word, each) for each in one.trade - other.trade)]
    if not mine and not theirs:
        return SAME if one.core or _same_words(one, other) else TOUCHING
    if (
        _one_word(one.squeezed, other.squeezed)
        and min(len(one.squeezed), len(other.squeezed)) > 2 * rules().thresholds.typo_from
    ):
        return SAME
    if _initials(one, other):
        return INSIDE
    paired = len(one.core) - len(mine)
    if paired and (not mine or not theirs):
        return INSIDE
    return TOUCHING if paired else APART


def _same_words(one: Name, other: Name) -> bool:
    """Names of nothing but trade words ("Family Dental Care") are one only when they hold the same words."""
    mine, theirs = _unpaired(frozenset(one.plain), frozenset(other.plain))
    return not mine and not theirs


def _unpaired(mine: frozenset[str], theirs: frozenset[str]) -> tuple[list[str], list[str]]:
    """The words of each side that the other has not, even with a typing error or abbreviated."""
    left, right = sorted(mine - theirs), sorted(theirs - mine)
    for word in list(left):
        twin = next((each for each in right if _one_word(word, each)), None)
        if twin is not None:
            left.remove(word)
            right.remove(twin)
    for rest, against in ((left, right), (right, left)):  # "green wood" and "greenwood"
        joined = "".join(rest)
        pieces = {"".join(order) for order in ((a, b) for a in rest for b in rest if a != b)} | {joined}
        for word in list(against):
            if word in pieces and len(rest) == 2:
                against.remove(word)
                rest.clear()
                break
    return left, right


@functools.lru_cache(maxsize=200_000)
def _one_word(one: str, other: str) -> bool:
    """Whether two words are one: a typing error apart, or one abbreviates the other. Numbers must be equal."""
    if one == other:
        return True
    if any(letter.isdigit() for letter in one + other):
        return False
    short, long = sorted((one, other), key=lambda word: (len(word), word))
    limits = rules().thresholds
    allowed = 2 if len(short) >= limits.two_typos_from else 1 if len(short) >= limits.typo_from else 0
    if allowed and len(long) - len(short) <= allowed and OSA.distance(short, long, score_cutoff=allowed) <= allowed:
        return short[0] == long[0] or len(short) > limits.typo_from
    return abbreviates(short, long)


def abbreviates(short: str, long: str) -> bool:
    """Whether ``short`` is ``long`` with letters left out: its beginning, or its consonants ("plmbng", "boul")."""
    if not 2 < len(short) < len(long) - 1 or short[0] != long[0]:
        return False
    if long.startswith(short):
        return len(short) >= 3 and len(long) >= 6
    letters = iter(long)
    vowels = sum(letter in "aeiou" for letter in short[1:-1])
    return all(letter in letters for letter in short) and vowels <= 1 and short[-1] in long[-3:]


def _initials(one: Name, other: Name) -> bool:
    """Whether one name is the other's first letters ("nyfd" for "New York Family Dental")."""
    short, long = sorted((one, other), key=lambda name: len(name.plain))
    word = short.plain[0]
    letters = "".join(each[0] for each in long.plain)
    return (
        len(word) >= 3
        and len(long.plain) >= 3
        and (word == letters or (len(short.plain) > 1 and letters.startswith(word)))
    )


@functools.lru_cache(maxsize=20_000)
def trades_of_category(category: str) -> frozenset[str]:
    """The trades that a source's word for a category speaks of: ``musicalinstrumentservices``, ``auto_repair``."""
    word = category.lower()
    known = rules().trade_of
    found = {trade for each, trades in known.items() if len(each) > 3 and each in word for trade in trades}
    return frozenset(found - {"any"})


def categories_clash(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether two sources file two listings under nothing alike; not known when either says nothing."""
    if not mine or not theirs:
        return False
    if any(a[:5].lower() == b[:5].lower() for a in mine for b in theirs):
        return False
    one, other = ({trade for each in side for trade in trades_of_category(each)} for side in (mine, theirs))
    return one.isdisjoint(other)


def is_host(name: Name, categories: frozenset[str]) -> bool:
    """Whether a business houses others: a hotel, a mall, a co-working house."""
    hosts = rules().hosts
    return not hosts.isdisjoint(name.plain) or any(
        stem(each.lower()) in hosts or each.lower() in hosts for each in categories
    )


def _trades(words: Iterable[str]) -> set[str]:
    known = rules().trade_of
    return {trade for word in words for trade in known[word]} - {"any"}


def _of(words: list[str], town: frozenset[str], number: str | None) -> Name | None:
    """The parts of one name from its words, or None when there is no word."""
    known = rules()
    bare = [word for word in _joined_initials(words) if word not in known.noise] or words
    local = [word for word in bare if word not in town] or bare
    plain = tuple(known.known_forms.get(word) or stem(word) for word in local)
    if not plain:
        return None
    trade = frozenset(word for word in plain if word in known.trade_of)
    return Name(plain, frozenset(plain) - trade, trade, number)


def _joined_initials(words: list[str]) -> list[str]:
    """``a b c plumbing`` as ``abc plumbing``."""
    if all(len(word) > 1 for word in words):
        return words
    made: list[str] = []
    run = ""
    for word in [*words, ""]:
        if len(word) == 1 and word.isalpha() and word.isascii():
            run += word
            continue
        if run:
            made.append(run)
            run = ""
        if word:
            made.append(word)
    return made
