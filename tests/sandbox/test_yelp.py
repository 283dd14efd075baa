"""How the sandbox's Yelp behaves: caps, limits, keys, filters and what it never returns."""

from __future__ import annotations

import dataclasses
import datetime as dt
import types

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sandbox.model import Address, Business, YelpListing
from sandbox.vendors import yelp

KEY = {"Authorization": "Bearer sandbox-yelp-key"}
ENHANCED = {"Authorization": "Bearer sandbox-yelp-enhanced-key"}
PIZZERIA = Business(
    key="b", name="Joe's", vertical="restaurant", yelp_categories=("pizza",), places_types=("restaurant",),
    address=Address("1 Main St", "New York", "NY", "10001", 40.75, -73.99), phone="+12125550100", host="joes.example",
    email=None, email_shown="none", chain=None, state="open", rating=4.0, review_count=10, price="$$", employees=4,
    opened_on=dt.date(2010, 1, 1),
)  # fmt: skip


class Street:
    """Businesses in one street, numbered; each change replaces fields of one."""

    seed = 5

    def __init__(self, count: int, changes: dict[int, dict] | None = None) -> None:
        changes = changes or {}
        self.asked: list[dict] = []
        self._all = {f"b{i}": dataclasses.replace(self._numbered(i), **changes.get(i, {})) for i in range(count)}

    @staticmethod
    def _numbered(i: int) -> Business:
        at = dataclasses.replace(PIZZERIA.address, line1=f"{i} Main St", latitude=40.75 + i / 1000)
        return dataclasses.replace(
            PIZZERIA,
            key=f"b{i}",
            name=f"Pizza {i}",
            phone=f"+1212555{i:04d}",
            review_count=i + 1,
            rating=(i % 9) / 2 + 1,
            address=at,
        )

    def listings(self, **asked):
        self.asked.append(asked)
        if asked["location"] == "Atlantis":
            raise LookupError("Atlantis")
        return [self.listing(f"id-{key}") for key in self._all]

    def listing(self, wanted):
        key = "b0" if wanted == "former-name" else wanted.removeprefix("id-")
        b = self._all.get(key)
        return b and YelpListing(f"id-{key}", f"alias-{key}", b.name, b.phone, b.address, key)

    def business(self, key):
        return self._all[key]


class Clock:
    def __init__(self) -> None:
        self.at = dt.datetime(2026, 11, 24, 23, 59, tzinfo=dt.UTC)

    def now(self) -> dt.datetime:
        return self.at


class Log(list):
    def accepted(self, *row, **fields):
        self.append((*row, fields))


def serve(world):
    """(client, state) of a Yelp over the world."""
    keys = {"yelp": {"sandbox-yelp-key", "sandbox-yelp-enhanced-key"}}
    state = types.SimpleNamespace(world=world, truth=Log(), keys=keys, options={}, clock=Clock())
    return TestClient(Starlette(routes=yelp.routes(state)), follow_redirects=False), state


@pytest.fixture
def street():
    return serve(Street(300))


def search(client, **query):
    return client.get("/v3/businesses/search", params={"location": "10001"} | query, headers=KEY)


def test_total_may_exceed_what_can_be_fetched(street):
    client, _ = street
    body = search(client, limit=50, offset=150).json()
    assert (body["total"], len(body["businesses"])) == (300, 50)


def test_pages_do_not_overlap(street):
    client, _ = street
    ids = [
        b["id"] for offset in (0, 50, 100, 150) for b in search(client, limit=50, offset=offset).json()["businesses"]
    ]
    ids += [b["id"] for b in search(client, limit=40, offset=200).json()["businesses"]]
    assert len(ids) == len(set(ids)) == 240


def test_the_241st_result_is_refused(street):
    client, _ = street
    response = search(client, limit=50, offset=200)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "51"}, "limit"), ({"limit": "many"}, "limit"), ({"radius": "40001"}, "radius"), ({"price": "5"}, "price"),
        ({"sort_by": "price"}, "sort_by"), ({"locale": "en"}, "locale"), ({"offset": "1001"}, "offset"),
        ({"latitude": "NaN"}, "latitude"), ({"price": "1,1"}, "price"), ({"categories": "pizza,,"}, "categories"),
        ({"location": ""}, "location"), ({"open_now": "maybe"}, "open_now"),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_named(street, query, field):
    client, _ = street
    error = search(client, **query).json()["error"]
    assert (error["code"], error["field"]) == ("VALIDATION_ERROR", field)


def test_a_search_needs_a_place(street):
    client, _ = street
    response = client.get("/v3/businesses/search", params={"latitude": 40.7}, headers=KEY)
    assert response.json()["error"]["code"] == "LOCATION_MISSING"


def test_a_place_that_does_not_exist_is_no_empty_result(street):
    client, _ = street
    assert search(client, location="Atlantis").json()["error"]["code"] == "LOCATION_NOT_FOUND"


def test_filters_reach_the_world_in_its_own_terms(street):
    client, state = street
    search(client, categories="pizza,italian", price="1,2", term="pie", radius=500)
    asked = state.world.asked[-1]
    assert (asked["categories"], asked["prices"], asked["term"], asked["radius_m"]) == (
        {"pizza", "italian"},
        {"$", "$$"},
        "pie",
        500,
    )


@pytest.mark.parametrize(("by", "field"), [("rating", "rating"), ("review_count", "review_count")])
def test_results_are_sorted_as_asked(street, by, field):
    client, _ = street
    values = [b[field] for b in search(client, sort_by=by, limit=50).json()["businesses"]]
    assert values == sorted(values, reverse=True)


def test_the_nearest_comes_first_when_asked(street):
    client, _ = street
    query = {"latitude": 40.80, "longitude": -73.99, "sort_by": "distance"}
    businesses = client.get("/v3/businesses/search", params=query, headers=KEY).json()["businesses"]
    assert businesses[0]["id"] == "id-b50"
    assert businesses[0]["distance"] < 1 < businesses[1]["distance"]


def test_a_business_without_reviews_is_never_returned():
    client, _ = serve(Street(3, {1: {"review_count": 0}}))
    assert [b["id"] for b in search(client).json()["businesses"]] == ["id-b0", "id-b2"]
    assert client.get("/v3/businesses/id-b1", headers=KEY).json()["error"]["code"] == "BUSINESS_UNAVAILABLE"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "sandbox-yelp-key"}])
def test_a_wrong_key_is_refused(street, headers):
    client, _ = street
    response = client.get("/v3/businesses/search", params={"location": "10001"}, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "TOKEN_INVALID")


def test_the_day_ends_at_the_limit_and_begins_anew_at_midnight_utc(street):
    client, state = street
    state.options["yelp_daily_limit"] = 2
    assert [search(client).status_code for _ in range(3)] == [200, 200, 429]
    refused = search(client)
    assert refused.json()["error"]["code"] == "ACCESS_LIMIT_REACHED"
    assert refused.headers["ratelimit-remaining"] == "0"
    assert refused.headers["ratelimit-resettime"] == "2026-11-25T00:00:00+00:00"
    state.clock.at += dt.timedelta(minutes=2)
    assert search(client).headers["ratelimit-remaining"] == "1"


def test_too_many_in_a_second_is_another_429_and_costs_no_call(street):
    client, state = street
    state.options["yelp_qps"] = 0
    assert search(client).json()["error"]["code"] == "TOO_MANY_REQUESTS_PER_SECOND"
    state.options["yelp_qps"] = 50
    assert search(client).headers["ratelimit-remaining"] == "4999"


def test_each_key_has_its_own_day(street):
    client, state = street
    state.options["yelp_daily_limit"] = 1
    assert search(client).status_code == 200
    assert client.get("/v3/businesses/id-b1", headers=ENHANCED).status_code == 200


@pytest.mark.parametrize(("headers", "url", "photos"), [(KEY, None, 0), (ENHANCED, "http://joes.example", 3)])
def test_only_an_enhanced_key_sees_the_own_address_on_the_web(street, headers, url, photos):
    client, _ = street
    body = client.get("/v3/businesses/id-b1", headers=headers).json()
    assert (body["attributes"].get("business_url"), len(body["photos"])) == (url, photos)


def test_a_former_name_redirects(street):
    client, _ = street
    response = client.get("/v3/businesses/former-name", headers=KEY)
    assert (response.status_code, response.headers["location"]) == (301, "/v3/businesses/id-b0")


def test_a_phone_finds_its_business(street):
    client, _ = street
    search(client)
    body = client.get("/v3/businesses/search/phone", params={"phone": "+1 (212) 555-0007"}, headers=KEY).json()
    assert [b["id"] for b in body["businesses"]] == ["id-b7"]


def test_a_match_needs_name_and_street(street):
    client, _ = street
    asked = {
        "name": "Pizza 7",
        "address1": "7 Main St",
        "city": "New York",
        "state": "NY",
        "country": "US",
        "match_threshold": "strict",
    }
    assert client.get("/v3/businesses/matches", params=asked, headers=KEY).json()["businesses"][0]["id"] == "id-b7"
    elsewhere = asked | {"city": "Boston", "state": "MA"}
    assert client.get("/v3/businesses/matches", params=elsewhere, headers=KEY).json()["businesses"] == []


def test_closures_are_told_apart():
    changes = {0: {"state": "closed_permanently"}, 1: {"state": "closed_temporarily"}}
    client, _ = serve(Street(3, changes))
    told = [
        (b["is_closed"], b["attributes"]["business_temp_closed"] is not None)
        for b in search(client).json()["businesses"]
    ]
    assert told == [(True, False), (False, True), (False, False)]


def test_open_now_leaves_out_what_is_closed_at_this_hour(street):
    client, state = street
    state.clock.at = dt.datetime(2026, 11, 25, 9, 0, tzinfo=dt.UTC)  # four in the morning there
    assert search(client, open_now="true").json()["total"] == 0
