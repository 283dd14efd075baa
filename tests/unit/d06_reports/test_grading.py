"""Points, letters and what comes first."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d06_reports import grading
from leadfactory.d06_reports.settings import ReportConfig, config
from tests.examples import examples
from tests.unit.d06_reports.inputs import an_audit, an_input, every_finding

ALL = every_finding()


def area(result: grading.Result, name: str) -> grading.AreaResult:
    return next(each for each in result.areas if each.area.id == name)


def test_a_website_without_findings_has_full_points() -> None:
    result = grading.judge(an_input(findings=()))
    assert (result.score, result.grade.letter) == (100, "A")


def test_an_area_loses_the_points_of_each_findings_severity() -> None:
    given = an_input()
    lost = [config().penalty[each.severity] for each in given.findings if each.category == "seo"]
    assert len(lost) > 2
    assert area(grading.judge(given), "search").score == 100 - sum(lost)


def test_an_area_never_falls_below_zero() -> None:
    assert area(grading.judge(an_input(findings=ALL)), "security").score == 0


def test_an_area_that_nobody_could_look_at_has_no_score_and_no_share() -> None:
    unread = dataclasses.replace(an_input().site, facts=None)
    result = grading.judge(an_input(site=unread, findings=()))
    assert area(result, "contact").score is None
    assert area(result, "speed").score == 100


def test_a_website_of_which_nothing_was_measured_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    only = [a for a in config().areas if a.page or a.lab]
    monkeypatch.setattr(grading, "config", lambda: config().model_copy(update={"areas": tuple(only)}))
    unread = dataclasses.replace(an_input().site, facts=None)
    with pytest.raises(ValueError, match="nothing of this website was measured"):
        grading.judge(an_input(site=unread, audit=an_audit(lighthouse_version=None), findings=()))


@pytest.mark.parametrize(
    ("score", "letter"), [(100, "A"), (90, "A"), (89, "B"), (80, "B"), (79, "C"), (60, "D"), (59, "F"), (0, "F")]
)
def test_a_letter_begins_at_its_score(score: int, letter: str) -> None:
    assert next(each.letter for each in config().grades if score >= each.begins) == letter


def test_the_order_of_the_rows_changes_nothing() -> None:
    shuffled = list(ALL)
    random.Random(3).shuffle(shuffled)
    assert grading.judge(an_input(findings=tuple(shuffled))) == grading.judge(an_input(findings=ALL))


@examples(60)
@given(st.sets(st.integers(0, len(ALL) - 1)), st.integers(0, len(ALL) - 1))
def test_one_more_finding_never_raises_the_score(chosen: set[int], more: int) -> None:
    fewer = grading.judge(an_input(findings=tuple(ALL[i] for i in sorted(chosen))))
    greater = grading.judge(an_input(findings=tuple(ALL[i] for i in sorted(chosen | {more}))))
    assert greater.score <= fewer.score


def test_priority_issues_come_from_different_categories() -> None:
    priority = grading.judge(an_input(findings=ALL)).priority
    assert len({each.category for each in priority}) == config().in_depth


def test_there_are_at_most_five_quick_wins_and_each_is_one() -> None:
    quick = grading.judge(an_input(findings=ALL)).quick
    assert len(quick) == 5
    assert all(grading.is_quick(each) for each in quick)


def test_the_plan_names_or_counts_every_finding_once() -> None:
    result = grading.judge(an_input(findings=ALL))
    named = [each.kind for _, cards, _ in result.plan for each in cards]
    assert len(named) == len(set(named))
    assert len(named) + sum(more for _, _, more in result.plan) == len(ALL)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"penalty": {1: 3}}, "penalty needs the levels"),
        ({"checks": {"nowhere": []}}, "checks names no area: nowhere"),
        ({"grades": [{"letter": "A", "from": 90, "means": "x"}]}, "the last from 0"),
    ],
)
def test_a_wrong_configuration_is_named(change: dict[str, object], said: str) -> None:
    plain = config().model_dump(by_alias=True) | change
    with pytest.raises(ValueError, match=said):
        ReportConfig.model_validate(plain)
