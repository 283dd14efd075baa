"""The typed form of config/findings.yaml: every finding kind with its sources, thresholds and words. Decides nothing itself."""

from __future__ import annotations

import datetime as dt
import decimal
import functools
from pathlib import Path
from typing import Any, Literal

import pydantic

from leadfactory import yaml_config

Read = Literal["numeric", "items", "failed", "number", "true", "false", "zero", "years_behind", "release_below"]
_OF_AUDITS = {"numeric", "items", "failed"}
_NEEDS_NUMBER = {"numeric", "number", "years_behind"}


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where a kind's measurement comes from: Lighthouse audits, a Lighthouse category, or one of our own page facts."""

    audits: tuple[str, ...] = ()
    category: str | None = None
    fact: str | None = None
    read: Read | None = None
    scale: float = 1.0
    release: str | None = None
    when: dict[str, bool] = {}

    @pydantic.model_validator(mode="after")
    def _one_kind(self) -> Source:
        if sum((bool(self.audits), self.category is not None, self.fact is not None)) != 1:
            raise ValueError("needs exactly one of audits, category and fact")
        if self.category is None and (self.read is None or bool(self.audits) != (self.read in _OF_AUDITS)):
            raise ValueError(f"read={self.read!r} does not go with {'audits' if self.audits else 'a fact'}")
        if (self.read == "release_below") != (self.release is not None):
            raise ValueError("release goes with read: release_below")
        return self

    @property
    def gives_a_number(self) -> bool:
        """Whether a fault read here always has a number."""
        return self.category is not None or self.read in _NEEDS_NUMBER


class Kind(_Strict):
    """One thing that can be wrong. ``severity`` maps 1..4 to the value at which it begins; ``plain`` is for yes/no faults."""

    category: str
    sources: tuple[Source, ...]
    unit: str | None = None
    decimals: int = 0
    worse: Literal["above", "below"] = "above"
    severity: dict[int, float] = {}
    plain: int | None = None
    says: str | None = None
    says_one: str | None = None
    says_plain: str | None = None
    why: str
    fix: str
    quick: bool = False

    @pydantic.model_validator(mode="after")
    def _speakable(self) -> Kind:
        steps = [self.severity[level] for level in sorted(self.severity)]
        if sorted(steps, reverse=self.worse == "below") != steps or not set(self.severity) <= {1, 2, 3, 4}:
            raise ValueError(
                f"severity={self.severity}: levels 1 to 4, each further on the bad side than the one before"
            )
        if bool(self.severity) != (self.says is not None) or bool(self.severity) != (self.unit is not None):
            raise ValueError("severity, unit and says go together")
        if self.says is not None and self.says.count("{measured}") != 1:
            raise ValueError("says must hold {measured} once")
        if (self.plain is None) != (self.says_plain is None):
            raise ValueError("plain and says_plain go together")
        if self.plain is None and not all(source.gives_a_number for source in self.sources):
            raise ValueError("a source may give no number: add plain and says_plain")
        for text in (self.says_plain or "", self.says_one or "", self.why, self.fix):
            if any(character.isdigit() for character in text):
                raise ValueError(f"{text!r} holds a number that nobody measured")
        return self


class Catalogue(_Strict):
    """config/findings.yaml."""

    version: str
    as_of: dt.date
    audit_valid_days: pydantic.PositiveInt
    category_weights: dict[str, float]
    kinds: dict[str, Kind]

    @pydantic.model_validator(mode="after")
    def _weighted(self) -> Catalogue:
        unknown = sorted({kind.category for kind in self.kinds.values()} - set(self.category_weights))
        if unknown:
            raise ValueError(f"category_weights lacks {', '.join(unknown)}")
        return self


@functools.lru_cache(maxsize=4)
def catalogue(path: Path | None = None) -> Catalogue:
    """The checked content of config/findings.yaml, read once a process.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("findings", Catalogue, path)


def words(kind: str, measured: Any) -> tuple[str, str, str]:
    """What is wrong, why it matters and how to mend it, for the owner; the first with the number, where there is one.

    Raises:
        KeyError: for a kind that the catalogue no longer has.
    """
    known = catalogue().kinds[kind]
    if measured is None or known.says is None:
        return known.says_plain or known.why, known.why, known.fix
    number = shown(kind, measured)
    said = known.says_one if number == "1" and known.says_one else known.says.replace("{measured}", number)
    return said, known.why, known.fix


def shown(kind: str, measured: Any) -> str:
    """A measurement as the owner reads it: rounded half up to the kind's decimals, thousands apart."""
    places = catalogue().kinds[kind].decimals
    step = decimal.Decimal(1).scaleb(-places)
    number = decimal.Decimal(str(measured)).quantize(step, rounding=decimal.ROUND_HALF_UP)
    return f"{number:,.{places}f}"
