"""Targets of a campaign after it was seeded: more places, quotas of their own, rest."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d01_targeting import aims, campaigns, coverage, planning
from leadfactory.d01_targeting.places import PlaceSpec
from leadfactory.d02_sourcing import totals

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)


@pytest.fixture
def nyc(database):
    """A campaign of two ZIP codes; runs ``do(tx, its row)`` in a transaction."""
    with database.begin() as tx:
        places = [PlaceSpec("zip", code) for code in ("10001", "10002")]
        campaigns.seed(tx, vertical="restaurant", places=places, quota=100, name="nyc", now=NOW)

    def within(do):
        with database.begin() as tx:
            return do(tx, campaigns.get(tx, "nyc"))

    return within


def add(*codes, quota=40):
    return lambda tx, row: aims.add(tx, row, [PlaceSpec("zip", code) for code in codes], quota=quota, now=NOW)


def test_places_are_added_once(nyc):
    assert nyc(add("10003", "10001")) == ["10003"]
    assert nyc(add("10003")) == []
    assert [row["quota"] for row in nyc(lambda tx, row: aims.of(tx, "nyc"))] == [50, 50, 40]


@pytest.mark.parametrize(
    ("do", "told"),
    [
        (add(), "no place to add"),
        (add("10003", quota=0), "quota=0 is out of range"),
        (add("99999"), "'99999' is not a US ZIP"),
        (lambda tx, row: aims.add(tx, row, [PlaceSpec("city", "New York, NY")], quota=1, now=NOW), "overlaps '1000"),
        (lambda tx, row: aims.change(tx, row, "10001"), "nothing to set"),
        (lambda tx, row: aims.change(tx, row, "10001", quota=10**9), "quota=1000000000"),
    ],
)
def test_what_cannot_be_is_named(nyc, do, told):
    with pytest.raises(ValueError, match=told):
        nyc(do)


def test_an_unknown_target_is_named_with_those_that_exist(nyc):
    with pytest.raises(LookupError, match="no target '10009': it aims at 10001, 10002"):
        nyc(lambda tx, row: aims.change(tx, row, "10009", quota=1))


def test_a_closed_campaign_takes_no_more_places(nyc):
    nyc(lambda tx, row: campaigns.close(tx, "nyc"))
    with pytest.raises(ValueError, match="is closed"):
        nyc(add("10003"))


def test_a_quota_bounds_the_plan_and_a_resting_target_is_left_out(nyc, database):
    nyc(lambda tx, row: aims.change(tx, row, "10001", quota=7))
    nyc(lambda tx, row: aims.change(tx, row, "10002", active=False))
    report = planning.plan_day(CampaignDay("nyc", NOW.date()), db=database, clock=Clock(start=NOW))
    assert (report.rows_out, report.counts["businesses planned"]) == (1, 7)


def test_a_resting_target_gives_its_ground_free_and_wakes_only_while_it_is(nyc, database):
    nyc(lambda tx, row: aims.change(tx, row, "10001", active=False))
    with database.begin() as tx:
        campaigns.seed(tx, vertical="restaurant", places=[PlaceSpec("zip", "10001")], quota=5, name="other", now=NOW)
    with pytest.raises(ValueError, match="overlaps '10001' of campaign 'other'"):
        nyc(lambda tx, row: aims.change(tx, row, "10001", active=True))


def part(place: str, **given) -> str:
    """SQL that stores a part of a target; the whole target unless ``parent_id`` is given."""
    row = {
        "part_id": "gen_random_uuid()",
        "position": 0,
        "next_offset": 0,
        "parent_id": "NULL",
        "split_by": "NULL",
    } | given
    names, values = ", ".join(row), ", ".join(str(each) for each in row.values())
    return (
        f"INSERT INTO target_parts (target_id, yelp_categories, created_at, {names}) "
        f"SELECT target_id, 'restaurants', now(), {values} FROM targets WHERE place = '{place}'"
    )


def test_coverage_is_told_by_target(nyc, database):
    report = planning.plan_day(CampaignDay("nyc", NOW.date()), db=database, clock=Clock(start=NOW))
    parts = {"looked at": 0, "planned, not looked at yet": 50}
    assert report.stacks == {"10001": parts, "10002": parts}
    with database.begin() as tx:
        tx.exec_driver_sql(part("10002", next_offset=20))
        tx.exec_driver_sql(part("10001", next_offset=31))
        tx.exec_driver_sql("UPDATE targets SET next_offset = 31, exhausted_at = now() WHERE place = '10001'")
    report = planning.plan_day(CampaignDay("nyc", NOW.date()), db=database, clock=Clock(start=NOW))
    assert report.stacks == {
        "10001 (exhausted)": {"looked at": 31, "planned, not looked at yet": 0},
        "10002": {"looked at": 20, "planned, not looked at yet": 50},
    }
    assert report.counts["targets exhausted"] == 1


def test_a_split_target_is_covered_over_its_parts_and_not_by_one_cursor(nyc, database):
    whole = "'00000000-0000-0000-0000-000000000001'"
    with database.begin() as tx:
        tx.exec_driver_sql("UPDATE targets SET next_offset = 3 WHERE place = '10002'")
        tx.exec_driver_sql(part("10002", part_id=whole, next_offset=240, split_by="'category'"))
        for position in (1, 2):
            tx.exec_driver_sql(part("10002", parent_id=whole, position=position, next_offset=3))
        totals.tell(tx, uuid.UUID(whole.strip("'")), 700, NOW)
        fresh, split = coverage.of_campaign(tx, "nyc", NOW)
        (_, later) = coverage.of_campaign(tx, "nyc", NOW + dt.timedelta(hours=24))
    assert (split.looked_at, split.told_total, split.searches, split.exhausted) == (240, 700, 2, False)
    assert (fresh.looked_at, fresh.told_total, fresh.searches) == (0, None, 1)
    assert (split.told, fresh.told) == ("240 of 700", "0 of unknown")
    assert later.told == "240 of unknown", "Yelp's total outlives its term"
