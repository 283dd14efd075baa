"""The plan of a day as a pure function: never over a quota or a budget, more never gives less, the order does not matter."""

from __future__ import annotations

import dataclasses
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d01_targeting import day_plan
from leadfactory.d01_targeting.day_plan import DayState, Target
from leadfactory.d01_targeting.planning_config import config
from leadfactory.d01_targeting.verticals import verticals
from tests.examples import examples

RULES = config()
PRICES = {"yelp": 5_910, "places": 35_000, "openai": 800, "sendgrid": 399}


def target(number: int, place: str = "", **given) -> Target:
    return Target(uuid.UUID(int=number), "zip", place or f"{10000 + number}", **{"quota": 100} | given)


def state(*targets: Target, **given) -> DayState:
    return DayState(targets, **{"daily_quota": 1_000, "prices": PRICES, "price_cents": 19_900} | given)


def counts(made: day_plan.DayPlan) -> dict[str, int]:
    return {each.target.place: each.allotment.businesses for each in made.targets}


def leads(of: DayState) -> float:
    return sum(each.expected.leads for each in day_plan.make(of, RULES).targets)


@st.composite
def targets(draw):
    judged = draw(st.integers(0, 300))
    offset = draw(st.integers(0, 240))
    return Target(
        draw(st.uuids()), "zip", f"{draw(st.integers(10000, 99999))}", draw(st.integers(1, 300)), offset, judged, draw(st.integers(0, judged))
    )  # fmt: skip


left = st.none() | st.integers(0, 500)
states = st.builds(
    DayState,
    st.lists(targets(), max_size=7, unique_by=lambda each: each.target_id).map(tuple),
    st.integers(1, 700),
    st.fixed_dictionaries({}, optional={"yelp": st.none() | st.integers(0, 12), "places": left, "pagespeed": left, "openai": left}),
    st.fixed_dictionaries({"campaign": st.integers(0, 30_000_000)}, optional={"day": st.integers(0, 30_000_000)}),
    st.just(PRICES) | st.just({}),
    imports=st.integers(0, 800),
    taken=st.integers(0, 100),
)  # fmt: skip


@given(states)
@examples(200)
def test_a_plan_never_passes_a_quota_or_a_budget(of):
    made = day_plan.make(of, RULES).targets
    searched = sum(each.expected.businesses for each in made)
    businesses = searched + of.own_rows
    assert businesses + of.taken <= max(of.daily_quota, of.taken)
    for vendor, share in RULES.calls_per_business.items():
        if searched and of.calls_left.get(vendor) is not None:
            assert businesses * share <= of.calls_left[vendor]
    if of.calls_left.get("yelp") is not None:
        assert sum(each.expected.calls["yelp"] for each in made) <= of.calls_left["yelp"]
    own = of.own_rows * day_plan.business_microusd(of, RULES)
    cost = sum(each.expected.microusd for each in made)
    assert all(cost == 0 or own + cost <= money for money in of.money_left.values())
    for each in made:
        assert 0 <= each.allotment.businesses <= each.target.quota


@given(states, st.sampled_from(["campaign", "yelp", "quota"]), st.integers(1, 5) | st.integers(1, 5_000_000))
@examples(200)
def test_more_money_calls_or_quota_never_gives_fewer_expected_leads(of, what, more):
    if what == "campaign":
        larger = dataclasses.replace(of, money_left={**of.money_left, "campaign": of.money_left["campaign"] + more})
    elif what == "yelp":
        calls = of.calls_left.get("yelp")
        larger = dataclasses.replace(of, calls_left={**of.calls_left, "yelp": None if calls is None else calls + more})
    else:
        of = dataclasses.replace(
            of, imports=0
        )  # a larger quota takes more rows of own lists first, which cost money too
        larger = dataclasses.replace(of, daily_quota=of.daily_quota + more)
    assert leads(larger) >= leads(of) - 1e-5


@given(states, st.randoms(use_true_random=False))
@examples(100)
def test_the_order_of_targets_does_not_matter(of, chance):
    shuffled = list(of.targets)
    chance.shuffle(shuffled)
    assert day_plan.make(dataclasses.replace(of, targets=tuple(shuffled)), RULES) == day_plan.make(of, RULES)


@given(states)
@examples(100)
def test_what_is_expected_narrows_from_step_to_step(of):
    for each in day_plan.make(of, RULES).targets:
        found = each.expected
        assert found.businesses >= found.leads >= found.mails >= found.sales >= 0


def test_a_target_that_gave_leads_is_served_before_one_that_did_not():
    good, poor = target(1, judged=100, qualified=60), target(2, judged=100, qualified=5)
    assert counts(day_plan.make(state(good, poor, daily_quota=110), RULES)) == {"10001": 100, "10002": 10}


def test_a_target_that_was_never_tried_gets_its_share_beside_a_good_one():
    good, new = target(1, judged=100, qualified=60), target(2)
    made = counts(day_plan.make(state(good, new, daily_quota=100), RULES))
    assert made == {"10001": 90, "10002": 10}


@given(states, st.integers(0, 240))
@examples(100)
def test_where_a_search_stands_changes_no_count(of, offset):
    moved = tuple(dataclasses.replace(each, next_offset=offset) for each in of.targets)
    there, here = (day_plan.make(each, RULES) for each in (dataclasses.replace(of, targets=moved), of))
    assert [each.expected for each in there.targets] == [each.expected for each in here.targets]
    assert there.stops == here.stops


def test_targets_none_of_which_was_tried_are_not_held_back():
    assert sum(counts(day_plan.make(state(target(1), target(2)), RULES)).values()) == 200


def test_a_new_target_is_expected_to_be_like_the_campaigns_others():
    good, new = target(1, judged=900, qualified=800), target(2)
    yields = day_plan.leads_per_business([good, new], RULES)
    assert RULES.yields.leads < yields[new.target_id] < yields[good.target_id]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"daily_quota": 60}, "quota of 60 businesses"),
        ({"calls_left": {"yelp": 1}}, "yelp allows 1 more calls"),
        ({"calls_left": {"places": 40}}, "places allows 40 more calls, enough for 100"),
        ({"money_left": {"the budget of nyc": 1_000_000, "the day's budget": 9_000_000}}, "the budget of nyc has $1.00 left"),
        ({}, "every target's own quota"),
    ],
)  # fmt: skip
def test_what_stops_a_plan_is_named(given, told):
    assert told in " | ".join(day_plan.make(state(target(1), target(2), **given), RULES).stops)


def test_without_targets_there_is_no_plan_and_that_is_said():
    assert day_plan.make(state(), RULES).stops == ("no target that is active and not exhausted",)


def test_a_cooldown_lowers_letters_and_sales_and_no_leads():
    warm, cool = (day_plan.make(state(target(1), cooling=share), RULES).targets[0].expected for share in (0.0, 0.5))
    assert (cool.leads, cool.mails, cool.sales) == (
        warm.leads,
        pytest.approx(warm.mails / 2),
        pytest.approx(warm.sales / 2),
    )


@pytest.mark.parametrize(
    ("slug", "month", "more"), [("fitness", 1, 11), ("retail", 12, 6), ("dental", 1, 6), ("pets", 6, 2)]
)
def test_the_season_moves_a_trade_modestly(slug, month, more):
    trade = verticals()[slug]
    inside, outside = RULES.trade.factor(trade, month), RULES.trade.factor(trade, more)
    assert 1 < inside / outside < 1.25


def test_a_trade_without_a_season_is_the_same_all_year():
    assert len({RULES.trade.factor(verticals()["legal"], month) for month in range(1, 13)}) == 1


def test_the_margin_counts_refunds_and_fees():
    expected = day_plan.Expected(100, {}, 5_000_000, 30, 28, 0.05)
    net = 19_900 * (1 - 0.05 - 0.029) - 30
    assert day_plan.margin_microusd(expected, 19_900, RULES) == pytest.approx(0.05 * net * 10_000 - 5_000_000, abs=2)
    assert expected.microusd_per_sale == 100_000_000
    assert dataclasses.replace(expected, sales=0.0).microusd_per_sale is None


def test_own_lists_come_first_and_leave_untried_targets_their_share_of_the_rest():
    tried, fresh = target(1, judged=200, qualified=100), target(2)
    of = state(tried, fresh, daily_quota=100, imports=60)
    assert counts(day_plan.make(of, RULES)) == {tried.place: 36, fresh.place: 4}


def test_own_lists_are_paid_for_before_anything_is_searched_for():
    each = day_plan.business_microusd(state(), RULES)
    of = state(target(1), daily_quota=100, imports=10, money_left={"campaign": 10 * each})
    assert counts(day_plan.make(of, RULES)) == {target(1).place: 0}


def test_own_rows_that_the_day_has_taken_use_its_quota_up():
    of = state(target(1, quota=100), daily_quota=100, imports=50, taken=80)
    assert of.own_rows == 20
    assert counts(day_plan.make(of, RULES)) == {target(1).place: 0}


@given(st.integers(0, 500), st.floats(0, 1))
def test_each_expected_letter_is_one_call_of_the_mailer(businesses, leads):
    expected = day_plan.expect(state(), RULES, businesses, leads)
    assert expected.calls["sendgrid"] == round(expected.mails)
