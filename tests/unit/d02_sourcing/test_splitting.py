"""Searches beyond Yelp's limit: split until each part fits, continued after interruption, probed once exhausted."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory.clock import Clock
from leadfactory.d00_gateway import content
from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.tables import vendor_content
from leadfactory.d00_gateway.yelp import YelpPage
from leadfactory.d01_targeting.tables import targets
from leadfactory.d02_sourcing import parts
from leadfactory.d02_sourcing.matching import metres
from leadfactory.d02_sourcing.sourcing import source
from leadfactory.d02_sourcing.tables import sourced_businesses, target_parts
from tests.unit.d02_sourcing.conftest import NOW, FakeYelp, business

CATEGORIES = ("flowers", "jewelry", "bookstores", "furniture")
PRICES = (None, "1", "2", "3", "4")


@dataclasses.dataclass
class Town(FakeYelp):
    """A Yelp that filters by category, price and distance; ``calls_left`` is its daily limit."""

    calls_left: int = 10_000

    async def search(
        self, *, categories, limit, offset, location=None, radius_m=None, price=None, latitude=None, longitude=None
    ):
        assert limit + offset <= 240
        if self.calls_left <= 0:
            raise VendorUnavailable("yelp", "businesses/search", "daily_limit", status=429, left_the_house=False)
        self.calls_left -= 1
        self.asked.append((categories, price, offset, None if latitude is None else round(radius_m)))
        found = [
            each for each in self.listed if each["category"] in categories.split(",") and price in (None, each["price"])
        ]
        if latitude is not None:
            found = [each for each in found if metres(latitude, longitude, *each["coordinates"].values()) <= radius_m]
        return YelpPage(found[offset : offset + limit], len(found), NOW, NOW + dt.timedelta(hours=24))


def shop(number: int, category: str, price: str | None = None) -> dict:
    """A listing somewhere in ZIP code 10001."""
    at = {
        "latitude": 40.75 + (number * 37 % 100 - 50) * 0.0004,
        "longitude": -73.997 + (number * 61 % 100 - 50) * 0.0004,
    }
    return business(number, coordinates=at) | {"category": category, "price": price}


@pytest.fixture
def run(database, clock, settings):
    return lambda unit, yelp, on=clock: asyncio.run(source(unit, db=database, clock=on, settings=settings, yelp=yelp))


@pytest.fixture
def ids(database):
    def read() -> list[str]:
        with database.begin() as tx:
            return list(tx.scalars(sa.select(sourced_businesses.c.yelp_id)))

    return read


def test_a_search_of_more_than_240_results_is_split_by_category_and_all_is_found(planned, run, ids):
    yelp = Town([shop(n, CATEGORIES[n % 4]) for n in range(700)])
    report = run(planned(quota=1_500), yelp)
    assert len(ids()) == len(set(ids())) == 700
    assert report.counts["coverage in percent"] == 100
    assert "goes on in 4 parts by category" in " ".join(report.notes)
    assert {asked[0] for asked in yelp.asked} == {",".join(CATEGORIES), *CATEGORIES}


def test_a_category_that_does_not_fit_is_split_by_price_then_the_unpriced_by_tiles(planned, run, ids):
    yelp = Town([shop(n, "flowers", PRICES[n % 5]) for n in range(900)])
    report = run(planned(quota=1_500), yelp)
    assert len(set(ids())) == 900
    assert report.counts["coverage in percent"] == 100
    assert {asked[1] for asked in yelp.asked} == set(PRICES)
    assert any(asked[3] for asked in yelp.asked)


def test_a_tower_of_more_businesses_than_yelp_shows_is_told_and_not_asked_for_ever(planned, run, database):
    yelp = Town([shop(7, "flowers") | {"id": f"tower-{n}"} for n in range(300)])
    report = run(planned(quota=1_500), yelp)
    assert "of its smallest part" in " ".join(report.notes)
    assert report.counts["coverage in percent"] < 100
    with database.begin() as tx:
        assert tx.scalar(sa.select(targets.c.exhausted_at)) is not None


def test_an_interrupted_run_goes_on_in_the_part_where_it_stopped(planned, run, ids):
    yelp = Town([shop(n, CATEGORIES[n % 4]) for n in range(700)], calls_left=8)
    unit = planned(quota=1_500)
    run(unit, yelp)
    before, asked = len(ids()), len(yelp.asked)
    yelp.calls_left = 1_000
    run(unit, yelp)
    assert before < len(ids()) == 700
    assert not set(yelp.asked[:asked]) & set(yelp.asked[asked:])


def test_the_daily_limit_defers_the_rest_with_the_reason_and_asks_no_other_target(planned, run, ids, database):
    unit = planned(quota=200, zips=("10001", "10002", "10003"))
    yelp = Town([shop(n, "flowers") for n in range(200)], calls_left=1)
    report = run(unit, yelp)
    assert len(ids()) == 50
    assert report.rows_open == 150
    assert len(yelp.asked) == 1
    with database.begin() as tx:
        waiting = tx.execute(sa.select(target_parts.c.deferred, target_parts.c.deferred_reason)).all()
        exhausted = tx.scalar(sa.select(sa.func.count(targets.c.exhausted_at)))
    assert sorted(row.deferred for row in waiting) == [17, 66, 67]
    assert {row.deferred_reason for row in waiting} == {"daily_limit"}
    assert exhausted == 0


def test_what_was_deferred_is_bought_the_next_day_from_where_it_stopped(planned, run, ids, database):
    yelp = Town([shop(n, "flowers") for n in range(200)], calls_left=1)
    run(planned(quota=150), yelp)
    yelp.calls_left = 10
    tomorrow = Clock(start=NOW + dt.timedelta(days=1))
    run(planned(quota=150, on=tomorrow), yelp, tomorrow)
    assert [asked[2] for asked in yelp.asked] == [0, 50, 100, 150]
    assert len(set(ids())) == 200


def test_an_exhausted_target_costs_one_call_a_day_and_notices_new_results(planned, run, ids, database):
    yelp = Town([shop(n, "flowers") for n in range(30)])
    run(planned(quota=100), yelp)
    for day, new in ((1, 0), (2, 5)):
        on = Clock(start=NOW + dt.timedelta(days=day))
        yelp.listed += [shop(1_000 + n, "flowers") for n in range(new)]
        unit, asked = planned(quota=100, on=on), len(yelp.asked)
        assert run(unit, yelp, on).calls == 1
        assert run(unit, yelp, on).calls == 0
        assert len(yelp.asked) == asked + 1
    on = Clock(start=NOW + dt.timedelta(days=3))
    run(planned(quota=100, on=on), yelp, on)
    assert len(ids()) == len(set(ids())) == 35


@pytest.fixture
def later(planned, run, database):
    """One night that many days later, upkeep first: its report."""

    def night(days: int, yelp: Town, quota: int = 1_500, **options):
        on = Clock(start=NOW + dt.timedelta(days=days))
        with database.begin() as tx:
            content.purge(tx, on.now())
        return run(planned(quota=quota, on=on, **options), yelp, on)

    return night


def test_an_exhausted_target_stays_exhausted_though_yelps_total_is_gone(planned, run, later, ids, database):
    yelp = Town([shop(n, CATEGORIES[n % 4]) for n in range(700)])
    run(planned(quota=1_500), yelp)
    assert [later(day, yelp).calls for day in (1, 2, 3, 40)] == [1, 1, 1, 1]
    with database.begin() as tx:
        assert tx.scalar(sa.select(targets.c.exhausted_at)) is not None


def test_new_results_of_a_split_target_are_noticed_without_yelps_total(planned, run, later, ids):
    yelp = Town([shop(n, CATEGORIES[n % 4]) for n in range(700)])
    run(planned(quota=1_500), yelp)
    yelp.listed += [shop(900 + n, "flowers") for n in range(3)]
    assert "there are new results" in " ".join(later(5, yelp).notes)
    later(6, yelp)
    assert len(set(ids())) == 703
    assert later(8, yelp).calls == 1


def test_what_yelp_cuts_is_not_looked_at_again_every_day(planned, run, later):
    yelp = Town([shop(7, "flowers") | {"id": f"tower-{n}"} for n in range(300)])
    run(planned(quota=1_500), yelp)
    assert [later(day, yelp).calls for day in (2, 3, 4, 40)] == [1, 1, 1, 1]


def test_a_target_whose_neighbour_had_some_first_is_looked_at_again_once_a_month(planned, run, later):
    zips = ("10001", "10002")
    yelp = Town([shop(n, CATEGORIES[n % 4]) for n in range(500)])
    run(planned(quota=1_500, zips=zips), yelp)  # both of them find the same
    nights = [later(day, yelp, zips=zips) for day in range(1, 12)]
    opened = [sum("there are new results" in note for note in night.notes) for night in nights]
    assert sum(opened) <= 2, opened
    assert nights[-1].calls == 2
    assert any("there are new results" in note for note in later(50, yelp, zips=zips).notes)


def test_tiles_find_the_unpriced_though_the_search_took_longer_than_its_totals_last(planned, run, later, ids):
    yelp = Town([shop(n, "flowers", PRICES[n % 5]) for n in range(900)])
    for day in range(5):
        later(day, yelp, quota=200) if day else run(planned(quota=200), yelp)
    assert len(set(ids())) == 900


def test_what_yelp_told_of_is_in_no_row_that_stays(planned, run, database):
    report = run(planned(quota=1_500), Town([shop(n, CATEGORIES[n % 4]) for n in range(767)]), Clock(start=NOW))
    with database.begin() as tx:
        content.purge(tx, NOW + dt.timedelta(hours=24))
        parts_left = [str(tuple(row)) for row in tx.execute(sa.select(target_parts))]
        assert tx.scalar(sa.select(sa.func.count()).select_from(vendor_content)) == 0
    assert parts_left
    assert not [row for row in parts_left if "767" in row.replace("-", " ").split()]
    assert "767" not in " ".join(report.notes)


def test_the_tiles_of_a_square_cover_it():
    place = parts.find(parts.PlaceSpec("zip", "10001"))
    whole = parts.whole(parts._NAMESPACE, "flowers")
    how, tiles = parts.split(whole, place, 1, prices_done=True)
    assert (how, len(tiles)) == ("tile", 4)
    for north in range(-50, 51, 10):
        for east in range(-50, 51, 10):
            at = (place.latitude + north / 50 * 5_900 / 111_320, place.longitude + east / 50 * 5_900 / 111_320 / 0.7575)
            reach = [metres(*at, tile.latitude, tile.longitude) <= tile.half_side_m * 2**0.5 + 1 for tile in tiles]
            assert any(reach)
