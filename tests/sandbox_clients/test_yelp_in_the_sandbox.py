"""The Yelp client against the sandbox: pages, caps, keys, limits and faults as Yelp has them."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.yelp import YelpClient


@pytest.fixture
def yelp(gateway, settings):
    return YelpClient(gateway, settings)


async def test_pages_hold_different_businesses_of_one_total(yelp):
    first = await yelp.search(location="10001", categories="restaurants")
    second = await yelp.search(location="10001", categories="restaurants", offset=50)
    ids = [business["id"] for page in (first, second) for business in page.businesses]
    assert first.total == second.total
    assert len(set(ids)) == len(ids) == 100


async def test_a_business_found_can_be_read_by_id_and_by_alias(yelp):
    found = (await yelp.search(location="10001", categories="restaurants", limit=1)).businesses[0]
    assert (await yelp.details(found["id"]))["id"] == (await yelp.details(found["alias"]))["id"] == found["id"]


async def test_a_search_around_a_point(yelp):
    page = await yelp.search(latitude=40.75, longitude=-73.99, radius_m=2000, categories="restaurants")
    assert page.total > 0


@pytest.mark.parametrize(("location", "reason"), [("Atlantis", "bad_request")])
async def test_a_place_that_does_not_exist_is_not_a_place_without_businesses(yelp, location, reason):
    with pytest.raises(VendorRejected) as caught:
        await yelp.search(location=location, categories="restaurants")
    assert caught.value.reason == reason


async def test_an_unknown_id_is_not_found(yelp):
    with pytest.raises(VendorRejected) as caught:
        await yelp.details("no-such-business")
    assert caught.value.reason == "not_found"


async def test_the_ping_tells_what_is_left_of_the_day(yelp):
    assert "calls left today" in await yelp.ping()


async def test_a_wrong_key_is_ours_to_mend(gateway, settings):
    wrong = settings.model_copy(update={"yelp_api_key": SecretStr("wrong")})
    with pytest.raises(VendorUnavailable) as caught:
        await YelpClient(gateway, wrong).ping()
    assert caught.value.reason == "invalid_key"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("5xx", "server_error"),
        ("429", "too_many_requests"),
        ("reset", "connection_lost"),
        ("malformed", "malformed_answer"),
    ],
)
async def test_a_lasting_fault_ends_with_its_reason(yelp, fault, kind, reason):
    fault(vendor="yelp", kind=kind)
    with pytest.raises(VendorUnavailable) as caught:
        await yelp.search(location="10002", categories="restaurants")
    assert caught.value.reason == reason


@pytest.mark.parametrize("kind", ["5xx", "429", "reset", "lost", "malformed"])
async def test_a_single_fault_is_survived(yelp, fault, kind):
    fault(vendor="yelp", kind=kind, count=1)
    assert (await yelp.search(location="10003", categories="restaurants")).total > 0
