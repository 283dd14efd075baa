"""The sequential tests hold what they promise under peeking, and agree with an independent library."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from leadfactory.d11_experiments import statistics

ALPHA = 0.05


@pytest.mark.parametrize(("treated", "control"), [(0, 0), (3, 9), (40, 20), (400, 380)])
@pytest.mark.parametrize("share", [0.5, 0.2])
def test_the_e_value_is_the_ratio_of_a_beta_binomial_to_a_binomial(treated: int, control: int, share: float) -> None:
    n, prior = treated + control, 25.0
    expected = stats.betabinom.logpmf(treated, n, prior * share, prior * (1 - share)) - stats.binom.logpmf(
        treated, n, share
    )
    assert statistics.ratio_log_e(treated, control, share, prior) == pytest.approx(expected, abs=1e-8)


def test_the_sample_ratio_e_value_is_the_ratio_of_a_dirichlet_multinomial_to_a_multinomial() -> None:
    counts, weights = [330, 360, 310], [0.3, 0.4, 0.3]
    alpha = np.array(weights) * statistics.SRM_CONCENTRATION
    expected = stats.dirichlet_multinomial.logpmf(counts, alpha, sum(counts)) - stats.multinomial.logpmf(
        counts, sum(counts), weights
    )
    assert statistics.sample_ratio_log_e(counts, [3000, 4000, 3000]) == pytest.approx(expected, abs=1e-6)


def peeked_log_e(
    rng: np.random.Generator, *, histories: int, days: int, a_day: float, share: float, bias: float, prior: float
) -> np.ndarray:
    """The largest log e-value that somebody sees who looks every day, by history."""
    events = rng.poisson(a_day, (histories, days))
    treated = rng.binomial(events, bias).cumsum(axis=1)
    control = events.cumsum(axis=1) - treated
    seen = np.vectorize(lambda t, c: statistics.ratio_log_e(int(t), int(c), share, prior))(treated, control)
    return np.asarray(seen.max(axis=1))


def test_two_thousand_equal_arms_peeked_at_daily_give_no_more_false_alarms_than_promised() -> None:
    prior = statistics.concentration(0.5, 0.5)
    seen = peeked_log_e(np.random.default_rng(7), histories=2_000, days=60, a_day=4, share=0.5, bias=0.5, prior=prior)
    alarms = int((seen >= math.log(1 / ALPHA)).sum())
    assert 0 < alarms <= ALPHA * 2_000


@pytest.mark.parametrize(("effect", "share"), [(0.5, 0.5), (1.0, 0.5), (-0.4, 0.5), (0.5, 0.3)])
def test_an_effect_as_large_as_planned_is_found_with_the_planned_power(effect: float, share: float) -> None:
    rate, power = 0.02, 0.8
    exposures = statistics.exposures_needed(rate, effect, share, ALPHA, power)
    prior, bias = statistics.concentration(share, effect), statistics.treated_share(share, 1 + effect)
    expected_events = exposures * rate * (share * (1 + effect) + 1 - share)
    seen = peeked_log_e(np.random.default_rng(11), histories=600, days=30, a_day=expected_events / 30, share=share, bias=bias, prior=prior)  # fmt: skip
    assert (seen >= math.log(1 / ALPHA)).mean() >= power


def test_a_split_of_53_to_47_is_caught_and_an_even_one_is_not() -> None:
    rng, limit = np.random.default_rng(3), math.log(1 / 0.01)

    def caught(bias: float, histories: int) -> int:
        first = rng.binomial(200, bias, (histories, 60)).cumsum(axis=1)
        whole = np.arange(1, 61) * 200
        return sum(
            any(statistics.sample_ratio_log_e((int(a), int(n - a)), (1, 1)) >= limit for a, n in zip(row, whole, strict=True))
            for row in first
        )  # fmt: skip

    assert caught(0.53, 100) >= 98
    assert caught(0.5, 300) <= 6


def test_the_interval_of_a_ratio_holds_the_truth_at_every_look() -> None:
    rng, prior = np.random.default_rng(5), statistics.concentration(0.5, 0.5)
    missed = 0
    for _ in range(200):
        treated = rng.binomial(5, statistics.treated_share(0.5, 1.5), 30).cumsum()
        ends = [
            statistics.ratio_interval(int(t), 5 * (i + 1) - int(t), 0.5, prior, ALPHA) for i, t in enumerate(treated)
        ]
        missed += any((low or 0) > 1.5 or (high or math.inf) < 1.5 for low, high in ends)
    assert missed <= 10


def test_an_interval_excludes_no_difference_exactly_when_the_e_value_passes_its_limit() -> None:
    prior, limit = statistics.concentration(0.5, 0.5), math.log(1 / ALPHA)
    for treated in range(0, 60, 3):
        low, high = statistics.ratio_interval(treated, 30, 0.5, prior, ALPHA)
        excluded = (low is not None and low > 1) or (high is not None and high < 1)
        assert excluded == (statistics.ratio_log_e(treated, 30, 0.5, prior) >= limit), treated


def test_an_arm_without_events_has_no_lower_end() -> None:
    assert statistics.ratio_interval(0, 12, 0.5, 10.0, ALPHA)[0] is None
    assert statistics.ratio_interval(12, 0, 0.5, 10.0, ALPHA)[1] is None


@pytest.mark.parametrize(("events", "exposed"), [(0, 50), (1, 50), (25, 50), (50, 50), (3, 4_000)])
def test_the_interval_of_a_rate_is_wider_than_that_of_a_single_look(events: int, exposed: int) -> None:
    low, high = statistics.rate_interval(events, exposed, ALPHA)
    once = stats.binomtest(events, exposed).proportion_ci(1 - ALPHA, "exact")
    assert low <= once.low
    assert once.high <= high


def test_the_rate_of_nobody_may_be_anything() -> None:
    assert statistics.rate_interval(0, 0, ALPHA) == (0.0, 1.0)


def test_events_without_exposures_are_refused() -> None:
    with pytest.raises(ValueError, match="3 events of 2 exposed"):
        statistics.rate_interval(3, 2, ALPHA)


def test_shares_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValueError, match="together 1"):
        statistics.log_e_value((1, 2), (0.5, 0.4), 10)


@pytest.mark.parametrize(("rate", "effect"), [(0.0, 0.5), (0.7, 0.5), (0.02, 0.0)])
def test_a_plan_that_cannot_be_is_refused(rate: float, effect: float) -> None:
    with pytest.raises(ValueError, match="rates must lie"):
        statistics.exposures_needed(rate, effect, 0.5, ALPHA, 0.8)


def test_smaller_effects_and_rarer_events_need_more_businesses() -> None:
    def need(rate: float, effect: float) -> int:
        return statistics.exposures_needed(rate, effect, 0.5, ALPHA, 0.8)

    assert need(0.02, 1.0) < need(0.02, 0.5) < need(0.02, 0.25)
    assert need(0.02, 0.5) < need(0.002, 0.5)
