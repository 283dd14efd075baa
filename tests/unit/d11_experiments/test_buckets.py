"""Buckets: the same on every machine, evenly spread, independent between experiments."""

from __future__ import annotations

import uuid
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d11_experiments.buckets import BUCKETS, HOLDOUT, arm, bucket
from leadfactory.d11_experiments.definitions import Experiment, read

ARMS = {"measured": 4750, "plain": 4750}
MANY = [uuid.UUID(int=n) for n in range(40_000)]


def test_a_bucket_is_the_same_for_ever():
    assert [bucket("subject-pattern-2026-11", uuid.UUID(int=n)) for n in range(4)] == [
        6384,
        8521,
        6994,
        1587,
    ]  # by sha256sum


def test_buckets_are_even():
    tenths = Counter(bucket("salt", business) * 10 // BUCKETS for business in MANY)
    expected = len(MANY) / 10
    chi_square = sum((count - expected) ** 2 / expected for count in tenths.values())
    assert chi_square < 27.9  # 9 degrees of freedom, 0.1 %


def test_arms_get_their_shares():
    found = Counter(arm(bucket("salt", business), ARMS, 500) for business in MANY)
    assert found.keys() == {"measured", "plain", HOLDOUT}
    assert abs(found[HOLDOUT] / len(MANY) - 0.05) < 0.005
    assert abs(found["measured"] / len(MANY) - 0.475) < 0.012


def test_two_experiments_are_independent():
    both = Counter((bucket("one", b) < 5_000, bucket("two", b) < 5_000) for b in MANY)
    assert all(abs(count / len(MANY) - 0.25) < 0.01 for count in both.values())


@given(st.integers(0, BUCKETS - 1))
def test_every_bucket_has_an_arm(position):
    assert arm(position, ARMS, 500) in {*ARMS, HOLDOUT}


def test_a_gap_is_an_error():
    with pytest.raises(ValueError, match="no arm"):
        arm(9_999, {"a": 5_000}, 0)


def test_the_production_experiments_are_whole():
    assert "subject_pattern" in read()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arms": {"a": 5_000, "b": 4_000}}, "sum to 9500"),
        ({"arms": {"holdout": 9_500}}, "use holdout_bp"),
        ({"arms": {}}, "at least 1"),
        ({"salt": "x"}, "at least 8"),
    ],
)
def test_an_experiment_that_does_not_add_up_is_refused(change, message):
    base = {"version": 1, "state": "running", "salt": "long-enough", "arms": ARMS, "holdout_bp": 500}
    with pytest.raises(ValueError, match=message):
        Experiment.model_validate(base | change)
