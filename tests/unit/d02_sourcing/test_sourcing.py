"""Buying listings: page by page, never twice, never confusing "down" with "nothing there"."""

from __future__ import annotations

import asyncio
import datetime as dt
import json

import pytest
import sqlalchemy as sa

from leadfactory.campaign_days import campaign_days
from leadfactory.clock import Clock
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.tables import vendor_content
from leadfactory.d01_targeting.tables import targets
from leadfactory.d02_sourcing import listings
from leadfactory.d02_sourcing.sourcing import source
from leadfactory.d02_sourcing.tables import sourced_businesses
from leadfactory.quality.tables import rejected_rows
from leadfactory.vendor_terms import PATH, VendorTerms
from tests.unit.d02_sourcing.conftest import NOW, FakeYelp, business

DOWN = VendorUnavailable("yelp", "businesses/search", "timeout")


@pytest.fixture
def run(database, clock, settings):
    def run_once(unit, yelp, *, limit=None, on=clock):
        return asyncio.run(source(unit, db=database, clock=on, settings=settings, yelp=yelp, limit=limit))

    return run_once


@pytest.fixture
def stored(database):
    def read() -> list[sa.Row]:
        with database.begin() as tx:
            return list(tx.execute(sa.select(sourced_businesses).order_by(sourced_businesses.c.rank)))

    return read


def test_pages_until_what_was_planned_is_stored(planned, run, stored):
    yelp = FakeYelp([business(n) for n in range(200)])
    report = run(planned(quota=120), yelp)
    assert (report.rows_out, report.calls, yelp.asked) == (120, 3, [("10001", 0), ("10001", 50), ("10001", 100)])
    assert [row.rank for row in stored()] == list(range(120))


def test_a_second_run_makes_no_call_and_changes_nothing(planned, run, stored):
    unit, yelp = planned(quota=120), FakeYelp([business(n) for n in range(200)])
    run(unit, yelp)
    before, calls = stored(), len(yelp.asked)
    report = run(unit, yelp)
    assert (stored(), len(yelp.asked)) == (before, calls)
    assert (report.calls, report.rows_reused, report.rows_out) == (0, 120, 120)


def test_an_interrupted_run_continues_after_the_page_it_stored(planned, run, stored):
    unit, yelp = planned(quota=120), FakeYelp([business(n) for n in range(200)], failures={50: KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        run(unit, yelp)
    assert len(stored()) == 50
    run(unit, yelp)
    assert yelp.asked == [("10001", 0), ("10001", 50), ("10001", 100)]
    assert len(stored()) == 120


def test_a_target_with_fewer_results_is_exhausted_and_not_asked_again(planned, run, stored, database):
    unit, yelp = planned(quota=120), FakeYelp([business(n) for n in range(60)])
    report = run(unit, yelp)
    assert "exhausted after 60 results" in " ".join(report.notes)
    again = run(unit, yelp)
    assert (again.calls, len(stored())) == (0, 60)
    with database.begin() as tx:
        assert tx.scalar(sa.select(targets.c.exhausted_at)) == NOW


def test_yelps_limit_of_240_results_is_kept_and_told(planned, run, stored):
    report = run(planned(quota=240), FakeYelp([business(n) for n in range(900)]))
    assert len(stored()) == 240
    told = " ".join(report.notes)
    assert "Yelp shows 240 results of a search that has more" in told
    assert "900" not in told, "a note stays longer than what Yelp said may"


def test_no_results_is_not_yelp_being_down(planned, run):
    nothing = run(planned(quota=50, name="nothing"), FakeYelp([]))
    down = run(planned(quota=50, zips=("10002",), name="down"), FakeYelp([], failures={0: DOWN}))
    assert (nothing.rows_open, nothing.rows_out) == (0, 0)
    assert (down.rows_open, down.rows_out) == (50, 0)
    assert "timeout" in " ".join(down.notes)


def test_what_yelp_could_not_give_is_fetched_when_it_is_back(planned, run, stored):
    unit, yelp = planned(quota=100), FakeYelp([business(n) for n in range(200)], failures={50: DOWN})
    assert run(unit, yelp).rows_open == 50
    assert run(unit, yelp).rows_open == 0
    assert len(stored()) == 100


def test_a_search_that_yelp_refuses_leaves_the_other_targets_alone(planned, run, stored):
    unit = planned(quota=40, zips=("10001", "10002"))
    refused = VendorRejected("yelp", "businesses/search", "location_not_found")
    report = run(unit, FakeYelp([business(n) for n in range(40)], failures={0: refused}))
    assert (len(stored()), report.counts["planned but refused by yelp"], report.rows_open) == (20, 20, 0)


def test_a_limit_bounds_the_day_and_the_rest_follows_without_it(planned, run, stored):
    unit, yelp = planned(quota=80), FakeYelp([business(n) for n in range(200)])
    assert run(unit, yelp, limit=10).rows_out == 10
    run(unit, yelp)
    assert [row.rank for row in stored()] == list(range(80))


def test_a_listing_that_two_targets_find_is_stored_once_and_replaced_by_another(planned, run, stored):
    unit = planned(quota=100, zips=("10001", "10002"))
    report = run(unit, FakeYelp([business(n) for n in range(120)]))
    ids = [row.yelp_id for row in stored()]
    assert len(ids) == len(set(ids)) == 100
    assert report.rows_out == 100


def test_the_day_is_closed_for_sourcing_once_it_is_over(planned, run, stored):
    unit, yelp = planned(quota=60), FakeYelp([business(n) for n in range(200)])
    run(unit, yelp, limit=20)
    report = run(unit, yelp, on=Clock(start=NOW + dt.timedelta(days=1)))
    assert (report.calls, len(stored())) == (0, 20)
    assert "closed for sourcing" in " ".join(report.notes)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"is_closed": True}, "closed_permanently"),
        ({"attributes": {"business_temp_closed": 1_760_000_000}}, "closed_temporarily"),
        (
            {"location": {"address1": "1 King St", "city": "Windsor", "zip_code": "N9A 1A1", "country": "CA"}},
            "outside_us",
        ),
        ({}, None),
    ],
)
def test_a_business_that_is_not_pursued_is_stored_with_the_reason(planned, run, stored, given, reason):
    run(planned(quota=1), FakeYelp([business(1, **given)]))
    assert [row.excluded_reason for row in stored()] == [reason]


def test_a_listing_without_a_name_is_refused_with_the_rule_and_not_bought_again(planned, run, stored, database):
    unit, yelp = planned(quota=3), FakeYelp([business(0), business(1, name="  "), business(2)])
    report = run(unit, yelp)
    with database.begin() as tx:
        assert list(tx.scalars(sa.select(rejected_rows.c.rule))) == ["name_present"]
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (3, 2, 1)
    assert run(unit, yelp).calls == 0


def test_a_sparse_or_foreign_lettered_listing_is_stored(planned, run, stored):
    sparse = {"id": "yelp-x", "name": "北京楼 Ñandú", "location": None, "coordinates": None, "phone": ""}
    run(planned(quota=1), FakeYelp([sparse]))
    (row,) = stored()
    assert row.name_hmac is not None
    assert (row.phone_hmac, row.address_hmac) == (None, None)


def test_only_ids_and_hashes_stay_once_yelps_content_is_gone(planned, run, stored, database):
    run(planned(quota=2), FakeYelp([business(1, name="Zorrilla's Unmistakable"), business(2)]))
    text = json.dumps([[str(value) for value in row] for row in stored()])
    assert "Zorrilla" not in text
    assert "Elm St" not in text
    with database.begin() as tx:
        assert set(tx.scalars(sa.select(vendor_content.c.expires_at))) == {NOW + dt.timedelta(hours=24)}


def test_content_that_a_crash_of_the_database_emptied_is_fetched_again_once(planned, run, stored, database):
    unit, yelp = planned(quota=120), FakeYelp([business(n) for n in range(200)])
    run(unit, yelp)
    before = stored()
    with database.begin() as tx:
        tx.execute(sa.delete(vendor_content))
    report = run(unit, yelp)
    assert "120 fetched again" in " ".join(report.notes)
    assert (report.calls, stored()) == (3, before)
    assert run(unit, yelp).calls == 0


def test_the_lake_is_told_that_it_is_behind(planned, run, database):
    run(planned(quota=1), FakeYelp([business(1)]))
    with database.begin() as tx:
        assert "sourced_businesses" in tx.scalar(sa.select(campaign_days.c.dirty))


@pytest.mark.parametrize(("signature", "band"), [("", None), ("accepted_by: Ana, accepted_on: 2026-10-01, ", "11-50")])
def test_a_band_of_reviews_is_stored_only_once_somebody_signed_for_it(
    planned, run, stored, monkeypatch, tmp_path, signature, band
):
    file = tmp_path / "vendor_terms.yaml"
    file.write_text(PATH.read_text().replace("residue: band, ", f"residue: band, {signature}"))
    terms = VendorTerms.load(file)
    monkeypatch.setattr(VendorTerms, "load", lambda: terms)
    run(planned(quota=1), FakeYelp([business(1, review_count=50)]))
    assert [row.review_band for row in stored()] == [band]


@pytest.mark.parametrize(
    ("count", "band"),
    [
        (0, "0"),
        (1, "1-10"),
        (10, "1-10"),
        (11, "11-50"),
        (50, "11-50"),
        (51, ">50"),
        (None, None),
        (-1, None),
        ("9", None),
    ],
)
def test_reviews_are_counted_coarsely(count, band):
    assert listings.review_band({"review_count": count}) == band
