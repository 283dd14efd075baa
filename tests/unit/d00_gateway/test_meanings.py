"""What 429s and rate headers mean per vendor, and that a vendor's word only ever lowers our own count."""

from __future__ import annotations

import datetime as dt

import httpx
import pytest
import sqlalchemy as sa

from leadfactory.d00_gateway import meanings, tables
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.meanings import VendorWord
from leadfactory.d00_gateway.transport import CallSpec

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
YELP_DAY = {"error": {"code": "ACCESS_LIMIT_REACHED", "description": "You've reached the access limit."}}
YELP_SECOND = {"error": {"code": "TOO_MANY_REQUESTS_PER_SECOND", "description": "slow down"}}
GOOGLE = "Quota exceeded for quota metric 'Queries' and limit 'Queries per {}' of service"


def google(per: str) -> dict:
    return {"error": {"code": 429, "message": GOOGLE.format(per), "status": "RESOURCE_EXHAUSTED"}}


@pytest.mark.parametrize(
    ("vendor", "body", "reason"),
    [
        ("yelp", YELP_DAY, "daily_limit"),
        ("yelp", YELP_SECOND, "too_many_requests"),
        ("pagespeed", google("day"), "daily_limit"),
        ("pagespeed", google("minute"), "too_many_requests"),
        ("places", google("day"), "daily_limit"),
        ("openai", {"error": {"code": "insufficient_quota", "type": "insufficient_quota"}}, "insufficient_quota"),
        ("openai", {"error": {"code": "rate_limit_exceeded", "type": "requests"}}, "too_many_requests"),
        ("sendgrid", {"errors": [{"message": "too many requests"}]}, "too_many_requests"),
        ("stripe", {"error": {"type": "invalid_request_error", "code": "rate_limit"}}, "too_many_requests"),
        ("yelp", [], "too_many_requests"),
    ],
)
def test_each_vendors_429(vendor, body, reason):
    error = meanings.limit_fault(vendor, "x", httpx.Response(429, json=body), now=NOW)
    assert (error.reason, error.left_the_house) == (reason, False)


def test_a_websites_429_is_its_own():
    assert meanings.limit_fault("website", "x", httpx.Response(429), now=NOW) is None


@pytest.mark.parametrize(
    ("vendor", "status", "body", "kind", "reason"),
    [
        ("yelp", 301, {}, None, None),
        ("yelp", 400, {"error": {"code": "VALIDATION_ERROR"}}, VendorRejected, "bad_request"),
        ("yelp", 403, {"error": {"code": "BUSINESS_UNAVAILABLE"}}, VendorRejected, "business_unavailable"),
        ("yelp", 403, {"error": {"code": "AUTHORIZATION_ERROR"}}, VendorUnavailable, "forbidden"),
        ("places", 400, {"error": {"details": [{"reason": "API_KEY_INVALID"}]}}, VendorUnavailable, "invalid_key"),
        ("places", 404, {"error": {"code": 404, "status": "NOT_FOUND"}}, VendorRejected, "not_found"),
        ("stripe", 409, {"error": {"type": "idempotency_error"}}, VendorUnavailable, "conflict"),
        ("sendgrid", 502, "bad gateway", VendorUnavailable, "server_error"),
        ("website", 429, "", VendorUnavailable, "too_many_requests"),
    ],
)
def test_statuses(vendor, status, body, kind, reason):
    error = meanings.fault_of_status(vendor, "x", httpx.Response(status, json=body))
    assert (type(error) if error else None, error.reason if error else None) == (kind, reason)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30", NOW + dt.timedelta(seconds=30)),
        ("0.5", NOW + dt.timedelta(seconds=0.5)),
        ((NOW + dt.timedelta(minutes=5)).strftime("%a, %d %b %Y %H:%M:%S GMT"), NOW + dt.timedelta(minutes=5)),
        ("-5", None), ("soon", None), ("nan", None), ("1e30", None), ("99999999", None), ("", None),
    ],
)  # fmt: skip
def test_retry_after(text, expected):
    assert meanings.retry_after(httpx.Response(429, headers={"retry-after": text}), NOW) == expected


@pytest.mark.parametrize(
    ("dialect", "headers", "remaining", "reset_in"),
    [
        (
            "yelp",
            {"RateLimit-Remaining": "299", "RateLimit-ResetTime": (NOW + dt.timedelta(hours=3)).isoformat()},
            299,
            10800,
        ),
        ("yelp", {"RateLimit-Remaining": "12.0"}, 12, None),
        ("sendgrid", {"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": str(int(NOW.timestamp()) + 40)}, 5, 40),
        ("openai", {"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "6m0s"}, 7, 360),
        ("openai", {"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "30ms"}, 7, 0),
    ],
)
def test_rate_headers_are_read(dialect, headers, remaining, reset_in):
    word = meanings.vendor_word(dialect, httpx.Response(200, headers=headers), limited=None, now=NOW)
    assert (word.remaining, word.unusable) == (remaining, ())
    found = None if word.resets_at is None else round((word.resets_at - NOW).total_seconds())
    assert found == reset_in


@pytest.mark.parametrize(
    ("dialect", "headers", "names"),
    [
        ("yelp", {"RateLimit-Remaining": "many"}, ("ratelimit-remaining",)),
        (
            "yelp",
            {"RateLimit-Remaining": "-3", "RateLimit-ResetTime": "tomorrow"},
            ("ratelimit-remaining", "ratelimit-resettime"),
        ),
        ("sendgrid", {"X-RateLimit-Reset": "1" + "0" * 30}, ("x-ratelimit-reset",)),
        ("openai", {"x-ratelimit-reset-requests": "later"}, ("x-ratelimit-reset-requests",)),
        (None, {"Retry-After": "soon"}, ("retry-after",)),
    ],
)
def test_headers_that_cannot_be_read_are_named(dialect, headers, names):
    word = meanings.vendor_word(dialect, httpx.Response(200, headers=headers), limited=None, now=NOW)
    assert (word.unusable, word.remaining, word.blocked_until) == (names, None, None)


def test_no_headers_say_nothing():
    assert meanings.vendor_word("yelp", httpx.Response(200), limited=None, now=NOW) is None


def test_nothing_left_blocks_until_the_reset():
    reset = NOW + dt.timedelta(hours=2)
    response = httpx.Response(200, headers={"RateLimit-Remaining": "0", "RateLimit-ResetTime": reset.isoformat()})
    word = meanings.vendor_word("yelp", response, limited=None, now=NOW)
    assert word == VendorWord("day", 0, reset, blocked_rate="day", blocked_until=reset)


# -- through the gateway ---------------------------------------------------------------------------------------------


async def calls(gateway, vendor, number, *, name="yelp"):
    """How each of ``number`` calls, one after the other, ended."""
    ended = []
    for _ in range(number):
        with gateway.calling(CallSpec("x", deadline_s=5)):
            try:
                ended.append((await gateway.http(name).get(vendor.base_url)).status_code)
            except VendorUnavailable as error:
                ended.append(error.reason)
    return ended


def remaining(number: int) -> tuple:
    tomorrow = dt.datetime.combine(dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1), dt.time(), dt.UTC)
    return (200, {"RateLimit-Remaining": str(number), "RateLimit-ResetTime": tomorrow.isoformat()}, {})


async def test_a_vendor_that_counted_more_lowers_what_is_left(gateway_of, vendor):
    vendor.answers = [remaining(2), remaining(1), remaining(0)]
    gateway = gateway_of(rates={"day": 300}, rate_headers="yelp")
    async with gateway.running():
        assert await calls(gateway, vendor, 5) == [200, 200, 200, "daily_limit", "daily_limit"]


async def test_a_vendor_that_counted_less_raises_nothing(gateway_of, vendor):
    vendor.answers = [remaining(5000)]
    gateway = gateway_of(rates={"day": 3}, rate_headers="yelp")
    async with gateway.running():
        assert await calls(gateway, vendor, 4) == [200, 200, 200, "daily_limit"]


async def test_a_word_that_agrees_with_us_costs_no_permits(gateway_of, vendor, database):
    vendor.answers = [remaining(99 - n) for n in range(10)]
    gateway = gateway_of(rates={"day": 100}, rate_headers="yelp")
    async with gateway.running():
        await calls(gateway, vendor, 10)
    with database.begin() as tx:
        assert tx.scalar(sa.select(tables.vendor_quotas.c.used_units)) == 10


async def test_unusable_headers_change_nothing_and_are_counted(gateway_of, vendor, database):
    vendor.answers = [(200, {"RateLimit-Remaining": "none"}, {})]
    gateway = gateway_of(rates={"day": 100}, rate_headers="yelp")
    async with gateway.running():
        assert await calls(gateway, vendor, 3) == [200] * 3
        assert gateway.unusable_headers() == {("yelp", "ratelimit-remaining"): 3}


async def test_yelps_daily_limit_stops_the_day_without_another_attempt(gateway_of, vendor):
    vendor.answers = [(429, {}, YELP_DAY)]
    gateway = gateway_of(rates={"second": 100, "day": 300})
    async with gateway.running():
        assert await calls(gateway, vendor, 3) == ["daily_limit"] * 3
    assert len(vendor.requests) == 1


async def test_yelps_second_limit_is_waited_for_and_tried_again(gateway_of, vendor):
    vendor.answers = [(429, {}, YELP_SECOND), (200, {}, {})]
    gateway = gateway_of(rates={"second": 100, "day": 300})
    async with gateway.running():
        assert await calls(gateway, vendor, 1) == [200]
    assert vendor.arrived[1] - vendor.arrived[0] >= 0.9


async def test_a_spent_openai_account_is_not_tried_again(gateway_of, vendor):
    vendor.answers = [(429, {}, {"error": {"code": "insufficient_quota", "type": "insufficient_quota"}})]
    gateway = gateway_of("openai", rates={"minute": 100}, rate_headers="openai")
    async with gateway.running():
        assert await calls(gateway, vendor, 1, name="openai") == ["insufficient_quota"]
    assert len(vendor.requests) == 1


async def test_a_429s_retry_after_holds_back_every_call_of_the_vendor(gateway_of, vendor):
    vendor.answers = [(429, {"retry-after": "3600"}, {}), (200, {}, {})]
    gateway = gateway_of("sendgrid", rates={"minute": 600}, rate_headers="sendgrid")
    async with gateway.running():
        assert await calls(gateway, vendor, 2, name="sendgrid") == ["too_many_requests", "rate_limited"]
