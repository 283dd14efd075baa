"""The lease of a killed process has lapsed when its stage is run again: what it held is back, no more and no less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.crash import matrix as rules
from tests.crash.matrix import KILLED, Attempt, Matrix, attempt
from tests.crash.scene import Lane

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PAID = ("sourcing", "auditing", "drafting")  # Yelp, PageSpeed, the model
Lapsed = Callable[[str], Matrix]


@pytest.fixture(scope="module")
def lapsed(lanes: list[Lane]) -> Lapsed:
    """A stage killed at its first, middle and last point and run again after its leases have lapsed."""
    made: dict[str, Matrix] = {}

    def of(stage: str) -> Matrix:
        if stage not in made:
            undisturbed = attempt(lanes[0], stage, 0)
            last = len(undisturbed.points)
            points = sorted({1, *range(2, last, max(1, last // 4)), last})
            killed = [attempt(lanes[0], stage, point, lapsed=True) for point in points]
            assert [each.status for each in killed] == [KILLED] * len(points)
            made[stage] = Matrix(stage, undisturbed, undisturbed, killed, 0.0)
        return made[stage]

    return of


def held_too_much(_: Attempt, killed: Attempt) -> list[str]:
    """Leases of the dead beyond one a vendor and process, and days that are short of more than what those leases hold."""
    leases = killed.left["vendor_leases"]
    several = [f"{n} leases of {vendor}" for vendor, n in Counter(row["vendor"] for row in leases).items() if n > 1]
    units = {row["vendor"]: row["units"] for row in leases}
    short = [
        f"{row['vendor']} has {row['leased_units']} units leased, its lease has {units.get(row['vendor'], 0)}"
        for row in killed.left["vendor_quotas"]
        if row["rate"] == "day" and row["leased_units"] > units.get(row["vendor"], 0)
    ]
    under_way = sum(row["reserved_microusd"] for row in killed.left["vendor_calls"] if row["status"] == "started")
    kept = [
        f"budget {row['scope']} {row['key']} has {row['reserved_microusd']} reserved, the calls under way {under_way}"
        for row in killed.left["budgets"]
        if row["reserved_microusd"] > under_way
    ]
    return several + short + kept


@pytest.mark.parametrize("stage", PAID)
def test_a_killed_process_keeps_at_most_one_lease_a_vendor_and_the_worst_of_its_calls(
    lapsed: Lapsed, stage: str
) -> None:
    made = lapsed(stage)
    assert any(each.left["vendor_leases"] for each in made.attempts), "no kill left a lease behind"
    assert made.broken(held_too_much) == []


@pytest.mark.parametrize("stage", PAID)
def test_a_rerun_after_it_lapsed_gives_it_back_and_ends_as_if_nothing_had_happened(lapsed: Lapsed, stage: str) -> None:
    made = lapsed(stage)
    for rule in (rules.failed_reruns, rules.miscounted, rules.unnamed, rules.other_tables, rules.bought_again):
        assert made.broken(rule) == []
