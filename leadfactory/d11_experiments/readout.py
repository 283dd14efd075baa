"""What an experiment says at a moment: a pure function of the plan and the counts of each arm, valid at every look."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping
from typing import Literal

from leadfactory.d11_experiments import statistics

Decision = Literal["running", "winner", "no_difference", "stopped_by_guardrail", "invalid_srm"]
SRM_ALPHA = 0.01  # as the sequential sample-ratio tests of the trade; rules: 4 false alarms of 2,000 equal splits


@dataclasses.dataclass(frozen=True)
class Plan:
    """What was promised before the first mail.

    ``arms`` are basis points without the holdout; ``minimum_effect`` is relative (0.5 for +50 %); ``guardrails`` name a
    metric and the rate of the exposed that an arm may not pass; ``alpha`` is shared by all comparisons.
    """

    control: str
    arms: Mapping[str, int]
    metric: str
    minimum_effect: float
    guardrails: Mapping[str, float] = dataclasses.field(default_factory=dict)
    alpha: float = 0.05
    power: float = 0.8

    def share(self, arm: str) -> float:
        """The arm's planned share of itself and the control."""
        return self.arms[arm] / (self.arms[arm] + self.arms[self.control])

    @property
    def alpha_each(self) -> float:
        """What each comparison with the control may spend (Bonferroni)."""
        return self.alpha / max(len(self.arms) - 1, 1)


@dataclasses.dataclass(frozen=True)
class Count:
    """What happened in one arm: businesses exposed, and of those how many had each event at least once."""

    exposed: int = 0
    events: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ArmReadout:
    """One arm: its rate, and against the control the ratio of rates; ends that the data do not bound are None."""

    arm: str
    exposed: int
    events: int
    rate: float | None
    rate_low: float
    rate_high: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    log_e: float | None
    broken_guardrails: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Readout:
    """The whole read-out. While the split is broken the arms are shown without a comparison; ``paused`` are those over a guardrail."""

    decision: Decision
    sentence: str
    srm_log_e: float
    arms: tuple[ArmReadout, ...]
    winner: str | None = None
    paused: frozenset[str] = frozenset()


def history(plan: Plan, days: Mapping[dt.date, Mapping[str, Count]]) -> dict[dt.date, Readout]:
    """The read-out of each day. An arm that passed its guardrail on one is paused on all that follow."""
    found: dict[dt.date, Readout] = {}
    paused: frozenset[str] = frozenset()
    for day, counts in days.items():
        found[day] = read_out(plan, counts, paused)
        paused = found[day].paused
    return found


def read_out(plan: Plan, counts: Mapping[str, Count], paused: frozenset[str] = frozenset()) -> Readout:
    """Judges the counts by the plan. An arm that nobody was exposed to counts as 0 exposed.

    Arms in ``paused`` get nobody any more: they are shown, and neither compared nor held against the planned split.
    """
    names = sorted(plan.arms, key=lambda name: (name != plan.control, name))
    active = [name for name in names if name not in paused]
    srm = 0.0
    if len(active) > 1:
        srm = statistics.sample_ratio_log_e([_of(counts, n).exposed for n in active], [plan.arms[n] for n in active])
    valid = srm < math.log(1 / SRM_ALPHA)
    compared = valid and plan.control not in paused
    arms = tuple(_arm(plan, name, counts, compared=compared and name not in paused) for name in names)
    out = paused | {arm.arm for arm in arms if arm.broken_guardrails}
    decision, winner, sentence = _decide(plan, arms, srm, valid, out)
    return Readout(decision, sentence, srm, arms, winner, out)


def _of(counts: Mapping[str, Count], name: str) -> Count:
    return counts.get(name, Count())


def _arm(plan: Plan, name: str, counts: Mapping[str, Count], *, compared: bool) -> ArmReadout:
    mine, theirs = _of(counts, name), _of(counts, plan.control)
    events, exposed = mine.events.get(plan.metric, 0), mine.exposed
    low, high = statistics.rate_interval(events, exposed, plan.alpha_each)
    ratio = ratio_low = ratio_high = log_e = None
    if compared and name != plan.control:
        control_events, share = theirs.events.get(plan.metric, 0), plan.share(name)
        prior = statistics.concentration(share, plan.minimum_effect)
        log_e = statistics.ratio_log_e(events, control_events, share, prior)
        ratio_low, ratio_high = statistics.ratio_interval(events, control_events, share, prior, plan.alpha_each)
        if exposed and control_events:
            ratio = (events / exposed) / (control_events / theirs.exposed)
    return ArmReadout(
        name, exposed, events, events / exposed if exposed else None, low, high, ratio, ratio_low, ratio_high, log_e,
        tuple(sorted(metric for metric, limit in plan.guardrails.items() if _passes(mine, metric, limit, plan.alpha_each))),
    )  # fmt: skip


def _passes(count: Count, metric: str, limit: float, alpha: float) -> bool:
    """True when even the lower end of the arm's rate lies above the limit."""
    return statistics.rate_surely_above(count.events.get(metric, 0), count.exposed, limit, alpha)


def _decide(
    plan: Plan, arms: tuple[ArmReadout, ...], srm: float, valid: bool, out: frozenset[str]
) -> tuple[Decision, str | None, str]:
    others = [arm for arm in arms if arm.arm != plan.control and arm.arm not in out]
    if out and (plan.control in out or not others):
        return "stopped_by_guardrail", None, f"An arm passed its guardrail and gets nobody more ({_over(arms, out)})."
    if not valid:
        split = ", ".join(f"{arm.arm} {arm.exposed}" for arm in arms)
        told = f"The split is not the planned one ({split}; e-value {math.exp(min(srm, 50)):.3g}): no comparison holds."
        return "invalid_srm", None, told
    decision, winner, sentence = _compared(plan, others)
    if out:
        sentence += f" Paused by a guardrail: {_over(arms, out)}."
    return decision, winner, sentence


def _over(arms: tuple[ArmReadout, ...], out: frozenset[str]) -> str:
    """The paused arms, each with what it passed where that is still so today."""
    return "; ".join(
        f"{arm.arm}: {', '.join(arm.broken_guardrails)}" if arm.broken_guardrails else arm.arm
        for arm in arms
        if arm.arm in out
    )


def _compared(plan: Plan, others: list[ArmReadout]) -> tuple[Decision, str | None, str]:
    """What the arms that are not paused say against the control."""
    limit = math.log(1 / plan.alpha_each)
    decided = [arm for arm in others if arm.log_e is not None and arm.log_e >= limit]
    better = [arm for arm in decided if arm.ratio_low is not None and arm.ratio_low > 1]
    if better:
        best = max(better, key=lambda arm: arm.ratio_low or 0)
        return "winner", best.arm, f"{best.arm} wins over {plan.control}: {plan.metric} {_times(best)}."
    if others and len(decided) == len(others):
        return "winner", plan.control, f"{plan.control} wins: every other arm has a lower rate of {plan.metric}."
    if others and all(_too_small(plan, arm) for arm in others):
        told = f"Whatever difference there is in {plan.metric}, it is smaller than the {plan.minimum_effect:.0%} worth having."
        return "no_difference", None, told
    told = ", ".join(f"{a.arm} {_times(a)}" for a in others) or "has one arm only"
    return "running", None, f"Not decided yet: {plan.metric} {told}."


def _too_small(plan: Plan, arm: ArmReadout) -> bool:
    """The whole interval lies within what is not worth having, or below the control."""
    size = 1 + abs(plan.minimum_effect)
    return arm.ratio_high is not None and arm.ratio_high < size and (arm.ratio_low or 0) > 1 / size


def _times(arm: ArmReadout) -> str:
    low = "0" if arm.ratio_low is None else f"{arm.ratio_low:.2f}"
    high = "?" if arm.ratio_high is None else f"{arm.ratio_high:.2f}"
    return f"{'?' if arm.ratio is None else f'{arm.ratio:.2f}'} × ({low} to {high})"
