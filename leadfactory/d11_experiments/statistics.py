"""Anytime-valid statistics for rare events: every figure may be looked at every day without inflating a false alarm.

All of it is one e-value. Under the null, each event belongs to arm i with a known probability, whatever came before; betting
against that with a Dirichlet prior gives a non-negative martingale that starts at 1, and passes 1/α with a probability of at
most α, ever (Ville). Source: M. Lindon and A. Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022:
theorem 1 and section 4 (sample ratio), section 5 (conversions as a thinned stream: the arm of a conversion is a coin whose
bias tells the ratio of the two rates; those that did not convert need not be looked at).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

HALVINGS = 40  # an end of an interval to a millionth of a millionth
SRM_CONCENTRATION = 100.0  # prior of the split: a standard deviation of 5 points around even halves


def log_e_value(counts: Sequence[int], shares: Sequence[float], concentration: float) -> float:
    """Natural log of the e-value against "each event falls into arm i with probability ``shares[i]``".

    Args:
        counts: events by arm.
        shares: probabilities under the null, summing to 1, each above 0.
        concentration: weight of the Dirichlet prior ``concentration × shares``, in events.

    Raises:
        ValueError: when shares do not sum to 1 or the lengths differ.
    """
    if len(counts) != len(shares) or not math.isclose(sum(shares), 1.0, abs_tol=1e-9) or min(shares) <= 0:
        raise ValueError(f"shares {list(shares)} for counts {list(counts)}: one positive share an arm, together 1")
    return _log_bet(counts, [concentration * share for share in shares]) - sum(
        count * math.log(share) for count, share in zip(counts, shares, strict=True)
    )


def _log_bet(counts: Sequence[int], prior: Sequence[float]) -> float:
    """Log of the Dirichlet-multinomial probability of one order of the events."""
    gained = sum(math.lgamma(a + n) - math.lgamma(a) for a, n in zip(prior, counts, strict=True))
    return math.lgamma(sum(prior)) - math.lgamma(sum(prior) + sum(counts)) + gained


def sample_ratio_log_e(exposed: Sequence[int], weights: Sequence[float]) -> float:
    """Log e-value against "the exposed are split as planned"; above log(1/α) the split is broken."""
    whole = sum(weights)
    return log_e_value(exposed, [weight / whole for weight in weights], SRM_CONCENTRATION)


def concentration(share: float, minimum_effect: float) -> float:
    """The prior weight whose standard deviation is the shift that the smallest worthwhile effect makes.

    Args:
        share: the treated arm's planned share of the two arms.
        minimum_effect: relative, 0.5 for half as many again.
    """
    shift = treated_share(share, 1 + minimum_effect) - share
    return max(share * (1 - share) / shift**2 - 1, 1.0)


def treated_share(share: float, ratio: float) -> float:
    """The treated arm's share of the events when its rate is ``ratio`` times the other's."""
    return share * ratio / (share * ratio + 1 - share)


def ratio_log_e(treated: int, control: int, share: float, prior: float, ratio: float = 1.0) -> float:
    """Log e-value against "the treated arm's rate is ``ratio`` times the control's"; events of each arm."""
    bias = treated_share(share, ratio)
    bet = _log_bet((treated, control), (prior * share, prior * (1 - share)))
    return bet - treated * math.log(bias) - control * math.log1p(-bias)


def ratio_interval(
    treated: int, control: int, share: float, prior: float, alpha: float
) -> tuple[float | None, float | None]:
    """Confidence sequence of the ratio of the two rates; an end that the data do not bound is None.

    It holds the true ratio at all times at once with probability 1 − ``alpha``.
    """
    limit, middle = math.log(1 / alpha), _odds(treated, control, share)
    bet = _log_bet((treated, control), (prior * share, prior * (1 - share)))

    def inside(log_ratio: float) -> bool:
        bias = treated_share(share, math.exp(log_ratio))
        return bet - treated * math.log(bias) - control * math.log1p(-bias) < limit

    low = _edge(inside, middle, -1.0) if treated else None
    high = _edge(inside, middle, 1.0) if control else None
    return (None if low is None else math.exp(low), None if high is None else math.exp(high))


def _odds(treated: int, control: int, share: float) -> float:
    """Log of the observed ratio of rates, pulled in by half an event so that it is finite."""
    return math.log((treated + 0.5) / (control + 0.5) * (1 - share) / share)


def _edge(inside: Callable[[float], bool], start: float, step: float, widest: float = 12.0) -> float | None:
    """Where ``inside`` ends, from ``start`` in steps, then by halving; None beyond ``widest``."""
    far = start
    while inside(far):
        far += step
        if abs(far) > widest:
            return None
    near = far - step
    for _ in range(HALVINGS):
        half = (near + far) / 2
        near, far = (half, far) if inside(half) else (near, half)
    return far


def rate_interval(events: int, exposed: int, alpha: float) -> tuple[float, float]:
    """Confidence sequence of one rate, with Jeffreys' prior Beta(½, ½) as the bet; (0, 1) of nobody.

    Raises:
        ValueError: when more events than exposed are given.
    """
    if not 0 <= events <= exposed:
        raise ValueError(f"{events} events of {exposed} exposed: an event without its exposure cannot be counted")
    if not exposed:
        return 0.0, 1.0
    inside, middle = _rates_inside(events, exposed, alpha), (events + 0.5) / (exposed + 1)
    low = _halve(inside, middle, 0.0) if events else 0.0
    return low, (_halve(inside, middle, 1.0) if events < exposed else 1.0)


def rate_surely_above(events: int, exposed: int, limit: float, alpha: float) -> bool:
    """Whether the lower end of the rate's confidence sequence lies above ``limit``: one bet instead of a search for the end.

    Raises:
        ValueError: when more events than exposed are given, or ``limit`` is no rate between 0 and 1.
    """
    if not 0 <= events <= exposed or not 0 < limit < 1:
        raise ValueError(
            f"{events} events of {exposed} exposed and the limit {limit}: counts and a rate between 0 and 1"
        )
    return bool(events) and limit < (events + 0.5) / (exposed + 1) and not _rates_inside(events, exposed, alpha)(limit)


def _rates_inside(events: int, exposed: int, alpha: float) -> Callable[[float], bool]:
    """Says of a rate whether the counts have not ruled it out."""
    bet, limit = _log_bet((events, exposed - events), (0.5, 0.5)), math.log(1 / alpha)

    def inside(rate: float) -> bool:
        told = bet - (events * math.log(rate) if events else 0.0)
        return told - ((exposed - events) * math.log1p(-rate) if events < exposed else 0.0) < limit

    return inside


def _halve(inside: Callable[[float], bool], near: float, far: float) -> float:
    for _ in range(HALVINGS):
        half = (near + far) / 2
        near, far = (half, far) if 0 < half < 1 and inside(half) else (near, half)
    return far


def exposures_needed(base_rate: float, minimum_effect: float, share: float, alpha: float, power: float) -> int:
    """Businesses of both arms together after which the effect, if it is there, is found with at least ``power``.

    The number of events at which the test has passed its limit with that probability, looked at once; who peeks stops earlier.

    Args:
        base_rate: events per exposed business of the control.
        minimum_effect: relative change worth having, 0.5 for +50 %.
        share: the treated arm's planned share of the two.
        alpha: false alarms allowed, ever.
        power: 0.8 for four effects of five found.

    Raises:
        ValueError: when the rates are no probabilities or the effect is 0.
    """
    treated_rate = base_rate * (1 + minimum_effect)
    if not (0 < base_rate < 1 and 0 < treated_rate < 1) or minimum_effect == 0:
        raise ValueError(
            f"base rate {base_rate} and effect {minimum_effect}: rates must lie between 0 and 1, and differ"
        )
    prior, bias = concentration(share, minimum_effect), treated_share(share, 1 + minimum_effect)
    low, high = 1, 2
    while _found(high, share, prior, bias, alpha) < power:
        low, high = high, high * 2
    while high - low > 1:
        half = (low + high) // 2
        low, high = (low, half) if _found(half, share, prior, bias, alpha) >= power else (half, high)
    return math.ceil(high / (share * treated_rate + (1 - share) * base_rate))


def _found(events: int, share: float, prior: float, bias: float, alpha: float) -> float:
    """Probability that ``events`` events with the treated arm's share ``bias`` pass the limit."""
    from scipy.special import betainc  # only a launch asks; half a second of imports

    limit = math.log(1 / alpha)

    def passes(treated: int) -> bool:
        return ratio_log_e(treated, events - treated, share, prior) >= limit

    upward = bias > share
    inside, outside = round(events * share), events if upward else 0
    if not passes(outside):
        return 0.0
    while abs(outside - inside) > 1:
        half = (inside + outside) // 2
        inside, outside = (inside, half) if passes(half) else (half, outside)
    if upward:  # P(X ≥ outside) and P(X ≤ outside) of a binomial, as incomplete betas
        return float(betainc(outside, events - outside + 1, bias))
    return 1.0 if outside >= events else float(1 - betainc(outside + 1, events - outside, bias))
