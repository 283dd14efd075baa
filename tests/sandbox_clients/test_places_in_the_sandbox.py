"""The Places client against the sandbox: mask, match and faults as Google has them."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.places import Box, PlacesClient
from leadfactory.d00_gateway.yelp import YelpClient


@pytest.fixture
def places(gateway, settings):
    return PlacesClient(gateway, settings)


async def test_businesses_of_yelp_are_found_with_the_fields_of_the_mask(gateway, settings, places):
    page = await YelpClient(gateway, settings).search(location="10001", categories="restaurants", limit=10)
    found = []
    for business in page.businesses:
        address = ", ".join(business["location"]["display_address"])
        found += await places.search_text(f"{business['name']}, {address}", page_size=1)
    assert len(found) >= 5
    assert any(place.get("websiteUri") for place in found)
    assert all({"id", "displayName", "addressComponents", "location"} <= place.keys() for place in found)


async def test_ids_lead_to_the_details_that_a_search_gives(places):
    box = Box(40.738, -74.01, 40.762, -73.98)
    known = (await places.search_area("restaurants in 10001", box, included_type="restaurant")).places[0]
    query = f"{known['displayName']['text']}, 10001"
    (found,) = await places.search_text(query, page_size=1)
    ids = await places.search_ids(query, page_size=1)
    assert ids == [found["id"]]
    assert await places.details(ids[0]) == found


async def test_an_area_is_read_page_by_page_and_holds_its_type_only(places):
    box, ids, page = Box(40.738, -74.01, 40.762, -73.98), [], None
    for _ in range(3):
        answer = await places.search_area("dentists in 10001", box, included_type="dentist", page=page)
        ids += [place["id"] for place in answer.places]
        assert all("dentist" in place["types"] for place in answer.places)
        page = answer.next_page
    assert (len(ids), len(set(ids)), page) == (60, 60, None)


async def test_an_id_that_nobody_gave_is_refused(places):
    with pytest.raises(VendorRejected) as caught:
        await places.details("ChIJnobody")
    assert caught.value.reason == "not_found"


async def test_what_google_does_not_know_is_an_empty_list(places):
    assert await places.search_text("Zzyzzx Qwxyz Nonesuch, Nowhere") == []


async def test_a_wrong_key_is_ours_to_mend(gateway, settings):
    wrong = settings.model_copy(update={"google_api_key": SecretStr("wrong")})
    for call in (PlacesClient(gateway, wrong).ping(), PlacesClient(gateway, wrong).search_text("Joe's")):
        with pytest.raises(VendorUnavailable) as caught:
            await call
        assert caught.value.reason in {"invalid_key", "forbidden"}


async def test_the_ping_is_free(places, ledger, gateway):
    assert await places.ping() == "ok"
    assert all(row.reserved_microusd == 0 for row in ledger())


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("5xx", "server_error"),
        ("429", "too_many_requests"),
        ("reset", "connection_lost"),
        ("malformed", "malformed_answer"),
    ],
)
async def test_a_lasting_fault_ends_with_its_reason(places, fault, kind, reason):
    fault(vendor="places", kind=kind)
    with pytest.raises(VendorUnavailable) as caught:
        await places.search_text("Joe's Pizza, New York")
    assert caught.value.reason == reason
