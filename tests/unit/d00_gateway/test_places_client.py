"""Places: the mask that sets the price, absent lists, and answers that are none."""

from __future__ import annotations

import json

import pytest

from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.places import SEARCH_MASK, PlacesClient
from leadfactory.settings import Settings
from tests.unit.d00_gateway.hostile_answers import HOSTILE, PRICE

PRICES = {"text_search_enterprise": {"microusd": 35_000, **PRICE}}
PLACE = {"id": "p1", "displayName": {"text": "Joe's"}, "websiteUri": "https://joes.example/"}


@pytest.fixture
def places(gateway_of, vendor):
    return PlacesClient(gateway_of("places", prices=PRICES), Settings(env="test", places_base_url=vendor.base_url))


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
