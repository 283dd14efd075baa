"""How the sandbox's Places behaves: masks, pages, exclusive fields, quotas and keys."""

from __future__ import annotations

import dataclasses
import datetime as dt
import types

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sandbox.model import Address, Business, GooglePlace
from sandbox.vendors import places

CAFE = Business(
    key="b", name="Café", vertical="cafe", yelp_categories=("cafes",), places_types=("cafe",),
    address=Address("1 Main St", "New York", "NY", "10001", 40.75, -73.99), phone="+12125550100", host="cafe.example",
    email=None, email_shown="none", chain=None, state="open", rating=4.0, review_count=10, price="$$", employees=4,
    opened_on=dt.date(2010, 1, 1),
)  # fmt: skip
CIRCLE = {"circle": {"center": {"latitude": 40.75, "longitude": -73.99}, "radius": 500}}
BOX = {"rectangle": {"low": {"latitude": 40.70, "longitude": -74.1}, "high": {"latitude": 40.7545, "longitude": -73.9}}}


class Block:
    """Seventy cafés; number 1 has no phone, no website and no reviews, number 2 is closed for good."""

    seed = 5

    def __init__(self) -> None:
        bare = {"phone": None, "host": None, "rating": None, "review_count": 0, "price": None}
        self._all = {
            f"b{i}": dataclasses.replace(
                CAFE, key=f"b{i}", address=dataclasses.replace(CAFE.address, latitude=40.75 + i / 1000),
                **(bare if i == 1 else {"state": "closed_permanently"} if i == 2 else {}),
            )
            for i in range(70)
        }  # fmt: skip
        self.asked: list[tuple] = []

    def places(self, text, *, latitude, longitude, radius_m):
        self.asked.append((text, latitude, longitude, radius_m))
        return [] if "nothing" in text else [self.place(f"P{key}") for key in self._all]

    def places_of(self, kind, south, west, north, east):
        everything = [self.place(f"P{key}") for key in self._all] if kind == "cafe" else []
        return [p for p in everything if south <= p.address.latitude <= north and west <= p.address.longitude <= east]

    def place(self, place_id):
        b = self._all.get(place_id.removeprefix("P"))
        return b and GooglePlace(place_id, f"Café {b.key}", b.phone, b.host and f"https://{b.host}", b.address, b.key)

    def business(self, key):
        return self._all[key]


class Log(list):
    def accepted(self, *row, **fields):
        self.append((*row, fields))


@pytest.fixture
def state():
    now = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)
    clock = types.SimpleNamespace(now=lambda: now)
    return types.SimpleNamespace(world=Block(), truth=Log(), keys={"places": {"key"}}, options={}, clock=clock)


@pytest.fixture
def client(state):
    return TestClient(Starlette(routes=places.routes(state)))


def search(client, mask="places.id,nextPageToken", key="key", **body):
    headers = {"X-Goog-Api-Key": key} | ({"X-Goog-FieldMask": mask} if mask is not None else {})
    return client.post("/v1/places:searchText", json={"textQuery": "cafe"} | body, headers=headers)


def test_a_mask_is_required(client):
    error = search(client, mask=None).json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert "FieldMask" in error["message"]


@pytest.mark.parametrize("mask", ["places.colour", "id", "places.id, places.name", "places.", ",", "nextPage"])
def test_a_mask_with_an_unknown_path_is_refused(client, mask):
    assert search(client, mask=mask).status_code == 400


def test_only_what_the_mask_names_is_sent(client):
    place = search(client, mask="places.displayName.text,places.location").json()["places"][0]
    assert place == {"displayName": {"text": "Café b0"}, "location": {"latitude": 40.75, "longitude": -73.99}}


def test_a_path_into_a_list_is_followed(client):
    place = search(client, mask="places.addressComponents.longText").json()["places"][0]
    assert {"longText": "10001"} in place["addressComponents"]


def test_nothing_found_has_no_places_member(client):
    assert search(client, textQuery="nothing").json() == {}


def test_sixty_places_over_three_pages_and_no_more(client):
    ids, token, pages = [], None, 0
    while pages == 0 or token:
        body = search(client, pageSize=20, **({"pageToken": token} if token else {})).json()
        ids += [place["id"] for place in body["places"]]
        token, pages = body.get("nextPageToken"), pages + 1
    assert (len(ids), len(set(ids)), pages) == (60, 60, 3)


def test_a_page_token_belongs_to_its_search(client):
    token = search(client).json()["nextPageToken"]
    assert search(client, textQuery="pizza", pageToken=token).status_code == 400


@pytest.mark.parametrize("token", ["x", "bm90IGpzb24=", "W10="])
def test_a_made_up_page_token_is_refused(client, token):
    assert search(client, pageToken=token).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"textQuery": " "}, {"pageSize": 21}, {"pageSize": "20"}, {"minRating": 5.5}, {"rankPreference": "BEST"}, {"colour": "red"},
        {"locationBias": CIRCLE, "locationRestriction": BOX}, {"locationRestriction": CIRCLE}, {"locationBias": {}},
        {"locationBias": {"circle": {"center": {"latitude": 91, "longitude": 0}, "radius": 1}}},
        {"locationBias": {"circle": {"center": {"latitude": 1, "longitude": 0}, "radius": 50_001}}},
        {"priceLevels": ["CHEAP"]}, {"openNow": 1}, {"includedType": 5},
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_search_is_an_invalid_argument(client, body):
    assert search(client, **body).json()["error"]["status"] == "INVALID_ARGUMENT"


def test_a_bias_reaches_the_world(client, state):
    search(client, locationBias=CIRCLE)
    assert state.world.asked[-1] == ("cafe", 40.75, -73.99, 500.0)


def test_a_restriction_leaves_out_what_lies_outside(client):
    body = search(client, locationRestriction=BOX, mask="places.location").json()
    assert [place["location"]["latitude"] for place in body["places"]] == pytest.approx(
        [40.75 + i / 1000 for i in range(5)]
    )


def test_what_google_does_not_know_is_absent(client):
    place = client.get("/v1/places/Pb1", headers={"X-Goog-Api-Key": "key", "X-Goog-FieldMask": "*"}).json()
    assert not {"websiteUri", "nationalPhoneNumber", "rating", "userRatingCount", "priceLevel"} & set(place)


def test_a_closed_place_says_so_and_has_no_hours(client):
    mask = {"X-Goog-Api-Key": "key", "X-Goog-FieldMask": "businessStatus,regularOpeningHours"}
    assert client.get("/v1/places/Pb2", headers=mask).json() == {"businessStatus": "CLOSED_PERMANENTLY"}


def test_a_place_that_is_gone_is_not_found(client):
    response = client.get("/v1/places/Pgone", headers={"X-Goog-Api-Key": "key", "X-Goog-FieldMask": "id"})
    assert (response.status_code, response.json()["error"]["status"]) == (404, "NOT_FOUND")


def test_a_wrong_key_is_told_from_no_key(client):
    assert search(client, key="wrong").json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    response = client.post("/v1/places:searchText", json={"textQuery": "x"}, headers={"X-Goog-FieldMask": "*"})
    assert (response.status_code, response.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


def test_each_method_has_its_own_minute(client, state):
    state.options["places_per_minute"] = 1
    assert [search(client).status_code for _ in range(2)] == [200, 429]
    assert client.get("/v1/places/Pb1", headers={"X-Goog-Api-Key": "key", "X-Goog-FieldMask": "id"}).status_code == 200


def test_only_reads_that_were_answered_are_in_the_truth_log(client, state):
    search(client)
    search(client, pageSize=99)
    assert [row[:2] for row in state.truth] == [("places", "search")]


def ids(response):
    return [place["id"] for place in response.json().get("places", [])]


def test_an_area_search_gives_every_place_of_its_type_inside_and_nothing_else(client, state):
    asked = {"textQuery": "cafes", "includedType": "cafe", "strictTypeFiltering": True, "locationRestriction": BOX}
    assert ids(search(client, **asked)) == [f"Pb{i}" for i in range(5)]
    assert state.world.asked == []  # names play no part
    assert ids(search(client, **asked | {"includedType": "dentist", "textQuery": "dentists"})) == []


def test_the_places_of_the_town_that_the_words_name_come_before_their_neighbours(client, state):
    moved = state.world._all["b0"]
    state.world._all["b0"] = dataclasses.replace(moved, address=dataclasses.replace(moved.address, zip_code="10018"))
    asked = {"textQuery": "cafes in 10001", "includedType": "cafe", "locationRestriction": BOX}
    assert ids(search(client, **asked)) == ["Pb1", "Pb2", "Pb3", "Pb4", "Pb0"]


def test_an_area_search_has_pages_like_any_other(client):
    wide = {"rectangle": {"low": {"latitude": 40.0, "longitude": -75}, "high": {"latitude": 41.0, "longitude": -73}}}
    asked = {"textQuery": "cafe", "includedType": "cafe", "locationRestriction": wide}
    first = search(client, **asked).json()
    second = search(client, **asked, pageToken=first["nextPageToken"]).json()
    assert len({place["id"] for place in first["places"] + second["places"]}) == 40


def test_a_businesss_name_is_no_area_search(client, state):
    search(client, textQuery="Joe's Pizza", includedType="cafe", locationRestriction=BOX)
    assert state.world.asked[-1][0] == "Joe's Pizza"
