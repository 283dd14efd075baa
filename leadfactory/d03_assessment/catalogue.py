"""The typed form of config/findings.yaml: every finding kind with its sources, thresholds and words. Decides nothing itself."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import functools
from pathlib import Path
from typing import Any, Literal

import pydantic

from leadfactory import yaml_config

Read = Literal[
    "numeric", "items", "failed", "number", "true", "false", "zero", "years_behind", "release_below", "percentile"
]
Need = Literal["home", "pages", "site", "lighthouse", "field"]
Platform = Literal[
    "wordpress", "wix", "squarespace", "shopify", "godaddy", "weebly", "webflow", "joomla", "drupal", "duda"
]
Work = Literal["image", "text", "css", "html", "js", "server", "third_party", "architecture"]
Who = Literal["owner", "editor", "developer", "host"]
_OF_AUDITS: set[Any] = {"numeric", "items", "failed"}
_NEEDS_NUMBER = {"numeric", "number", "years_behind", "percentile"}
_READS = {
    "bool": {"true", "false"},
    "count": {"number", "zero"},
    "number": {"number"},
    "year": {"years_behind"},
    "version": {"release_below"},
    "text": set[str](),
}  # how a fact of a type may be read


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where a kind's measurement comes from: Lighthouse audits or a category, a metric of field data, or one of our own facts."""

    audits: tuple[str, ...] = ()
    category: str | None = None
    fact: str | None = None
    field: str | None = None
    read: Read | None = None
    scale: float = 1.0
    release: str | None = None
    when: dict[str, bool] = {}

    @pydantic.model_validator(mode="after")
    def _one_kind(self) -> Source:
        origins = {"audits": bool(self.audits), "category": self.category is not None, "field": self.field is not None,
                   "fact": self.fact is not None}  # fmt: skip
        if sum(origins.values()) != 1:
            raise ValueError("needs exactly one of audits, category, field and fact")
        origin = next(name for name, given in origins.items() if given)
        reads: dict[str, set[Any]] = {"audits": _OF_AUDITS, "category": {None}, "field": {"percentile"}}
        fits = self.read in reads[origin] if origin in reads else any(self.read in each for each in _READS.values())
        if not fits:
            raise ValueError(f"read={self.read!r} does not go with {origin}")
        if (self.read == "release_below") != (self.release is not None):
            raise ValueError("release goes with read: release_below")
        return self

    @property
    def gives_a_number(self) -> bool:
        """Whether a fault read here always has a number."""
        return self.category is not None or self.read in _NEEDS_NUMBER


class FactType(_Strict):
    """One fact of our own measurement: its type, which part of the crawl tells it, its unit and its meaning."""

    type: Literal["bool", "count", "number", "year", "version", "text"]
    of: Literal["home", "pages", "site"]
    unit: str | None = None
    means: str = pydantic.Field(min_length=10)


class EffortScale(_Strict):
    """Points of a kind of work, times who does it; levels begin at ``medium`` and ``high``."""

    points: dict[Work, pydantic.PositiveInt]
    who: dict[Who, pydantic.PositiveFloat]
    medium: pydantic.PositiveFloat
    high: pydantic.PositiveFloat


class Task(_Strict):
    """What kind of work mending is, and whose."""

    work: Work
    who: Who


class Crawl(_Strict):
    """How far our own crawl of a website goes: counts of pages, links, images and hops."""

    key_pages: pydantic.NonNegativeInt
    link_checks: pydantic.NonNegativeInt
    image_checks: pydantic.NonNegativeInt
    redirects: pydantic.PositiveInt


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much work mending a finding is: ``points`` 2 to 13, its level, and who has to do it."""

    points: float
    level: Literal["low", "medium", "high"]
    who: str


class Kind(_Strict):
    """One thing that can be wrong. ``severity`` maps 1..4 to the value at which it begins; ``plain`` is for yes/no faults."""

    category: str
    definition: str = pydantic.Field(min_length=40)
    effort: Task
    conversion: float | None = pydantic.Field(None, gt=0, le=1)
    verticals: tuple[str, ...] = ()
    sources: tuple[Source, ...] = pydantic.Field(min_length=1)
    unit: str | None = None
    decimals: int = 0
    worse: Literal["above", "below"] = "above"
    severity: dict[int, float] = {}
    plain: int | None = pydantic.Field(None, ge=1, le=4)
    says: str | None = None
    says_one: str | None = None
    says_plain: str | None = None
    why: str
    fix: str
    fix_on: dict[Platform, str] = {}
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
        if self.quick and (self.effort.who not in ("owner", "editor") or self.effort.work not in ("text", "image")):
            raise ValueError(f"quick: {self.effort.work} by the {self.effort.who} is not mended in minutes")
        for text in (self.says_plain or "", self.says_one or "", self.why, self.fix, *self.fix_on.values()):
            if any(character.isdigit() for character in text):
                raise ValueError(f"{text!r} holds a number that nobody measured")
        return self


class Catalogue(_Strict):
    """config/findings.yaml."""

    version: str
    as_of: dt.date
    audit_valid_days: pydantic.PositiveInt
    day_open_days: pydantic.PositiveInt
    category_weights: dict[str, float]
    effort: EffortScale
    crawl: Crawl
    facts: dict[str, FactType]
    kinds: dict[str, Kind]

    @pydantic.model_validator(mode="after")
    def _weighted(self) -> Catalogue:
        unknown = sorted({kind.category for kind in self.kinds.values()} - set(self.category_weights))
        if unknown:
            raise ValueError(f"category_weights lacks {', '.join(unknown)}")
        return self

    @pydantic.model_validator(mode="after")
    def _of_known_facts(self) -> Catalogue:
        for name, kind in self.kinds.items():
            for source in kind.sources:
                where = f"kinds.{name}.sources: fact={source.fact!r}"
                if source.fact is not None and source.fact not in self.facts:
                    raise ValueError(f"{where} is no key of facts")
                if source.fact is not None and source.read not in _READS[self.facts[source.fact].type]:
                    raise ValueError(
                        f"{where} is {self.facts[source.fact].type}, which read={source.read!r} cannot read"
                    )
                wrong = [each for each in source.when if each not in self.facts or self.facts[each].type != "bool"]
                if wrong:
                    raise ValueError(f"kinds.{name}.sources: when={wrong[0]!r} is no yes/no key of facts")
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


def fix(kind: str, platform: str | None = None) -> str:
    """How to mend a finding: on ``platform`` where the catalogue knows the place, else in general.

    Raises:
        KeyError: for a kind that the catalogue no longer has.
    """
    known = catalogue().kinds[kind]
    return {str(name): text for name, text in known.fix_on.items()}.get(platform or "", known.fix)


def effort(kind: str) -> Effort:
    """How much work mending a finding is and whose: points of the work times those of who does it."""
    scale, task = catalogue().effort, catalogue().kinds[kind].effort
    points = round(scale.points[task.work] * scale.who[task.who], 1)
    level: Literal["low", "medium", "high"] = (
        "high" if points >= scale.high else "medium" if points >= scale.medium else "low"
    )
    return Effort(points, level, task.who)


def conversion_weight(kind: str) -> float:
    """How much the fault weighs on whether a visitor becomes a customer, 0 to 1: its own weight, else its category's."""
    known = catalogue().kinds[kind]
    return known.conversion if known.conversion is not None else catalogue().category_weights[known.category]


def needs(kind: str) -> tuple[Need, ...]:
    """The measurements that can tell a kind, in the order in which they are tried."""
    found: list[Need] = []
    for source in catalogue().kinds[kind].sources:
        if source.fact is not None:
            found.append(catalogue().facts[source.fact].of)
        else:
            found.append("field" if source.field is not None else "lighthouse")
    return tuple(dict.fromkeys(found))


def applies(kind: str, vertical: str | None) -> bool:
    """Whether a kind is judged for a business of ``vertical``; a kind of some verticals is not when the vertical is unknown."""
    only = catalogue().kinds[kind].verticals
    return not only or vertical in only


def shown(kind: str, measured: Any) -> str:
    """A measurement as the owner reads it: rounded half up to the kind's decimals, thousands apart."""
    places = catalogue().kinds[kind].decimals
    step = decimal.Decimal(1).scaleb(-places)
    number = decimal.Decimal(str(measured)).quantize(step, rounding=decimal.ROUND_HALF_UP)
    return f"{number:,.{places}f}"
