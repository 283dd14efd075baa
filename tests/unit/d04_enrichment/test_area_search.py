"""When an area is searched instead of one business after the other: tiles, expectations, and what pays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d00_gateway.places import Box
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d04_enrichment.area_search import (
    Prices,
    Tile,
    Yield,
    area_km2,
    expected_matches,
    single_microusd,
    tiles,
    worth,
)
from leadfactory.d04_enrichment.policy import policy

RULES = policy().places.area
PRICES = Prices(page=35_000, single=22_000)
CORNER = Box(40.74, -74.0, 40.75, -73.99)
points = st.lists(st.tuples(st.floats(-80, 80), st.floats(-170, 170)), max_size=120)


@given(points)
def test_each_business_is_in_one_tile_and_inside_it(given_points):
    found = tiles(given_points, RULES)
    assert sorted(i for tile in found for i in tile.members) == list(range(len(given_points)))
    for tile in found:
        for i in tile.members:
            latitude, longitude = given_points[i]
            assert tile.box.south <= latitude <= tile.box.north
            assert tile.box.west <= longitude <= tile.box.east
        coincide = len({given_points[i] for i in tile.members}) == 1
        assert len(tile.members) <= RULES.businesses_per_tile or coincide


def test_businesses_behind_one_door_stay_together_however_many():
    assert [len(tile.members) for tile in tiles([(40.0, -74.0)] * 80, RULES)] == [80]


def test_no_business_needs_no_tile():
    assert tiles([], RULES) == []


def test_an_area_is_measured_in_square_kilometres():
    assert area_km2(CORNER) == pytest.approx(1.112 * 1.112 * 0.757, rel=0.01)


@given(st.integers(0, 60), st.integers(0, 400), st.data())
def test_never_more_matches_are_expected_than_businesses_or_places_of_a_page(open_, results, data):
    seen = Yield(results, data.draw(st.integers(0, results)))
    assert 0 <= expected_matches(Tile(CORNER, ()), open_, seen, RULES) <= min(open_, 20)


def test_pages_that_gave_nothing_lower_what_is_expected_and_full_ones_raise_it():
    tile = Tile(CORNER, ())
    blank = expected_matches(tile, 20, Yield(), RULES)
    assert expected_matches(tile, 20, Yield(40, 0), RULES) < blank < expected_matches(tile, 20, Yield(40, 36), RULES)


@pytest.mark.parametrize(
    ("expected", "pays"), [(0.0, False), (1.59, False), (2.0, False), (2.07, True), (12.0, True)], ids=str
)
def test_a_page_is_bought_when_its_matches_alone_would_cost_the_margin_more(expected, pays):
    assert worth(expected, PRICES, RULES) is pays


def test_two_steps_are_taken_while_they_are_cheaper_at_the_configured_prices():
    policies = Policies.load()
    details, search = (
        policies.price("places", item).microusd for item in ("place_details_enterprise", "text_search_enterprise")
    )
    assert single_microusd(details, search, 1.1) == ("two_steps", 22_000)


@pytest.mark.parametrize(
    ("details", "search", "way"),
    [(20_000, 35_000, "two_steps"), (35_000, 35_000, "one_step"), (20_000, 21_000, "one_step")],
)
def test_a_change_of_price_changes_the_way(details, search, way):
    assert single_microusd(details, search, 1.1)[0] == way
