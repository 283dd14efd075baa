"""The typed form of a scoring rule file (config/scoring.yaml): signals, shapes, weights, tiers and the gate. No expressions."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from leadfactory import yaml_config
from leadfactory.d01_targeting.verticals import verticals
from leadfactory.d05_scoring import signals
from leadfactory.d05_scoring.signals import Reading, Signal, Value
from leadfactory.d05_scoring.versions import RULES

Tier = Literal["A", "B", "C", "D"]
TIERS: tuple[Tier, ...] = ("A", "B", "C", "D")
Unit = Annotated[float, pydantic.Field(ge=0, le=1)]
Weight = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
Number = Annotated[float, pydantic.Field(allow_inf_nan=False)]
MustHave = Literal["contact_email", "own_phone", "own_name"]


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Linear(_Strict):
    """Nothing at ``zero_at``, everything at ``one_at``, straight between them."""

    zero_at: Number
    one_at: Number

    def points(self, value: float) -> float:
        """0 to 1."""
        return min(1.0, max(0.0, (value - self.zero_at) / (self.one_at - self.zero_at)))


class Shape(_Strict):
    """How a value becomes points of 0 to 1: exactly one of the four, the one that fits the signal.

    ``steps`` are [threshold, points]: a rising signal reaches a step from its threshold upwards, a falling one from there down.
    """

    linear: Linear | None = None
    steps: tuple[tuple[Number, Unit], ...] | None = None
    flag: tuple[Unit, Unit] | None = pydantic.Field(None, description="points for no and for yes")
    levels: dict[str, Unit] | None = None

    @property
    def given(self) -> list[str]:
        """Which of the four there are."""
        return [name for name in ("linear", "steps", "flag", "levels") if getattr(self, name) is not None]

    def points(self, signal: Signal, value: Value) -> float | None:
        """0 to 1; None for a value that is unknown or no level of the signal."""
        if value is None:
            return None
        if self.levels is not None:
            return self.levels.get(str(value))
        if self.flag is not None:
            return self.flag[bool(value)]
        number = float(value)
        if self.linear is not None:
            return self.linear.points(number)
        reached = [gives for at, gives in self.steps or () if (number >= at if signal.rising else number <= at)]
        return max(reached, default=0.0)

    def problem(self, signal: Signal) -> str | None:
        """What is wrong with the shape for ``signal``; None when it only ever moves the way the signal counts."""
        fitting = {"number": ("linear", "steps"), "flag": ("flag",), "level": ("levels",)}[signal.kind]
        if len(self.given) != 1 or self.given[0] not in fitting:
            told = ", ".join(self.given) or "nothing"
            return f"has {told}: a {signal.kind} needs exactly one of {', '.join(fitting)}"
        way = "rise" if signal.rising else "fall"
        if self.linear is not None:
            right = (
                self.linear.one_at > self.linear.zero_at if signal.rising else self.linear.one_at < self.linear.zero_at
            )
            ends = f"linear={{zero_at: {self.linear.zero_at:g}, one_at: {self.linear.one_at:g}}}"
            return None if right else f"{ends} goes the wrong way: {signal.factor} must {way} with {signal.name}"
        if self.flag is not None:
            low, high = self.flag if signal.rising else self.flag[::-1]
            return (
                None
                if low <= high
                else f"flag={list(self.flag)} goes the wrong way: {signal.factor} must {way} with {signal.name}"
            )
        if self.levels is not None:
            return _levels_problem(self.levels, signal)
        return _steps_problem(self.steps or (), signal)


def _levels_problem(levels: dict[str, float], signal: Signal) -> str | None:
    if set(levels) != set(signal.levels):
        return f"levels={sorted(levels)}: needs exactly {', '.join(signal.levels)}"
    points = [levels[level] for level in signal.levels]
    return None if points == sorted(points) else f"levels={levels}: must not fall from {' to '.join(signal.levels)}"


def _steps_problem(steps: tuple[tuple[float, float], ...], signal: Signal) -> str | None:
    if not steps:
        return "steps is empty: give at least one [threshold, points]"
    ats, points = [at for at, _ in steps], [gives for _, gives in steps]
    if len(set(ats)) < len(ats) or ats != sorted(ats, reverse=not signal.rising):
        return f"steps at {ats}: thresholds must {'rise' if signal.rising else 'fall'}, each given once"
    return (
        None
        if points == sorted(points)
        else f"steps give {points}: they are not monotone, no step may give less than the one before"
    )


class Override(Shape):
    """What a vertical weighs or shapes differently; what is left out stays."""

    weight: Weight | None = None


class Rule(Shape):
    """One signal's shape and weight within its factor."""

    weight: Weight
    by_vertical: dict[str, Override] = {}

    def of(self, vertical: str) -> tuple[Shape, float]:
        """The shape and weight that hold in ``vertical``."""
        other = self.by_vertical.get(vertical)
        if other is None:
            return self, self.weight
        return (other if other.given else self), (self.weight if other.weight is None else other.weight)


class FactorRules(_Strict):
    """One of the three factors: its exponent in the score, its value when no signal is known, its signals."""

    exponent: Annotated[float, pydantic.Field(gt=0, le=1)]
    when_unknown: Unit
    signals: Annotated[dict[str, Rule], pydantic.Field(min_length=1)]


class Gate(_Strict):
    """What a lead needs besides its rank within the campaign's top share. A campaign's own ``min_tier`` goes before this one."""

    min_tier: Tier
    must_have: tuple[MustHave, ...]
    findings_at_least: Annotated[int, pydantic.Field(ge=0)]
    confidence_at_least: Unit


class RuleFile(_Strict):
    """One version of the rules."""

    version: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
    as_of: dt.date
    severity_weights: dict[int, Weight]
    platform_classes: dict[str, Literal["builder", "cms", "shop"]]
    need: FactorRules
    ability: FactorRules
    reachability: FactorRules
    tiers: dict[str, Annotated[int, pydantic.Field(ge=1, le=100)]]
    gate: Gate

    def factor(self, name: str) -> FactorRules:
        """The rules of ``need``, ``ability`` or ``reachability``."""
        found: FactorRules = getattr(self, name)
        return found

    @property
    def reading(self) -> Reading:
        """The tables that some signals need."""
        return Reading(dict(self.severity_weights), self.platform_classes)

    def tier(self, score: int) -> Tier:
        """The best tier whose boundary the score reaches."""
        return next((name for name in TIERS[:-1] if score >= self.tiers[name]), "D")

    @pydantic.field_validator("severity_weights")
    @classmethod
    def _worse_weighs_more(cls, given: dict[int, float]) -> dict[int, float]:
        if sorted(given) != [1, 2, 3, 4] or [given[level] for level in (1, 2, 3, 4)] != sorted(given.values()):
            raise ValueError("needs the severities 1 to 4, a worse one never weighing less")
        return given

    @pydantic.field_validator("tiers")
    @classmethod
    def _descending(cls, given: dict[str, int]) -> dict[str, int]:
        if set(given) != {"A", "B", "C"} or not given["A"] > given["B"] > given["C"]:
            raise ValueError("needs A above B above C")
        return given


def _problems(rules: RuleFile) -> Iterable[str]:
    exponents = [rules.factor(name).exponent for name in signals.FACTORS]
    if abs(sum(exponents) - 1) > 1e-9:
        yield f"exponent = {exponents}: those of need, ability and reachability must sum to 1, or the scale is not 0 to 100"
    for name in signals.FACTORS:
        yield from _factor_problems(name, rules.factor(name))


def _factor_problems(factor: str, rules: FactorRules) -> Iterable[str]:
    """What is wrong with the signals of a factor, each with its key and value."""
    for name, rule in rules.signals.items():
        key = f"{factor}.signals.{name}"
        try:
            signal = signals.find(name)
        except LookupError as error:
            yield f"{key} = {name!r}: {error.args[0]}"
            continue
        if signal.factor != factor:
            yield f"{key}: is a signal of {signal.factor}"
        if problem := rule.problem(signal):
            yield f"{key}: {problem}"
        for vertical, other in rule.by_vertical.items():
            if vertical not in verticals():
                yield f"{key}.by_vertical.{vertical}: is no vertical of config/verticals.yaml"
            if other.given and (problem := other.problem(signal)):
                yield f"{key}.by_vertical.{vertical}: {problem}"
    for vertical in ("", *verticals()):
        if not any(rule.of(vertical)[1] > 0 for rule in rules.signals.values()):
            yield f"{factor}.signals: no weight above 0" + (f" in {vertical}" if vertical else "")
            break


@functools.lru_cache(maxsize=8)
def load(path: Path | None = None) -> RuleFile:
    """The checked rules of ``path``, or of config/scoring.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    rules = yaml_config.load("scoring", RuleFile, path)
    problems = list(_problems(rules))
    if problems:
        raise yaml_config.ConfigError(f"{path or RULES}: {'; '.join(problems)}")
    return rules
