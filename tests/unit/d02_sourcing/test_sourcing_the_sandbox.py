"""Sourcing over the real client, gateway and sandbox: what was planned is stored, and no fault of Yelp looks like "no results"."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator

import httpx
import pytest
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.tables import vendor_content
from leadfactory.d00_gateway.yelp import YelpClient
from leadfactory.d01_targeting import campaigns, coverage, planning, previewing
from leadfactory.d01_targeting.places import PlaceSpec
from leadfactory.d02_sourcing.sourcing import source
from leadfactory.d02_sourcing.tables import sourced_businesses, unique_businesses
from leadfactory.d02_sourcing.uniqueness import unify
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport
from sandbox import process
from tests.unit.d02_sourcing.conftest import NOW, business


@pytest.fixture(scope="module")
def sandbox() -> Iterator[process.SandboxProcess]:
    with process.start(clock=NOW.isoformat()) as found:
        yield found


@pytest.fixture
def settings(sandbox) -> Settings:
    """What a development process with no vendor key sees, but for the port."""
    return Settings(env="test", sandbox_url=sandbox.base_url, clock_spec=NOW.isoformat())


@pytest.fixture
def run(database, clock, settings) -> Callable[..., StageReport]:
    """Sources with a client of its own, as a process does that was just started."""

    def once(unit: CampaignDay, *, limit: int | None = None) -> StageReport:
        yelp = YelpClient(Gateway(database, clock=clock, settings=settings), settings)
        return asyncio.run(source(unit, db=database, clock=clock, settings=settings, yelp=yelp, limit=limit))

    return once


@pytest.fixture
def stored(database) -> Callable[[], list[sa.Row]]:
    def read() -> list[sa.Row]:
        with database.begin() as tx:
            return list(tx.execute(sa.select(sourced_businesses).order_by(sourced_businesses.c.rank)))

    return read


@pytest.fixture
def fault(sandbox) -> Iterator[Callable[..., None]]:
    """Switches a fault of Yelp on until the end of the test."""

    def add(**fields: object) -> None:
        given = {"vendor": "yelp", "rate": 1.0, **fields}
        httpx.post(f"{sandbox.base_url}/_admin/faults", json=given).raise_for_status()

    yield add
    httpx.delete(f"{sandbox.base_url}/_admin/faults").raise_for_status()


def test_what_was_planned_is_bought_in_the_fewest_pages(planned, run, stored):
    report = run(planned(quota=60))
    assert (report.rows_out, report.calls, len(stored())) == (60, 2, 60)


def test_a_second_process_buys_nothing(planned, run, stored):
    unit = planned(quota=60)
    run(unit)
    before = stored()
    again = run(unit)
    assert (again.calls, again.rows_reused, stored()) == (0, 60, before)


def test_what_yelp_said_is_kept_for_a_day_and_no_longer(planned, run, database):
    run(planned(quota=5))
    with database.begin() as tx:
        terms = tx.execute(
            sa.select(vendor_content.c.fetched_at, vendor_content.c.expires_at).where(vendor_content.c.subject != "")
        ).all()
    assert terms
    assert all(row.expires_at - row.fetched_at <= dt.timedelta(hours=24) for row in terms)


def test_no_word_of_yelps_is_in_the_rows(planned, run, stored, database):
    run(planned(quota=20))
    with database.begin() as tx:
        said = tx.scalars(sa.select(vendor_content.c.content).where(vendor_content.c.subject != "")).all()
    words = {each["name"] for each in said if "name" in each} | {each["phone"] for each in said if each.get("phone")}
    rows = str(stored())
    assert len(words) > 20
    assert not [word for word in words if word in rows]


def test_a_run_whose_second_page_fails_keeps_the_first_and_goes_on_there(planned, run, stored, fault, sandbox):
    unit = planned(quota=70)
    run(unit, limit=50)
    first = [row.yelp_id for row in stored()]
    fault(kind="5xx")
    assert run(unit).rows_open == 20
    httpx.delete(f"{sandbox.base_url}/_admin/faults")
    report = run(unit)
    assert (report.calls, report.rows_open, len({row.yelp_id for row in stored()})) == (1, 0, 70)
    assert [row.yelp_id for row in stored()][:50] == first


@pytest.mark.parametrize("kind", ["5xx", "reset", "malformed"])
def test_yelp_being_down_is_told_and_nothing_is_taken_for_empty(planned, run, stored, fault, kind):
    unit = planned(quota=10)
    fault(kind=kind)
    report = run(unit)
    assert (report.rows_open, report.rows_out) == (10, 0)
    assert "10001: yelp is unavailable" in " ".join(report.notes)
    assert stored() == []


def test_a_target_is_not_exhausted_by_a_fault(planned, run, stored, fault, sandbox):
    unit = planned(quota=10)
    fault(kind="5xx")
    run(unit)
    httpx.delete(f"{sandbox.base_url}/_admin/faults")
    assert run(unit).rows_out == 10


def test_after_a_first_night_beyond_one_searchs_limit_the_next_day_offers_the_whole_quota(run, database):
    unit = CampaignDay("city", NOW.date())
    with database.begin() as tx:
        places = [PlaceSpec("city", "New York, NY")]
        campaigns.seed(tx, vertical="retail", places=places, quota=300, name="city", now=NOW)
    planning.plan_day(unit, db=database, clock=Clock(start=NOW))
    assert run(unit).rows_out == 300
    tomorrow = Clock(start=NOW + dt.timedelta(days=1))
    with database.begin() as tx:
        (covered,) = coverage.of(tx, unit, NOW)
        plan = previewing.preview(tx, [CampaignDay(unit.campaign, tomorrow.today())], now=tomorrow.now())
    assert covered.looked_at == 300 < (covered.told_total or 0)
    assert covered.searches > 1
    assert not covered.exhausted
    assert plan.businesses == 300
    assert plan.figures()["days"][0]["targets"][0]["looked_at"] == 300


def test_the_second_listings_of_the_world_are_merged(planned, run, database, clock, settings, sandbox):
    unit = planned(quota=200)
    run(unit)
    report = unify(unit, db=database, clock=clock, settings=settings)
    told = httpx.get(f"{sandbox.base_url}/_truth/world/duplicates/10001/retail").json()
    with database.begin() as tx:
        shown = set(tx.scalars(sa.select(sourced_businesses.c.yelp_id)))
        true = {frozenset(pair) for pair in told if shown >= set(pair)}
        names = dict(
            tx.execute(sa.select(sourced_businesses.c.sourced_id, sourced_businesses.c.yelp_id)).tuples().all()
        )
        kept = tx.execute(sa.select(unique_businesses.c.sourced_id, unique_businesses.c.merged_sourced_ids)).all()
    merged = {frozenset((names[row.sourced_id], names[other])) for row in kept for other in row.merged_sourced_ids}
    assert true
    assert merged == true
    assert report.rows_out == report.rows_in - len(true)


def test_the_yelp_of_the_other_tests_speaks_as_the_real_client_hears(planned, run, database):
    run(planned(quota=5))
    with database.begin() as tx:
        said = tx.scalars(sa.select(vendor_content.c.content).where(vendor_content.c.subject != "")).all()
    real = next(each for each in said if "name" in each)
    made = business(1)
    assert set(made) <= set(real) | {"attributes"}
    assert set(made["location"]) <= set(real["location"])
