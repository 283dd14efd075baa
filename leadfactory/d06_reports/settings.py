"""The typed form of config/reports.yaml: grades, areas, metrics, checks and the plan. Decides nothing itself."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path
from typing import Literal

import pydantic

from leadfactory import yaml_config


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Grade(_Strict):
    """A letter, the score at which it begins, and what it means."""

    letter: str
    begins: int = pydantic.Field(alias="from", ge=0, le=100)
    means: str


class Area(_Strict):
    """A chapter of the report: the finding categories that it gathers and its share in the score."""

    id: str
    title: str
    categories: tuple[str, ...]
    weight: pydantic.PositiveInt
    page: bool = False
    lab: bool = False
    intro: str


class Shown(_Strict):
    """How a stored number is shown: divided, rounded half up to ``decimals``, with its unit."""

    title: str
    unit: str
    divide: pydantic.PositiveFloat
    decimals: pydantic.NonNegativeInt


class Metric(Shown):
    """A lab metric (``column`` of site_audits) and the same in field data, with the limits of good and poor."""

    column: str | None = None
    field: str | None = None
    field_divide: pydantic.PositiveFloat | None = None
    means: str
    good: float
    poor: float
    most: float


class Compared(Shown):
    """A measurement that is compared with the campaign's other sites."""

    column: str
    better: Literal["above", "below"]


class Limits(_Strict):
    """Where a Lighthouse score begins to be good and ends to be poor."""

    good: int
    poor: int


class Check(_Strict):
    """A yes/no fact of the home page, and the good answer."""

    fact: str
    label: str
    wanted: bool


class Impact(_Strict):
    """Severity times conversion weight from which the impact is high or medium."""

    high: float
    medium: float


class Phase(_Strict):
    """Days ``first`` to ``last`` of the plan and what is done in them."""

    first: pydantic.PositiveInt
    last: pydantic.PositiveInt
    title: str
    who: str
    effort: tuple[Literal["low", "medium", "high"], ...]
    most: pydantic.PositiveInt
    quick: bool = False


class ReportConfig(_Strict):
    """config/reports.yaml."""

    version: str
    as_of: dt.date
    penalty: dict[int, pydantic.NonNegativeInt]
    severity_names: dict[int, str]
    severity_means: dict[int, str]
    grades: tuple[Grade, ...] = pydantic.Field(min_length=1)
    areas: tuple[Area, ...] = pydantic.Field(min_length=1)
    metrics: tuple[Metric, ...]
    lighthouse: Limits
    checks: dict[str, tuple[Check, ...]]
    in_depth: pydantic.PositiveInt
    quick_wins: pydantic.PositiveInt
    impact: Impact
    cohort_at_least: pydantic.PositiveInt
    compared: tuple[Compared, ...]
    plan: tuple[Phase, ...]

    @pydantic.model_validator(mode="after")
    def _whole(self) -> ReportConfig:
        for name in ("penalty", "severity_names", "severity_means"):
            if set(getattr(self, name)) != {1, 2, 3, 4}:
                raise ValueError(f"{name} needs the levels 1, 2, 3 and 4")
        begins = [grade.begins for grade in self.grades]
        if begins != sorted(begins, reverse=True) or begins[-1] != 0:
            raise ValueError(f"grades from={begins}: the best first, the last from 0")
        unknown = set(self.checks) - {area.id for area in self.areas}
        if unknown:
            raise ValueError(f"checks names no area: {', '.join(sorted(unknown))}")
        return self


@functools.lru_cache(maxsize=4)
def config(path: Path | None = None) -> ReportConfig:
    """The checked content of config/reports.yaml, read once a process.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("reports", ReportConfig, path)
