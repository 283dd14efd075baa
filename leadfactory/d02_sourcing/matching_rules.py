"""The typed form of config/matching.yaml: thresholds and word lists by which listings are compared."""

from __future__ import annotations

import datetime as dt
import functools

import pydantic

from leadfactory import yaml_config


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Thresholds(_Strict):
    """Distances in metres, words in letters, blocks in listings."""

    far_m: float = pydantic.Field(gt=0)
    near_m: float = pydantic.Field(gt=0)
    touching_m: float = pydantic.Field(gt=0)
    metro_m: float = pydantic.Field(gt=0)
    largest_block: int = pydantic.Field(ge=10)
    typo_from: int = pydantic.Field(ge=3)
    two_typos_from: int = pydantic.Field(ge=5)


class MatchingRules(_Strict):
    """config/matching.yaml; ``trade_of`` says which trades a word belongs to ("any" fits all)."""

    as_of: dt.date
    thresholds: Thresholds
    noise: frozenset[str]
    also_known: frozenset[str]
    name_words: dict[str, str]
    numbers: dict[str, str]
    trades: dict[str, tuple[str, ...]]
    departments: frozenset[str]
    street_suffixes: dict[str, str]
    directions: dict[str, str]
    roads: frozenset[str]
    units: frozenset[str]
    street_aliases: dict[str, str]
    hosts: frozenset[str]
    toll_free: frozenset[str]
    shared_hosts: frozenset[str]

    @functools.cached_property
    def trade_of(self) -> dict[str, frozenset[str]]:
        """Word of a trade → the trades that it belongs to."""
        found: dict[str, set[str]] = {}
        for trade, words in self.trades.items():
            for word in words:
                found.setdefault(word, set()).add(trade)
                found.setdefault(stem(word), set()).add(trade)
        return {word: frozenset(trades) for word, trades in found.items()}

    @functools.cached_property
    def department_stems(self) -> frozenset[str]:
        """Words that name a part of a business, as names are compared."""
        return frozenset(stem(self.name_words.get(word, word)) for word in self.departments)

    @functools.cached_property
    def alias_beginnings(self) -> frozenset[str]:
        """First words of street names that are also written in another way: without one there is nothing to look for."""
        return frozenset(said.partition(" ")[0] for said in self.street_aliases)

    @functools.cached_property
    def known_forms(self) -> dict[str, str]:
        """Word of a name → the form in which it is compared: abbreviations written out, numbers as digits."""
        return {word: stem(said) for word, said in (self.name_words | self.numbers).items()}


@functools.lru_cache(maxsize=1)
def rules() -> MatchingRules:
    """The checked content of the file.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("matching", MatchingRules)


def stem(word: str) -> str:
    """A word without its plural or possessive: ``nails`` and ``nail``, ``joes`` and ``joe``, ``bodies`` and ``body``."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@functools.lru_cache(maxsize=100_000)
def zip5(zip_code: str | None) -> str | None:
    """Five digits; a spreadsheet's lost leading zero is put back."""
    digits = (zip_code or "").strip().partition("-")[0].strip()
    if not digits:
        return None
    return digits.zfill(5) if digits.isdecimal() and 3 <= len(digits) <= 5 else digits[:5].lower()
