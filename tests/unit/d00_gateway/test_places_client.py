"""Places: the mask that sets the price, absent lists, and answers that are none."""

from __future__ import annotations

import json

import pytest

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.places import AREA_MASK, DETAILS_MASK, IDS_MASK, SEARCH_MASK, Box, PlacesClient
from leadfactory.settings import Settings
from tests.unit.d00_gateway.hostile_answers import HOSTILE, PRICE

PRICES = {
    "text_search_enterprise": {"microusd": 35_000, **PRICE}, "text_search_ids_only": {"microusd": 0, **PRICE},
    "place_details_enterprise": {"microusd": 20_000, **PRICE},
}  # fmt: skip
BOX = Box(40.74, -74.0, 40.76, -73.98)
PLACE = {"id": "p1", "displayName": {"text": "Joe's"}, "websiteUri": "https://joes.example/"}


@pytest.fixture
def places(gateway_of, vendor):
    return PlacesClient(gateway_of("places", prices=PRICES), Settings(env="test", places_base_url=vendor.base_url))


async def asked(places, call):
    async with places.gateway.running():
        return await call(places)


async def search(places, query="Joe's, New York", **changes):
    async with places.gateway.running():
        return await places.search_text(query, **changes)


def sent(vendor):
    head, _, body = vendor.requests[-1].partition(b"\r\n\r\n")
    return head.decode(), json.loads(body)


async def test_no_places_is_an_empty_list_and_not_a_fault(places, vendor):
    vendor.answers = [(200, {}, {})]
    assert await search(places) == []


async def test_one_search_costs_one_enterprise_call(places, vendor, ledger_of):
    vendor.answers = [(200, {}, {"places": [PLACE]})]
    assert await search(places) == [PLACE]
    assert [row.cost_microusd for row in ledger_of()] == [35_000]


async def test_the_mask_names_each_field_and_the_key_is_a_header(places, vendor):
    vendor.answers = [(200, {}, {})]
    await search(places)
    head, body = sent(vendor)
    assert f"x-goog-fieldmask: {SEARCH_MASK}".lower() in head.lower()
    assert " " not in SEARCH_MASK
    assert "x-goog-api-key: sandbox-google-key" in head.lower()
    assert body == {"textQuery": "Joe's, New York", "pageSize": 3, "languageCode": "en", "regionCode": "US"}


async def test_a_point_becomes_a_bias_of_at_most_50_km(places, vendor):
    vendor.answers = [(200, {}, {})]
    await search(places, latitude=40.7, longitude=-74.0, radius_m=90_000)
    assert sent(vendor)[1]["locationBias"] == {
        "circle": {"center": {"latitude": 40.7, "longitude": -74.0}, "radius": 50_000}
    }


@pytest.mark.parametrize(
    ("arguments", "names"),
    [({"query": "  "}, "query is empty"), ({"page_size": 21}, "page_size=21"), ({"latitude": 1.0}, "both or none")],
)
async def test_a_search_that_google_would_refuse_costs_no_call(places, vendor, arguments, names):
    with pytest.raises(ValueError, match=names):
        await search(places, **arguments)
    assert vendor.requests == []


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "empty object"])
async def test_an_answer_of_another_shape_is_a_fault_with_a_reason(places, vendor, ledger_of, name):
    vendor.answers = [HOSTILE[name]]
    with pytest.raises(VendorUnavailable) as caught:
        await search(places)
    assert caught.value.reason == "malformed_answer"
    assert {row.reason for row in ledger_of()} == {"malformed_answer"}


@pytest.mark.parametrize(
    "wrong", [{"places": {}}, {"places": [None]}, {"places": [{}]}, {"places": [{**PLACE, "types": "x"}]}]
)
async def test_a_place_without_an_id_or_of_wrong_types_is_a_fault(places, vendor, wrong):
    vendor.answers = [(200, {}, wrong)]
    with pytest.raises(VendorUnavailable, match="malformed_answer"):
        await search(places)


async def test_ids_alone_cost_nothing(places, vendor, ledger_of):
    vendor.answers = [(200, {}, {"places": [{"id": "p1"}, {"id": "p2"}]})]
    assert await asked(places, lambda c: c.search_ids("Joe's, New York")) == ["p1", "p2"]
    assert f"x-goog-fieldmask: {IDS_MASK}\r\n" in sent(vendor)[0].lower() + "\r\n"
    assert [row.cost_microusd for row in ledger_of()] == [0]


async def test_details_cost_one_details_call_with_the_mask_of_a_match(places, vendor, ledger_of):
    vendor.answers = [(200, {}, PLACE)]
    assert await asked(places, lambda c: c.details("p1/../x")) == PLACE
    head = vendor.requests[-1].decode()
    assert head.startswith("GET /v1/places/p1%2F..%2Fx?")
    assert f"x-goog-fieldmask: {DETAILS_MASK}".lower() in head.lower()
    assert [row.cost_microusd for row in ledger_of()] == [20_000]


async def test_a_page_of_an_area_is_one_call_for_twenty_places_of_one_type_inside_it(places, vendor, ledger_of):
    vendor.answers = [(200, {}, {"places": [PLACE], "nextPageToken": "more"})]
    page = await asked(places, lambda c: c.search_area("dentists", BOX, included_type="dentist"))
    assert (page.places, page.next_page) == ([PLACE], "more")
    head, body = sent(vendor)
    assert f"x-goog-fieldmask: {AREA_MASK}".lower() in head.lower()
    assert body == {
        "textQuery": "dentists", "pageSize": 20, "languageCode": "en", "regionCode": "US", "includedType": "dentist",
        "strictTypeFiltering": True, "locationRestriction": {"rectangle": {
            "low": {"latitude": 40.74, "longitude": -74.0}, "high": {"latitude": 40.76, "longitude": -73.98}}},
    }  # fmt: skip
    assert [row.cost_microusd for row in ledger_of()] == [35_000]


async def test_the_next_page_repeats_the_search_with_its_token(places, vendor):
    vendor.answers = [(200, {}, {"places": []}), (200, {}, {})]
    await asked(places, lambda c: c.search_area("dentists", BOX, included_type="dentist"))
    first = sent(vendor)[1]
    page = await asked(places, lambda c: c.search_area("dentists", BOX, included_type="dentist", page="more"))
    assert sent(vendor)[1] == first | {"pageToken": "more"}
    assert (page.places, page.next_page) == ([], None)


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda c: c.details(" "), "place_id is empty"),
        (lambda c: c.search_area("x", Box(2, 0, 1, 1), included_type="dentist"), "south must be below north"),
        (lambda c: c.search_area(" ", BOX, included_type="dentist"), "query is empty"),
    ],
)
async def test_what_google_would_refuse_costs_no_call(places, vendor, call, names):
    with pytest.raises(ValueError, match=names):
        await asked(places, call)
    assert vendor.requests == []


@pytest.mark.parametrize("wrong", [{}, {"id": 5}, {"id": "p1", "location": []}, {"id": "p1", "error": {}}])
async def test_details_of_another_shape_are_a_fault(places, vendor, wrong):
    vendor.answers = [(200, {}, wrong)]
    with pytest.raises(VendorUnavailable, match="malformed_answer"):
        await asked(places, lambda c: c.details("p1"))


async def test_an_id_that_is_gone_is_a_refusal(places, vendor):
    vendor.answers = [(404, {}, {"error": {"code": 404, "status": "NOT_FOUND", "message": "gone"}})]
    with pytest.raises(VendorRejected) as caught:
        await asked(places, lambda c: c.details("p1"))
    assert caught.value.reason == "not_found"
