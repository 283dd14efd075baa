"""Sharing out a day: never over any limit, the best target first."""

from __future__ import annotations

import math
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadfactory.d01_targeting.allotment import CAP, PAGE, Room, Wish, affordable, allot


def wish(number: int, quota: int = 100, offset: int = 0, leads: float = 0.3) -> Wish:
    return Wish(uuid.UUID(int=number), quota, offset, leads)


def businesses(wishes, room) -> list[int]:
    return [each.businesses for each in allot(wishes, room)]


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
    ],
)
def test_a_limit_bounds_the_day(room, given):
    assert businesses([wish(1)], room) == [given]


def test_yelps_last_result_bounds_a_target():
    assert businesses([wish(1, quota=500, offset=200)], Room(businesses=500)) == [CAP - 200]


wishes = st.lists(
    st.builds(Wish, st.uuids(), st.integers(0, 300), st.integers(0, 300), st.floats(0, 1)), max_size=8, unique_by=lambda each: each.target_id
)  # fmt: skip
rooms = st.builds(
    Room, st.integers(0, 600), st.none() | st.integers(0, 20), st.none() | st.integers(0, 10**7), st.integers(0, 10**4), st.integers(0, 10**5)
)  # fmt: skip


@given(wishes, rooms)
@settings(max_examples=300, deadline=None)
def test_no_plan_ever_passes_a_limit(wanted, room):
    made = allot(wanted, room)
    assert sum(each.businesses for each in made) <= room.businesses
    assert room.calls is None or sum(each.calls for each in made) <= room.calls
    assert room.microusd is None or sum(each.microusd for each in made) <= room.microusd
    for each, asked in zip(made, wanted, strict=True):
        assert each.target_id == asked.target_id
        assert 0 <= each.businesses <= asked.quota
        assert each.businesses == 0 or each.from_offset + each.businesses <= CAP
        assert each.calls == math.ceil(each.businesses / PAGE)


@given(wishes, rooms)
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_targets_changes_nothing(wanted, room):
    straight = {each.target_id: each for each in allot(wanted, room)}
    assert {each.target_id: each for each in allot(wanted[::-1], room)} == straight


@given(st.integers(0, 400), st.integers(0, 10**6), st.integers(0, 10**4), st.integers(0, 10**4))
@settings(max_examples=300, deadline=None)
def test_what_is_affordable_is_the_most_that_is(count, money, call, each):
    def cost(n: int) -> int:
        return math.ceil(n / PAGE) * call + n * each

    room = Room(businesses=count, call_microusd=call, business_microusd=each)
    most = affordable(count, money, room)
    assert cost(most) <= money
    assert most == count or cost(most + 1) > money
