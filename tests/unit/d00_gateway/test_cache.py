"""Idempotent look-ups are bought once within the vendor's storage term; nothing else is kept."""

from __future__ import annotations

import asyncio
import datetime as dt

import httpx
import pytest
import sqlalchemy as sa

from leadfactory.clock import Clock
from leadfactory.d00_gateway import cache, content, tables
from leadfactory.d00_gateway.answers import body
from leadfactory.d00_gateway.content import Content
from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d00_gateway.transport import CallSpec

DAY = dt.timedelta(hours=24)
LOOKUP = CallSpec("businesses/search", worst_case_microusd=6000, cache_for=DAY, subject="abc")
NOON = dt.datetime(2026, 10, 6, 12, tzinfo=dt.UTC)


def at(hours: float) -> Clock:
    return Clock(start=NOON + dt.timedelta(hours=hours))


async def fetch(gateway, vendor, spec=LOOKUP, *, name="yelp", method="GET", path="/v3/x", **request):
    """One call in a run of its own."""
    async with gateway.running():
        with gateway.calling(spec):
            return await gateway.http(name).request(method, vendor.base_url + path, **request)


async def test_a_later_run_finds_the_answer_and_pays_nothing(gateway_of, vendor, ledger_of):
    vendor.answers = [(200, {}, {"n": 1}), (200, {}, {"n": 2})]
    first = await fetch(gateway_of(clock=at(0)), vendor)
    again = await fetch(gateway_of(clock=at(1), rates={"day": 1}), vendor)
    assert (first.json(), again.json(), len(vendor.requests)) == ({"n": 1}, {"n": 1}, 1)
    assert [(row.cache_hit, row.status, row.cost_microusd, row.lease_id) for row in ledger_of()] == [
        (False, "ok", 6000, None), (True, "ok", 0, None),
    ]  # fmt: skip
    assert again.extensions["fetched_at"] == NOON
    assert again.extensions["expires_at"] == NOON + DAY


async def test_an_expired_answer_is_fetched_again(gateway_of, vendor):
    for hours in (0, 24.01):
        await fetch(gateway_of(clock=at(hours)), vendor)
    assert len(vendor.requests) == 2


async def test_the_vendors_term_bounds_a_longer_wish(gateway_of, vendor, database):
    await fetch(gateway_of(clock=at(0)), vendor, CallSpec("x", cache_for=dt.timedelta(days=90)))
    with database.begin() as tx:
        assert tx.scalar(sa.select(tables.vendor_content.c.expires_at)) == NOON + DAY


@pytest.mark.parametrize("name", ["places", "a-vendor-without-terms"])
async def test_what_terms_do_not_allow_is_not_kept(gateway_of, vendor, name):
    gateway = gateway_of(name)
    for _ in range(2):
        await fetch(gateway, vendor, name=name)
    assert len(vendor.requests) == 2


@pytest.mark.parametrize(
    ("spec", "policy"),
    [(CallSpec("x"), {}), (LOOKUP, {"caches": False}), (CallSpec("x", cache_for=DAY, safe_to_retry=False), {})],
    ids=["not asked for", "vendor is never cached", "an effect"],
)
async def test_nothing_else_is_kept(gateway_of, vendor, spec, policy):
    gateway = gateway_of(**policy)
    for _ in range(2):
        await fetch(gateway, vendor, spec)
    assert len(vendor.requests) == 2


async def test_errors_are_not_kept(gateway_of, vendor):
    vendor.answers = [(404, {}, {}), (200, {}, {"n": 1})]
    gateway = gateway_of()
    with pytest.raises(VendorError):
        await fetch(gateway, vendor)
    assert (await fetch(gateway, vendor)).json() == {"n": 1}


async def test_a_stampede_becomes_one_call(gateway_of, vendor, ledger_of):
    vendor.before = lambda: asyncio.sleep(0.05)
    gateway = gateway_of()
    async with gateway.running() as scope:
        await asyncio.gather(*(fetch(gateway, vendor) for _ in range(10)))
    assert (len(vendor.requests), scope.calls, scope.cache_hits) == (1, 1, 9)
    assert sorted(row.cache_hit for row in ledger_of()) == [False] + [True] * 9


async def test_text_that_the_database_cannot_hold_is_replaced_before_anyone_reads_it(gateway_of, vendor):
    vendor.answers = [(200, {}, b'{"name": "a\\u0000b", "half": "\\ud800"}')]
    gateway = gateway_of()
    told = [body(await fetch(gateway, vendor)) for _ in range(2)]
    assert told == [{"name": "a\ufffdb", "half": "\ufffd"}] * 2
    assert len(vendor.requests) == 1  # the second was kept


def a_request(method="GET", url="https://x.test/a?b=2&a=1", body=b""):
    return cache.request_hash(httpx.Request(method, url, content=body), body)


def test_the_key_ignores_the_api_key_and_the_order_of_parameters():
    assert a_request() == a_request(url="https://x.test/a?a=1&b=2&key=secret")


@pytest.mark.parametrize(
    "other",
    [{"method": "POST"}, {"url": "https://x.test/a?b=2&a=2"}, {"url": "https://y.test/a?b=2&a=1"}, {"body": b"x"}],
)
def test_the_key_tells_different_requests_apart(other):
    assert a_request() != a_request(**other)


def test_content_is_read_until_it_expires(database):
    row = Content("abc", {"name": "Joe"}, NOON, NOON + DAY)
    with database.begin() as tx:
        content.store(tx, "yelp", [row])
        assert content.read(tx, "yelp", ["abc", "xyz"], NOON) == {"abc": {"name": "Joe"}}
        assert content.read(tx, "yelp", ["abc"], NOON + DAY) == {}
        assert content.read(tx, "places", ["abc"], NOON) == {}


def test_newer_content_replaces_older(database):
    with database.begin() as tx:
        content.store(tx, "yelp", [Content("abc", 2, NOON, NOON + DAY), Content("abc", 1, NOON - DAY, NOON)])
        content.store(tx, "yelp", [Content("abc", 3, NOON, NOON + DAY)])
        assert content.read(tx, "yelp", ["abc"], NOON) == {"abc": 3}


def test_purge_deletes_what_has_expired_and_nothing_else(database):
    with database.begin() as tx:
        content.store(tx, "yelp", [Content("old", 1, NOON, NOON + DAY), Content("new", 1, NOON, NOON + 2 * DAY)])
        assert content.purge(tx, NOON + DAY) == 1
        assert set(tx.scalars(sa.select(tables.vendor_content.c.subject))) == {"new"}


def test_vendor_content_never_reaches_the_log_of_the_database(database):
    with database.begin() as tx:
        kind = tx.scalar(
            sa.text("SELECT relpersistence FROM pg_class WHERE oid = 'leadfactory.vendor_content'::regclass")
        )
    assert kind in ("u", b"u")
