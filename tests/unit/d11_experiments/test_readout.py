"""A read-out decides by the plan alone, and never by counts that cannot be compared."""

from __future__ import annotations

import numpy as np
import pytest

from leadfactory.d11_experiments.readout import Count, Plan, Readout, read_out

PLAN = Plan(
    control="plain", arms={"plain": 5000, "measured": 5000}, metric="clicked", minimum_effect=0.5,
    guardrails={"complained": 0.003},
)  # fmt: skip


def counts(plain: tuple[int, int], measured: tuple[int, int], complained: int = 0) -> dict[str, Count]:
    """(exposed, clicked) of each arm; complaints of the measured one."""
    return {
        "plain": Count(plain[0], {"clicked": plain[1]}),
        "measured": Count(measured[0], {"clicked": measured[1], "complained": complained}),
    }


def decided(found: Readout) -> tuple[str, str | None]:
    return found.decision, found.winner


def test_before_anybody_was_mailed_it_is_running() -> None:
    assert decided(read_out(PLAN, {})) == ("running", None)


def test_a_clearly_better_arm_wins() -> None:
    assert decided(read_out(PLAN, counts((4_000, 80), (4_000, 160)))) == ("winner", "measured")


def test_a_clearly_worse_arm_makes_the_control_win() -> None:
    assert decided(read_out(PLAN, counts((4_000, 160), (4_000, 80)))) == ("winner", "plain")


def test_a_little_better_is_not_decided() -> None:
    assert decided(read_out(PLAN, counts((500, 10), (500, 13)))) == ("running", None)


def test_a_difference_that_is_surely_small_is_not_worth_having() -> None:
    assert decided(read_out(PLAN, counts((60_000, 1_200), (60_000, 1_210)))) == ("no_difference", None)


def test_a_broken_split_is_invalid_whatever_the_arms_say() -> None:
    found = read_out(PLAN, counts((4_000, 80), (5_000, 300)))
    assert decided(found) == ("invalid_srm", None)
    assert all(arm.ratio is None and arm.log_e is None for arm in found.arms)


def test_an_arm_that_surely_annoys_is_stopped_though_it_wins() -> None:
    found = read_out(PLAN, counts((4_000, 80), (4_000, 200), complained=60))
    assert decided(found) == ("stopped_by_guardrail", None)
    assert [arm.broken_guardrails for arm in found.arms] == [(), ("complained",)]


def test_a_few_complaints_of_a_few_do_not_stop_an_arm() -> None:
    assert read_out(PLAN, counts((100, 2), (100, 2), complained=1)).decision == "running"


def test_three_arms_share_the_false_alarms() -> None:
    three = Plan(control="a", arms={"a": 4000, "b": 3000, "c": 3000}, metric="clicked", minimum_effect=0.5)
    assert three.alpha_each == pytest.approx(0.025)


@pytest.mark.slow
def test_two_thousand_equal_tests_read_daily_name_a_winner_no_oftener_than_promised() -> None:
    rng = np.random.default_rng(2026)
    wrong = invalid = 0
    for _ in range(2_000):
        seen = set()
        exposed = rng.multinomial(400, [0.5, 0.5], 28).cumsum(axis=0)
        clicked = [rng.binomial(np.diff(exposed[:, arm], prepend=0), 0.02).cumsum() for arm in (0, 1)]
        for day in range(0, 28, 3):
            plain, measured = ((int(exposed[day, arm]), int(clicked[arm][day])) for arm in (0, 1))
            seen.add(read_out(PLAN, counts(plain, measured)).decision)
        wrong += "winner" in seen
        invalid += "invalid_srm" in seen
    assert wrong <= 0.05 * 2_000
    assert invalid <= 0.01 * 2_000
