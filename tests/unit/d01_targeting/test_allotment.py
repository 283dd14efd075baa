"""Sharing out a day: never over any limit, the most expected leads, in whatever order the targets come."""

from __future__ import annotations

import dataclasses
import itertools
import math
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d01_targeting import allotment
from leadfactory.d01_targeting.allotment import PAGE, Room, Wish, allot
from tests.examples import examples


def wish(number: int, quota: int = 100, offset: int = 0, leads: float = 0.3, untried: bool = False) -> Wish:
    return Wish(uuid.UUID(int=number), quota, offset, leads, untried)


def businesses(wishes, room) -> list[int]:
    return [each.businesses for each in allot(wishes, room)]


def leads(wishes, room) -> float:
    return sum(each.leads * made.businesses for each, made in zip(wishes, allot(wishes, room), strict=True))


def test_the_target_with_more_leads_a_business_is_served_first():
    assert businesses([wish(1, leads=0.1), wish(2, leads=0.5)], Room(businesses=120)) == [20, 100]


@pytest.mark.parametrize(
    ("room", "given"),
    [
        (Room(businesses=30), 30),
        (Room(businesses=500), 100),
        (Room(businesses=500, calls=1), 50),
        (Room(businesses=500, calls=0), 0),
        (Room(businesses=500, microusd=10_000, call_microusd=0, business_microusd=1_000), 10),
        (Room(businesses=500, microusd=60_000, call_microusd=5_000, business_microusd=1_000), 50),
        (Room(businesses=500, microusd=61_000, call_microusd=5_000, business_microusd=1_000), 51),
        (Room(businesses=500, microusd=5_000, call_microusd=5_000, business_microusd=1_000), 0),
        (Room(businesses=500, microusd=0, call_microusd=1), 0),
        (Room(businesses=500, microusd=-7, call_microusd=1), 0),
        (Room(businesses=500, microusd=99, call_microusd=50), 50),
    ],
)
def test_a_limit_bounds_the_day(room, given):
    assert businesses([wish(1)], room) == [given]


@pytest.mark.parametrize("offset", [0, 200, 240])
def test_where_the_search_of_a_part_stands_bounds_no_target(offset):
    assert businesses([wish(1, quota=500, offset=offset)], Room(businesses=500)) == [500]


def test_a_quota_of_many_pages_is_bounded_by_calls_and_money_alone():
    wanted = [wish(1, quota=100_000, leads=0.5), wish(2, quota=100_000, leads=0.4)]
    assert businesses(wanted, Room(100_000, calls=7)) == [350, 0]
    assert businesses(wanted, Room(100_000, microusd=1_000_000, business_microusd=1_000)) == [1_000, 0]


def test_a_scarce_call_goes_where_it_brings_most_leads_and_not_to_the_best_share():
    assert businesses([wish(1, quota=10, leads=0.5), wish(2, quota=50, leads=0.4)], Room(500, calls=1)) == [0, 50]


def test_a_call_saved_pays_for_a_business():
    spread = [wish(1, quota=1, leads=0.31), wish(2, quota=50, leads=0.30)]
    room = Room(500, microusd=100 + 50 * 10, call_microusd=100, business_microusd=10)
    assert businesses(spread, room) == [0, 50]


def test_a_target_without_hope_gets_nothing():
    assert businesses([wish(1, leads=0.0), wish(2)], Room(businesses=500)) == [0, 100]


def test_untried_targets_get_their_share_of_the_day_and_no_more_than_they_have():
    tried, untried = wish(1, quota=200, leads=0.5), wish(2, quota=200, leads=0.1, untried=True)
    assert businesses([tried, untried], Room(100, explore=0.1)) == [90, 10]
    assert businesses([tried, dataclasses.replace(untried, quota=4)], Room(100, explore=0.1)) == [96, 4]
    assert businesses([tried, untried], Room(100, calls=2, explore=0.1)) == [90, 0]  # a third call is not to be had
    assert businesses([dataclasses.replace(tried, quota=30), untried], Room(100, explore=0.1)) == [30, 70]


wishes = st.lists(
    st.builds(Wish, st.uuids(), st.integers(0, 900), st.integers(0, 240), st.floats(0, 1), st.booleans()), max_size=8,
    unique_by=lambda each: each.target_id,
)  # fmt: skip
rooms = st.builds(
    Room, st.integers(0, 600), st.none() | st.integers(0, 20), st.none() | st.integers(0, 10**7), st.integers(0, 10**4),
    st.integers(0, 10**5), st.sampled_from([0.0, 0.1, 0.5, 1.0]),
)  # fmt: skip


@given(wishes, rooms)
@examples(300)
def test_no_plan_ever_passes_a_limit(wanted, room):
    made = allot(wanted, room)
    assert sum(each.businesses for each in made) <= room.businesses
    assert room.calls is None or sum(each.calls for each in made) <= room.calls
    assert room.microusd is None or sum(each.microusd for each in made) <= room.microusd
    for each, asked in zip(made, wanted, strict=True):
        assert each.target_id == asked.target_id
        assert 0 <= each.businesses <= asked.quota
        assert each.from_offset == asked.next_offset
        assert each.calls == math.ceil(each.businesses / PAGE)


@given(wishes, rooms, st.randoms(use_true_random=False))
@examples(150)
def test_the_order_of_the_targets_changes_nothing(wanted, room, chance):
    straight = {each.target_id: each for each in allot(wanted, room)}
    chance.shuffle(wanted)
    assert {each.target_id: each for each in allot(wanted, room)} == straight


@given(
    wishes, rooms, st.sampled_from(["microusd", "calls", "businesses"]), st.integers(1, 10) | st.integers(1, 2_000_000)
)
@examples(300)
def test_a_larger_budget_or_quota_never_gives_fewer_expected_leads(wanted, room, limit, more):
    if getattr(room, limit) is None:
        room = dataclasses.replace(room, **{limit: 3})
    larger = dataclasses.replace(room, **{limit: getattr(room, limit) + more})
    assert leads(wanted, larger) >= leads(wanted, room) - 1e-5


few = st.lists(
    st.builds(Wish, st.uuids(), st.integers(1, 7), st.integers(0, 240), st.floats(0.01, 1), st.booleans()), min_size=1, max_size=3,
    unique_by=lambda each: each.target_id,
)  # fmt: skip
tight = st.builds(
    Room, st.integers(0, 15), st.none() | st.integers(0, 3), st.integers(0, 60), st.integers(0, 9), st.integers(0, 6)
)


@given(few, tight)
@examples(300)
def test_no_other_plan_expects_more_leads(wanted, room):
    best = 0.0
    for counts in itertools.product(*(range(each.most + 1) for each in wanted)):
        if room.allows(sum(count > 0 for count in counts), sum(counts)):
            best = max(best, sum(each.leads * count for each, count in zip(wanted, counts, strict=True)))
    assert leads(wanted, room) == pytest.approx(best, abs=1e-6)


@given(st.integers(0, 5), st.integers(1, 4), st.integers(1, 120))
@examples(40)
def test_pages_of_fifty_are_counted_as_calls(calls, spare, quota):
    """Against every split of two targets whose quotas take more than one page."""
    wanted = [wish(1, quota=quota, leads=0.5), wish(2, quota=110, leads=0.4)]
    room = Room(businesses=130 + spare, calls=calls)
    best = max(
        0.5 * one + 0.4 * other
        for one in range(quota + 1)
        for other in range(111)
        if room.allows(math.ceil(one / PAGE) + math.ceil(other / PAGE), one + other)
    )
    assert leads(wanted, room) == pytest.approx(best, abs=1e-6)


def test_a_day_larger_than_the_program_is_still_planned_within_its_limits(monkeypatch):
    monkeypatch.setattr(allotment, "MOST_EXACT", 60)
    wanted = [wish(n, quota=240, offset=230, leads=0.2 + n / 1000) for n in range(1, 40)]
    small, large = Room(5_000, calls=2), Room(5_000, calls=70)
    assert sum(businesses(wanted, small)) == 100
    assert sum(businesses(wanted, large)) > 3_000
    assert leads(wanted, large) >= leads(wanted, small)
