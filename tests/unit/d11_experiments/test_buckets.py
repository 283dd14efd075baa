"""Buckets: the same on every machine, evenly spread, independent between experiments."""

from __future__ import annotations

import uuid
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d11_experiments.buckets import BUCKETS, HOLDOUT, arm, bucket
from leadfactory.d11_experiments.definitions import Experiment, ExperimentsFile, read

ARMS = {"measured": 4750, "plain": 4750}
DESIGN = {
    "changes": "subject_line", "control": "plain", "metric": "clicked", "base_rate": 0.02, "minimum_effect": 0.5, "layer": "wording",
}  # fmt: skip
BASE = {"version": 1, "state": "running", "salt": "long-enough", "arms": ARMS, "holdout_bp": 500, "design": DESIGN}
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
    assert "subject_line_test" in read()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arms": {"a": 5_000, "b": 4_000}}, "sum to 9500"),
        ({"arms": {"holdout": 4_750, "plain": 4_750}}, "use holdout_bp"),
        ({"arms": {"a": 9_500}}, "at least 2"),
        ({"salt": "x"}, "at least 8"),
        ({"design": DESIGN | {"control": "other"}}, "name one of the arms"),
        ({"design": DESIGN | {"minimum_effect": 0}}, "smallest change worth having"),
        ({"design": DESIGN | {"traffic_bp": [5_000, 5_000]}}, "from and to"),
        ({"design": DESIGN | {"starts_on": "2026-12-01", "ends_on": "2026-11-01"}}, "before starts_on"),
        ({"design": DESIGN | {"metric": "smiles"}}, "design.metric|Input should be"),
    ],
)
def test_an_experiment_that_does_not_add_up_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Experiment.model_validate(BASE | change)


def test_two_experiments_of_a_layer_may_not_share_a_business():
    other = BASE | {"design": DESIGN | {"traffic_bp": [4_000, 10_000]}}
    whole = BASE | {"design": DESIGN | {"traffic_bp": [0, 5_000]}}
    with pytest.raises(ValueError, match="share businesses of layer wording"):
        ExperimentsFile.model_validate({"experiments": {"one": whole, "two": other}})


def test_two_parts_of_a_layer_share_none():
    parts = {name: BASE | {"design": DESIGN | {"traffic_bp": part}} for name, part in (("one", [0, 5_000]), ("two", [5_000, 10_000]))}  # fmt: skip
    assert set(ExperimentsFile.model_validate({"experiments": parts}).experiments) == {"one", "two"}
