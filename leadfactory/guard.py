"""The guard of words: what a model, or a template, may not put before a customer. Pure, shared by insights and drafts.

It knows nothing about prompts: whatever a model was told to write, only what the measurements support passes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence

import pydantic

from leadfactory import yaml_config

_NUMBER = re.compile(r"(?<![\w.,])[#$€£]?\d+(?:[.,:]\d+)*")
_DIGIT_RUN = re.compile(r"\d+(?:[.,]\d+)*")
_LINK = re.compile(r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.|\]\(|\b(?:javascript|data|mailto|tel):)\S*", re.IGNORECASE)
_BARE_DOMAIN = re.compile(r"\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}\b(?:/\S*)?", re.IGNORECASE)
_ADDRESS = re.compile(r"\S+\s*(?:@|\(at\)|\[at\])\s*\S+", re.IGNORECASE)
_MARKUP = re.compile(r"<[a-z!/?]|&(?:[a-z]{2,8}|#\d+);|\{\{|\{%|```", re.IGNORECASE)
_INVISIBLE = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
_UNIT_CLASS = {
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "ms": "ms", "msec": "ms", "millisecond": "ms", "milliseconds": "ms",
    "minute": "minute", "minutes": "minute", "min": "minute", "hour": "hour", "hours": "hour", "day": "day", "days": "day",
    "week": "day", "weeks": "day", "month": "day", "months": "day", "year": "years", "years": "years",
    "kb": "KB", "kib": "KB", "mb": "MB", "mib": "MB", "megabytes": "MB", "gb": "GB",
    "%": "percent", "percent": "percent", "per": "percent", "x": "times", "times": "times", "fold": "times",
    "dollars": "money", "dollar": "money", "usd": "money", "euros": "money", "k": "thousands", "m": "millions",
    "visitors": "people", "customers": "people", "people": "people", "users": "people", "patients": "people", "guests": "people",
    "clients": "people", "sales": "people", "leads": "people", "calls": "people", "bookings": "people", "orders": "people",
    "images": "images", "pictures": "images", "photos": "images", "links": "links", "errors": "errors", "scripts": "scripts",
    "headings": "headings", "fields": "fields",
}  # fmt: skip
_NUMBER_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
    "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_VAGUE_AMOUNTS = re.compile(
    r"\b(?:hundreds?|thousands?|millions?|billions?|dozens?|half|halves|halved?|an? (?:third|quarter)|one (?:third|quarter)|twice|thrice|"
    r"doubles?|doubled|triples?|tripled|tenfold|percent|percentage)\b",
    re.IGNORECASE,
)


class _Entry(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    pattern: str
    weight: pydantic.PositiveInt


class Lexicon(pydantic.BaseModel):
    """config/guard.yaml."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    as_of: dt.date
    version: str
    spam_lexicon: tuple[_Entry, ...]
    punctuation_weights: dict[str, int]
    absolute_claims: tuple[str, ...]

    def spam(self, text: str) -> int:
        """The sum of the weights of what spam filters dislike in ``text``."""
        return spam_score(text, {each.pattern: each.weight for each in self.spam_lexicon}, self.punctuation_weights)


@functools.lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The checked content of config/guard.yaml, read once a process."""
    return yaml_config.load("guard", Lexicon)


@dataclasses.dataclass(frozen=True)
class Number:
    """A number that may be said: as it is shown, in which unit (None for a bare one), and the row it rests on."""

    shown: str
    unit: str | None
    source: str


@dataclasses.dataclass(frozen=True)
class Rules:
    """What is refused besides unsupported numbers. Texts in ``known`` (a domain, a name, a price) are ours and may appear."""

    absolute_claims: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    most_characters: int = 320
    least_characters: int = 1


def problems(text: str, numbers: Sequence[Number], rules: Rules) -> list[str]:
    """Why ``text`` may not be shown, each as a stable code with what broke it; empty when it may.

    Codes: ``length``, ``invisible_character``, ``markup``, ``mail_address``, ``link``, ``absolute_claim``,
    ``unsupported_number``, ``vague_amount``.
    """
    found = []
    if not rules.least_characters <= len(text) <= rules.most_characters:
        found.append(f"length: {len(text)} characters")
    if any(unicodedata.category(character) in _INVISIBLE for character in text):
        found.append("invisible_character")
    plain = without(unicodedata.normalize("NFKC", text), rules.known)
    if _MARKUP.search(plain):
        found.append("markup")
    if _ADDRESS.search(plain):
        found.append("mail_address")
    if _LINK.search(plain) or _BARE_DOMAIN.search(plain):
        found.append("link")
    claim = matches(rules.absolute_claims).search(_folded(plain)) if rules.absolute_claims else None
    if claim:
        found.append(f"absolute_claim: {claim[0].strip()}")
    return found + unsupported(plain, numbers)


def unsupported(text: str, numbers: Sequence[Number]) -> list[str]:
    """Numbers of ``text``, in digits or words, that no measurement supports, or that stand before another unit."""
    allowed: dict[str, set[str | None]] = {}
    for number in numbers:
        allowed.setdefault(_canonical(number.shown), set()).add(number.unit)
    found = []
    for match in _NUMBER.finditer(text):
        digits = _DIGIT_RUN.search(match[0])
        units = allowed.get(_canonical(digits[0] if digits else match[0]))
        said = _unit_said(match[0], text[match.end() :])
        if units is None or (said is not None and said not in units):
            found.append(f"unsupported_number: {match[0]}{'' if units is None else f' in another unit ({said})'}")
    leftovers = _NUMBER.sub(" ", text)
    found += [f"unsupported_number: {run}" for run in _DIGIT_RUN.findall(leftovers)]
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in _NUMBER_WORDS and str(_NUMBER_WORDS[word]) not in allowed:
            found.append(f"unsupported_number: {word}")
    vague = _VAGUE_AMOUNTS.search(text)
    if vague and not (vague[0].lower() == "percent" and "percent" in {n.unit for n in numbers}):
        found.append(f"vague_amount: {vague[0].lower()}")
    return found


def supported(text: str, numbers: Sequence[Number]) -> dict[str, str]:
    """Each number that ``text`` shows → the source it rests on; the provenance kept beside a mail."""
    by_number = {_canonical(number.shown): number.source for number in reversed(numbers)}
    shown = [run for match in _NUMBER.finditer(text) if (run := _DIGIT_RUN.search(match[0]))]
    return {run[0]: by_number[_canonical(run[0])] for run in shown if _canonical(run[0]) in by_number}


def without(text: str, known: Sequence[str]) -> str:
    """``text`` with every whole occurrence of a known text taken out, longest first.

    A domain inside a longer host, an address or a URL is no occurrence of it.
    """
    for each in sorted((k for k in known if k), key=len, reverse=True):
        if each.casefold() not in text.casefold():  # far cheaper than compiling an expression for every domain
            continue
        text = re.sub(rf"(?<![\w@./:-]){re.escape(each)}(?![\w@/-]|\.\w)", " ", text, flags=re.IGNORECASE)
    return text


@functools.lru_cache(maxsize=64)
def matches(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One expression for words and phrases at word borders; a final ``*`` stands for the rest of a word. Case is folded."""
    parts = []
    for pattern in patterns:
        stem = re.escape(_folded(pattern.rstrip("*"))).replace(r"\ ", r"\s+")
        parts.append(stem + (r"\w*" if pattern.endswith("*") else ""))
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)")


def _folded(text: str) -> str:
    return " ".join(text.casefold().replace("’", "'").split())


def _canonical(number: str) -> str:
    """1,055 and 1055 are one number, and so are 6.0 and 6."""
    plain = number.replace(",", "")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _unit_said(number: str, rest: str) -> str | None:
    """The unit that stands with a number in a text; None for a word that is no unit."""
    if number[0] in "$€£":
        return "money"
    if number[0] == "#":
        return "rank"
    if re.match(r"\s*(?:out of|/)\s*100\b", rest):
        return "score"
    word = re.match(r"[\s\u00a0-]*(%|[A-Za-z]+)", rest)
    return _UNIT_CLASS.get(word[1].lower()) if word else None


def spam_score(text: str, lexicon: Mapping[str, int], punctuation: Mapping[str, int]) -> int:
    """The sum of the weights of what spam filters dislike in ``text``; each entry counts once.

    Args:
        lexicon: word or phrase → weight; a final ``*`` stands for the rest of a word.
        punctuation: weights of double_exclamation, double_question and capitals_word.
    """
    folded = _folded(text)
    score = sum(weight for pattern, weight in lexicon.items() if _spam(pattern).search(folded))
    score += punctuation.get("double_exclamation", 0) * ("!!" in text)
    score += punctuation.get("double_question", 0) * ("??" in text)
    return score + punctuation.get("capitals_word", 0) * bool(re.search(r"\b[A-Z]{5,}\b", text))


@functools.lru_cache(maxsize=256)
def _spam(pattern: str) -> re.Pattern[str]:
    if pattern[:1].isalnum():
        return matches((pattern,))
    return re.compile(re.escape(_folded(pattern)))
