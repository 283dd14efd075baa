"""Every stage is killed at every point where it can have something half done, and run again: nothing is lost or done twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.crash import matrix as rules
from tests.crash.conftest import STAGES
from tests.crash.matrix import KILLED, Matrix

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Made = Callable[[str], Matrix]


@pytest.mark.parametrize("stage", STAGES)
def test_every_point_that_was_counted_kills_and_no_other(matrix: Made, stage: str) -> None:
    made = matrix(stage)
    assert made.undisturbed.points
    assert [each.status for each in made.attempts] == [KILLED] * len(made.undisturbed.points)
    assert made.beyond.status == 0


@pytest.mark.parametrize("stage", STAGES)
def test_a_rerun_ends_well(matrix: Made, stage: str) -> None:
    assert matrix(stage).broken(rules.failed_reruns) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_rerun_leaves_the_tables_of_an_undisturbed_run(matrix: Made, stage: str) -> None:
    assert matrix(stage).broken(rules.other_tables) == []


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_that_was_stored_is_bought_again(matrix: Made, stage: str) -> None:
    assert matrix(stage).broken(rules.bought_again) == []


@pytest.mark.parametrize("stage", STAGES)
def test_no_call_left_without_its_ledger_row(matrix: Made, stage: str) -> None:
    assert matrix(stage).broken(rules.not_in_the_ledger) == []


@pytest.mark.parametrize("stage", STAGES)
def test_no_mail_leaves_twice_or_unlisted(matrix: Made, stage: str) -> None:
    assert matrix(stage).broken(rules.mailed_twice) == []


@pytest.mark.parametrize("stage", STAGES)
def test_what_was_under_way_ends_in_its_named_state(matrix: Made, stage: str) -> None:
    assert matrix(stage).broken(rules.unnamed) == []


@pytest.mark.parametrize("stage", STAGES)
def test_budgets_and_quotas_are_what_the_ledger_says(matrix: Made, stage: str) -> None:
    assert matrix(stage).broken(rules.miscounted) == []


def test_a_kill_leaves_no_more_sends_unknown_than_were_being_handed_over(matrix: Made) -> None:
    made = matrix("sending")
    for each in made.attempts:
        unknown = {row["send_id"] for row in each.rows["email_sends"] if row["state"] == "unknown"}
        assert unknown <= each.begun
    assert any(
        each.left["email_sends"] and not each.begun for each in made.attempts
    )  # killed between claim and first call
