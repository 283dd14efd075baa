"""Yelp: what is refused before it costs a call, and what is not taken for an answer."""

from __future__ import annotations

import pytest

from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.yelp import YelpClient
from leadfactory.settings import Settings
from tests.unit.d00_gateway.hostile_answers import HOSTILE, PRICE

CALL = {"call": {"microusd": 5910, **PRICE}}
BUSINESS = {
    "id": "b1",
    "name": "Joe's",
    "location": {"city": "New York"},
    "review_count": 3,
    "rating": 4.5,
    "price": None,
}
PAGE = (200, {}, {"businesses": [BUSINESS], "total": 1})


@pytest.fixture
def gateway(gateway_of):
    return gateway_of("yelp", prices=CALL)


@pytest.fixture
def yelp(gateway, vendor):
    return YelpClient(gateway, Settings(env="test", yelp_base_url=vendor.base_url))


async def search(yelp, **changes):
    async with yelp.gateway.running():
        return await yelp.search(**{"location": "10001", "categories": "pizza", **changes})


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"limit": 51}, "limit=51"),
        ({"limit": 0}, "limit=0"),
        ({"limit": 50, "offset": 200}, "first 240"),
        ({"offset": -1}, "offset=-1"),
        ({"location": None}, "location or a point"),
        ({"latitude": 40.7, "longitude": -74.0}, "location or a point"),
        ({"location": None, "latitude": 40.7}, "location or a point"),
        ({"location": "x" * 251}, "251 characters"),
        ({"radius_m": 40_001}, "radius_m=40001"),
    ],
)
async def test_a_search_that_yelp_would_refuse_costs_no_call(yelp, vendor, changes, names):
    with pytest.raises(ValueError, match=names):
        await search(yelp, **changes)
    assert vendor.requests == []


async def test_a_page_is_kept_for_24_hours_and_no_longer(yelp, vendor):
    vendor.answers = [PAGE]
    page = await search(yelp)
    assert (page.total, page.businesses) == (1, [BUSINESS])
    assert (page.expires_at - page.fetched_at).total_seconds() == 24 * 3600


async def test_the_same_search_is_asked_once(yelp, vendor):
    vendor.answers = [PAGE]
    first, second = await search(yelp), await search(yelp)
    assert len(vendor.requests) == 1
    assert first.fetched_at == second.fetched_at


async def test_the_request_carries_the_key_in_its_header_only(yelp, vendor):
    vendor.answers = [PAGE]
    await search(yelp)
    head = vendor.requests[0].decode()
    assert "authorization: bearer sandbox-yelp-key" in head.lower()
    assert "sandbox-yelp-key" not in head.splitlines()[0]


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
async def test_an_answer_of_another_shape_is_a_fault_with_a_reason(yelp, vendor, ledger_of, answer):
    vendor.answers = [answer]
    with pytest.raises(VendorUnavailable) as caught:
        await search(yelp)
    assert caught.value.reason == "malformed_answer"
    assert {(row.status, row.reason) for row in ledger_of()} == {("unavailable", "malformed_answer")}


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"businesses": None, "total": 1}, "businesses is NoneType"),
        ({"businesses": [None], "total": 1}, r"businesses\[0\] is NoneType"),
        ({"businesses": [{"name": "x"}], "total": 1}, r"businesses\[0\].id is NoneType"),
        ({"businesses": [{**BUSINESS, "location": "NYC"}], "total": 1}, r"businesses\[0\].location is str, not dict"),
        ({"businesses": [{**BUSINESS, "rating": "4.5"}], "total": 1}, r"rating is str, not int or float"),
        ({"businesses": [{**BUSINESS, "review_count": True}], "total": 1}, r"review_count is bool, not int"),
        ({"businesses": [], "total": "1"}, "total is str, not int"),
    ],
)
async def test_the_error_names_the_path_that_is_wrong(yelp, vendor, wrong, path):
    vendor.answers = [(200, {}, wrong)]
    with pytest.raises(VendorUnavailable, match=path):
        await search(yelp)


async def test_a_malformed_answer_is_not_served_again_from_the_cache(yelp, vendor):
    vendor.answers = [(200, {}, {"businesses": None, "total": 1})]
    with pytest.raises(VendorUnavailable):
        await search(yelp)
    vendor.answers = [PAGE]
    assert (await search(yelp)).total == 1


async def test_one_malformed_answer_is_asked_for_again(yelp, vendor):
    vendor.answers = [HOSTILE["null"], PAGE]
    assert (await search(yelp)).total == 1


async def test_a_merged_id_is_followed_on_yelps_own_host_only(yelp, vendor):
    vendor.answers = [(301, {"location": "https://evil.example/v3/businesses/b1"}, {}), (200, {}, BUSINESS)]
    async with yelp.gateway.running():
        assert (await yelp.details("old"))["id"] == "b1"
    assert [request.split()[1] for request in vendor.requests] == [b"/v3/businesses/old", b"/v3/businesses/b1"]


async def test_an_id_that_moves_for_ever_is_a_fault(yelp, vendor):
    vendor.answers = [(301, {"location": "/v3/businesses/x"}, {})]
    async with yelp.gateway.running():
        with pytest.raises(VendorUnavailable, match="does not lead to a business"):
            await yelp.details("old")
    assert len(vendor.requests) == 2


@pytest.mark.parametrize("location", ["http://[::1", ""])
async def test_an_id_that_moves_to_no_url_is_a_fault(yelp, vendor, location):
    vendor.answers = [(301, {"location": location}, {})]
    async with yelp.gateway.running():
        with pytest.raises(VendorUnavailable, match="malformed_answer"):
            await yelp.details("old")


async def test_an_id_with_a_slash_stays_one_segment_of_the_path(yelp, vendor):
    vendor.answers = [(404, {}, {"error": {"code": "BUSINESS_NOT_FOUND"}})]
    async with yelp.gateway.running():
        with pytest.raises(VendorRejected) as caught:
            await yelp.details("../../v3/x?y")
    assert caught.value.reason == "not_found"
    assert vendor.requests[0].split()[1] == b"/v3/businesses/..%2F..%2Fv3%2Fx%3Fy"


async def test_a_refused_call_costs_nothing_and_a_good_one_its_price(yelp, vendor, ledger_of):
    vendor.answers = [(404, {}, {"error": {"code": "NOT_FOUND"}}), (200, {}, BUSINESS)]
    async with yelp.gateway.running():
        with pytest.raises(VendorRejected):
            await yelp.details("a")
        await yelp.details("b")
    assert [row.cost_microusd for row in ledger_of()] == [0, 5910]
