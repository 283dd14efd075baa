"""Enriching over the real clients, gateway and sandbox: every business ends in a row that agrees with what truly is."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import breaker
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.places import PlacesClient
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d00_gateway.website.limits import SiteLimits
from leadfactory.d00_gateway.yelp import YelpClient
from leadfactory.d01_targeting import campaigns, planning
from leadfactory.d02_sourcing.sourcing import source
from leadfactory.d02_sourcing.tables import sourced_businesses, unique_businesses
from leadfactory.d02_sourcing.uniqueness import unify
from leadfactory.d04_enrichment.enriching import enrich
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport
from sandbox import process
from sandbox.model import Business
from sandbox.world import views
from sandbox.world.seeded import SeededWorld
from tests.unit.d04_enrichment.conftest import NOW

CLOCK = Clock(start=NOW)
UNIT = CampaignDay("eaters", NOW.date())
QUICK = SiteLimits(first_byte_s=2.0, total_s=6.0)  # silent servers answer no later for being waited for


@dataclasses.dataclass(frozen=True)
class Day:
    """One enriched day and a second run of it, next to the businesses that its listings truly are."""

    report: StageReport
    again: StageReport
    rows: list[dict[str, Any]]
    truly: dict[uuid.UUID, Business]


_DAYS: list[Day] = []


@pytest.fixture(scope="module")
def world() -> SeededWorld:
    return SeededWorld("demo")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[process.SandboxProcess]:
    with process.start(clock=NOW.isoformat()) as found:
        yield found


@pytest.fixture
def settings(sandbox) -> Settings:
    """What a development process with no vendor key sees, but for the port."""
    return Settings(
        env="test", sandbox_url=sandbox.base_url, website_ca_file=sandbox.ca_file, clock_spec=NOW.isoformat()
    )


@pytest.fixture
def sourced(database, settings) -> Callable[[int], None]:
    """Plans, sources and unifies as many restaurants of ZIP 10001."""

    def make(quota: int) -> None:
        with database.begin() as tx:
            places = [campaigns.PlaceSpec("zip", "10001")]
            campaigns.seed(tx, vertical="restaurant", places=places, quota=quota, name=UNIT.campaign, now=NOW)
        planning.plan_day(UNIT, db=database, clock=CLOCK)
        yelp = YelpClient(Gateway(database, clock=CLOCK, settings=settings), settings)
        asyncio.run(source(UNIT, db=database, clock=CLOCK, settings=settings, yelp=yelp))
        unify(UNIT, db=database, clock=CLOCK, settings=settings)

    return make


@pytest.fixture
def run(database, settings) -> Callable[[], StageReport]:
    """Enriches with clients of its own, as a process does that was just started."""

    def once() -> StageReport:
        gateway = Gateway(database, clock=CLOCK, settings=settings)
        places, website = PlacesClient(gateway, settings), WebsiteClient(gateway, settings, limits=QUICK)
        return asyncio.run(enrich(UNIT, db=database, clock=CLOCK, settings=settings, places=places, website=website))

    return once


@pytest.fixture
def stored(database) -> Callable[[], list[dict[str, Any]]]:
    def read() -> list[dict[str, Any]]:
        with database.begin() as tx:
            return [dict(row) for row in tx.execute(sa.select(enriched_businesses)).mappings()]

    return read


@pytest.fixture
def day(database, sourced, run, stored, world) -> Day:
    """The day that most tests look at: bought by the first of them, for the others to read."""
    if not _DAYS:
        sourced(150)
        report = run()
        rows = stored()
        again = run()
        u, s = unique_businesses.c, sourced_businesses.c
        with database.begin() as tx:
            ids = tx.execute(
                sa.select(u.business_id, s.yelp_id).join_from(
                    unique_businesses, sourced_businesses, u.sourced_id == s.sourced_id
                )
            )
            listed = {row.business_id: world.listing(row.yelp_id) for row in ids}
        truly = {key: world.business(listing.business_key) for key, listing in listed.items() if listing is not None}
        _DAYS.append(Day(report, again, rows, truly))
    return _DAYS[0]


def sites(day: Day, world: SeededWorld, *, behaviour: str) -> list[dict[str, Any]]:
    """The rows of businesses whose own site behaves so."""
    own = {key: world.site(each.host) for key, each in day.truly.items() if each.host and not each.chain}
    return [
        row for row in day.rows if (site := own.get(row["business_id"])) is not None and site.behaviour == behaviour
    ]


def test_every_business_that_is_open_has_one_row(day):
    assert len(day.rows) == day.report.rows_in > 100
    assert all(day.truly[row["business_id"]].state == "open" for row in day.rows)


def test_every_row_without_a_site_says_why(day):
    assert not [row for row in day.rows if row["status"] != "ok" and not row["reason"]]


def test_a_second_process_buys_nothing(day):
    assert day.again.calls == 0
    assert day.again.counts == day.report.counts


def test_areas_are_searched_and_cost_less_than_single_look_ups(day):
    (note,) = [note for note in day.report.notes if "pages of areas" in note]
    assert int(note.split()[0]) >= 1
    assert day.report.spend_microusd < 0.7 * 22_000 * day.report.rows_in


def test_a_matched_place_is_the_businesss_own(day, world):
    wrong = [
        row["place_id"]
        for row in day.rows
        if row["place_id"] and world.place(row["place_id"]).business_key != day.truly[row["business_id"]].key
    ]
    assert wrong == []


def test_an_address_is_kept_only_where_the_domain_takes_mail(day):
    states = Counter((row["contact_email_check"], row["contact_email"] is not None) for row in day.rows)
    assert set(states) <= {("accepted", True), ("weak", True), ("refused", False), (None, False)}
    assert states["accepted", True] > 20
    assert states["weak", True] + states["refused", False] >= 1


def test_the_histogram_counts_every_business_that_had_a_candidate(day):
    judged = [row for row in day.rows if row["match_score"] is not None or row["rejected_candidate"] is not None]
    assert sum(day.report.chart.values()) == len(judged)


def test_the_site_that_was_read_is_the_businesss_own(day):
    wrong = []
    for row in day.rows:
        host = day.truly[row["business_id"]].host
        mine = {host, f"www.{host}", str(host).removesuffix(".example") + ".sites.example"}
        if row["status"] == "ok" and row["site_host"] not in mine:
            wrong.append((row["site_host"], host))
    assert wrong == []


def test_nearly_every_site_that_google_knows_and_that_answers_is_found(day, world):
    known = {
        key
        for key, each in day.truly.items()
        if (place := views.on_google(world.seed, each)) and place.website and place.address == each.address
    }
    alive = [row for row in sites(day, world, behaviour="ok") if row["business_id"] in known]
    assert len(alive) > 50
    assert sum(row["status"] == "ok" for row in alive) / len(alive) >= 0.97


def test_no_address_is_anybody_elses(day):
    theirs = {row["contact_email"]: day.truly[row["business_id"]].email for row in day.rows if row["contact_email"]}
    chains = {each.host for each in day.truly.values() if each.chain}
    wrong = {got: true for got, true in theirs.items() if got != true and got.rpartition("@")[2] not in chains}
    assert wrong == {}


def test_most_addresses_that_are_shown_are_found(day, world):
    alive = [row for row in sites(day, world, behaviour="ok") if row["status"] == "ok"]
    shown = [
        row
        for row in alive
        if day.truly[row["business_id"]].email_shown in {"mailto", "json_ld", "text", "contact_page"}
    ]
    seen = [row["contact_email"] is not None or row["contact_email_check"] == "refused" for row in shown]
    assert sum(seen) / len(shown) >= 0.9


def test_an_address_comes_with_the_page_that_shows_it(day):
    assert not [row for row in day.rows if row["contact_email"] and not row["contact_email_url"].startswith("http")]


def test_where_a_site_shows_no_address_none_is_made_up(day):
    silent = [
        row
        for row in day.rows
        if day.truly[row["business_id"]].email_shown == "none" and not day.truly[row["business_id"]].chain
    ]
    assert silent
    assert not [row["contact_email"] for row in silent if row["contact_email"]]


@pytest.mark.parametrize(
    ("behaviour", "status", "reasons"),
    [
        ("dead_domain", "unreachable", {"dns_failure"}),
        ("redirect_loop", "unreachable", {"too_many_redirects"}),
        ("parked", "unreachable", {"parked"}),
        ("server_error", "unavailable", {"site_server_error", "site_robots_unreachable"}),
    ],
)
def test_a_broken_site_ends_in_its_own_reason(day, world, behaviour, status, reasons):
    rows = [row for row in sites(day, world, behaviour=behaviour) if row["site_source"]]
    assert {row["status"] for row in rows} == {status}
    assert {row["reason"] for row in rows} <= reasons


def test_a_site_with_a_bad_certificate_is_read_and_says_so_of_every_field(day, world):
    rows = [row for row in sites(day, world, behaviour="bad_certificate") if row["site_source"]]
    assert {row["status"] for row in rows} == {"ok"}
    named = [row["field_sources"]["own_name"] for row in rows if row["own_name"]]
    assert named
    assert {source["connection"] for source in named} == {"unverified"}


def test_broken_sites_occur_in_the_day(day):
    reasons = Counter(row["reason"] for row in day.rows if row["status"] == "unreachable")
    assert len(reasons) >= 3


def test_a_place_in_another_town_is_vetoed_and_never_believed(day, world):
    far = {
        key
        for key, each in day.truly.items()
        if (place := views.on_google(world.seed, each)) and place.address.city != each.address.city
    }
    rows = [row for row in day.rows if row["business_id"] in far]
    assert rows
    assert {row["place_match"] for row in rows} <= {"vetoed", "no_match"}


def test_only_what_is_down_may_be_tried_again(day):
    assert {row["status"] for row in day.rows if row["retryable"]} <= {"unavailable"}


def test_google_being_down_leaves_rows_that_wait_and_are_filled_later(database, sourced, run, stored, sandbox):
    sourced(8)
    httpx.post(
        f"{sandbox.base_url}/_admin/faults", json={"vendor": "places", "kind": "5xx", "rate": 1}
    ).raise_for_status()
    down = run()
    held = {(row["status"], row["place_match"], row["retryable"]) for row in stored()}
    httpx.delete(f"{sandbox.base_url}/_admin/faults").raise_for_status()
    assert held == {("unavailable", "unavailable", True)}
    assert down.rows_open == down.rows_in
    with database.begin() as tx:
        breaker.force(tx, "places", "closed", "google is back")
    assert run().rows_open < down.rows_open
