"""Who is unique in a day, and who was known before: ids are given once, merges keep their evidence."""

from __future__ import annotations

import asyncio
import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from leadfactory.clock import Clock
from leadfactory.d00_gateway import content
from leadfactory.d01_targeting import exclusions
from leadfactory.d01_targeting.exclusion_values import Value
from leadfactory.d02_sourcing.sourcing import source
from leadfactory.d02_sourcing.tables import business_merges, businesses, unique_businesses
from leadfactory.d02_sourcing.uniqueness import unify
from leadfactory.keyed_hashes import KeyedHashes
from tests.unit.d02_sourcing.conftest import NOW, FakeYelp, business

TOMORROW = Clock(start=NOW + dt.timedelta(days=1))


@pytest.fixture
def day(planned, database, clock, settings):
    """Sources and unifies a list of listings on a day of a campaign of its own."""

    def make(listed, *, name="shops", zips=("10001",), on=clock, forget=False):
        unit = planned(quota=max(1, len(listed)), zips=zips, name=name, on=on)
        asyncio.run(source(unit, db=database, clock=on, settings=settings, yelp=FakeYelp(listed)))
        if forget:
            with database.begin() as tx:
                content.purge(tx, NOW + dt.timedelta(days=9))
        return unify(unit, db=database, clock=on, settings=settings)

    return make


@pytest.fixture
def unique(database):
    def read(campaign="shops") -> list[sa.Row]:
        table = unique_businesses
        with database.begin() as tx:
            return list(tx.execute(sa.select(table).where(table.c.campaign == campaign).order_by(table.c.business_id)))

    return read


def twice(number: int, **given) -> list[dict]:
    """A business and its second listing under another id."""
    first = business(number)
    return [first, first | {"id": f"yelp-again-{number}", "name": f"The {first['name']}"} | given]


@pytest.mark.parametrize("forget", [False, True], ids=["by content", "by hashes after it expired"])
def test_the_same_business_listed_twice_is_one(day, unique, forget):
    listed = [business(1), *twice(2, location={**business(2)["location"], "address1": "2 Elm Street"}), business(3)]
    report = day(listed, forget=forget)
    assert (report.rows_in, report.rows_out, report.counts["merged away"]) == (4, 3, 1)
    assert sorted(len(row.merged_sourced_ids) for row in unique()) == [0, 0, 1]


def test_a_comparison_by_hashes_only_is_told(day):
    assert "keyed hashes only" in " ".join(day([business(1)], forget=True).notes)
    assert day([business(2)], name="other", zips=("10002",)).notes == ()


def test_two_branches_of_a_chain_are_two(day, unique):
    branch = {"name": "Pronto Slice", "phone": "+12125550100"}
    far = {"location": {**business(2)["location"], "address1": "900 Broadway"}}
    report = day([business(1, **branch), business(400, **branch, **far)], forget=False)
    assert report.rows_out == 2


def test_two_branches_stay_two_when_only_hashes_are_left(day):
    branch = {"name": "Pronto Slice", "phone": "+12125550100"}
    assert day([business(1, **branch), business(400, **branch)], forget=True).rows_out == 2


def test_the_decision_does_not_depend_on_the_order_of_the_listings(day, unique):
    listed = [business(1), *twice(2), business(3), *twice(4)]
    day(listed)
    day(list(reversed(listed)), name="reversed", zips=("10002",))
    assert {row.business_id for row in unique()} == {row.business_id for row in unique("reversed")}


def test_a_second_run_changes_nothing(day, unique, database, clock, settings):
    report = day([business(1), *twice(2)])
    before = unique()
    again = unify(report.unit, db=database, clock=clock, settings=settings)
    assert unique() == before
    assert again.rows_reused == again.rows_out == 2


def test_a_business_of_an_earlier_cohort_keeps_its_id_and_is_marked(day, unique):
    day([business(1), business(2)])
    report = day([business(2) | {"id": "yelp-new-id"}, business(3)], name="later", zips=("10002",), on=TOMORROW)
    first, later = unique(), unique("later")
    assert report.counts["known from an earlier cohort"] == 1
    (known,) = [row for row in later if row.duplicate_of is not None]
    assert known.business_id == known.duplicate_of
    assert known.business_id in {row.business_id for row in first}


def test_a_closed_listing_does_not_hide_its_open_twin(day, unique):
    day([business(1, is_closed=True), business(1) | {"id": "yelp-open"}])
    (row,) = unique()
    assert row.excluded_reason is None


@pytest.mark.parametrize(("kind", "value"), [("phone", "+12122000002"), ("name", "Shop 2 Unlike 15838")])
def test_a_business_on_an_exclusion_list_is_out_with_the_list_as_its_reason(
    day, unique, database, settings, kind, value
):
    hashes = KeyedHashes(settings.suppression_key.get_secret_value())
    with database.begin() as tx:
        exclusions.add(tx, hashes, [Value(kind, value)], into="chains", label="test", campaign=None, now=NOW)
    report = day([business(1), business(2), business(3)])
    assert sorted(str(row.excluded_reason) for row in unique()) == ["None", "None", "excluded_chains"]
    assert report.counts["excluded"] == 1


def test_listings_that_come_later_on_the_day_join_what_was_decided(planned, database, clock, settings, unique):
    unit, yelp = planned(quota=3), FakeYelp([business(1), business(2), business(1) | {"id": "yelp-again"}])
    for limit in (2, 3):
        asyncio.run(source(unit, db=database, clock=clock, settings=settings, yelp=yelp, limit=limit))
        unify(unit, db=database, clock=clock, settings=settings)
    assert sorted(len(row.merged_sourced_ids) for row in unique()) == [0, 1]


def test_two_registered_businesses_that_turn_out_to_be_one_are_recorded_and_not_edited(day, unique, database):
    day([business(1), business(2, phone="")])
    before = unique()
    bridge = business(1) | {"id": "yelp-bridge"}
    day([bridge, business(1) | {"id": "yelp-00002"}], name="later", zips=("10002",), on=TOMORROW)
    assert unique() == before
    with database.begin() as tx:
        (merge,) = tx.execute(sa.select(business_merges)).all()
    assert merge.kind == "merge"
    assert {merge.survivor_id, merge.merged_id} == {row.business_id for row in before}


def test_every_unique_business_is_registered_once(day, unique, database):
    day([business(1), *twice(2), business(3)])
    with database.begin() as tx:
        registered = list(tx.scalars(sa.select(businesses.c.business_id)))
    assert sorted(registered) == sorted(row.business_id for row in unique())


def test_two_cohorts_that_find_one_business_at_once_register_it_once(planned, database, clock, settings, unique):
    units = [planned(quota=1, name=name, zips=(code,)) for name, code in (("one", "10001"), ("two", "10002"))]
    for unit in units:
        asyncio.run(source(unit, db=database, clock=clock, settings=settings, yelp=FakeYelp([business(1)])))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda unit: unify(unit, db=database, clock=clock, settings=settings), units))
    (one,), (two,) = unique("one"), unique("two")
    assert one.business_id == two.business_id
    assert sorted([one.duplicate_of is None, two.duplicate_of is None]) == [False, True]
