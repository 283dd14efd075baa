"""One attempt, one permit, one ledger row; what is tried again and what an unknown outcome costs."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import types
import uuid

import httpx
import pytest
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway import tables
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.scope import BUSINESS
from leadfactory.d00_gateway.transport import CallSpec

UNIT = CampaignDay("restaurant-nyc", dt.date(2026, 10, 6))
SPEC = CallSpec("businesses/search", worst_case_microusd=6000)
ONCE = CallSpec("mail/send", worst_case_microusd=6000, safe_to_retry=False)
GONE = "http://127.0.0.1:9"  # the discard port: nobody listens


async def call(gateway, vendor, spec=SPEC, *, name="yelp", base=None):
    """One GET through the gateway, in a scope of its own."""
    async with gateway.running(unit=UNIT, asset="sourced_businesses"):
        with gateway.calling(spec):
            return await gateway.http(name).get((base or vendor.base_url) + "/v3/x")


async def failure(gateway, vendor, spec=SPEC, **where):
    """The error that a call ends in."""
    with pytest.raises((VendorUnavailable, VendorRejected)) as caught:
        await call(gateway, vendor, spec, **where)
    return caught.value


async def test_an_answer_leaves_one_settled_row_with_its_cost(gateway_of, vendor, ledger_of):
    gateway, business = gateway_of(), uuid.uuid4()
    async with gateway.running(unit=UNIT, asset="sourced_businesses") as scope:
        with gateway.about(business):
            answer = await call(gateway, vendor, CallSpec("search", worst_case_microusd=6000, cost_of=lambda _: 5000))
    assert answer.json() == {"ok": True}
    (row,) = ledger_of()
    assert (row.status, row.http_status, row.cost_microusd, row.reserved_microusd) == ("ok", 200, 5000, 6000)
    assert (row.campaign, row.cohort_on, row.asset) == (UNIT.campaign, UNIT.day, "sourced_businesses")
    assert (row.business_id, row.occurred_on) == (business, dt.date(2026, 10, 6))
    assert (scope.calls, scope.spend_microusd, dict(scope.by_vendor)) == (1, 5000, {"yelp": 1})


def test_a_call_whose_loop_died_is_collected_without_a_word(gateway_of):
    gateway, before = gateway_of(), BUSINESS.get()

    @types.coroutine
    def never():
        yield

    async def work():
        with gateway.about(uuid.uuid4()), gateway.calling(SPEC):
            await never()

    left = work()
    contextvars.Context().run(left.send, None)
    left.close()  # as the collector does, in whatever context it runs
    assert BUSINESS.get() is before


def test_what_a_call_is_about_is_put_back_whatever_it_raises(gateway_of):
    gateway, outer = gateway_of(), uuid.uuid4()
    with gateway.about(outer):
        with pytest.raises(KeyboardInterrupt), gateway.about(uuid.uuid4()):
            raise KeyboardInterrupt
        assert BUSINESS.get() == outer
    assert BUSINESS.get() is None


async def test_the_row_is_committed_before_the_request_arrives(gateway_of, vendor, ledger_of):
    seen = []

    async def look():
        seen.append([row.status for row in await asyncio.to_thread(ledger_of)])

    vendor.before = look
    await call(gateway_of(), vendor)
    assert seen == [["started"]]


async def test_a_settled_call_holds_no_reservation(gateway_of, vendor, database):
    await call(gateway_of(), vendor)
    with database.begin() as tx:
        one = tables.budgets.c
        rows = tx.execute(sa.select(one.scope, one.reserved_microusd, one.spent_microusd))
        assert sorted(rows) == [("campaign", 0, 6000), ("day", 0, 6000), ("vendor", 0, 6000)]


async def test_a_request_without_a_spec_does_not_leave(gateway_of, vendor):
    gateway = gateway_of()
    async with gateway.running():
        with pytest.raises(RuntimeError, match="nothing was sent"):
            await gateway.http("yelp").get(vendor.base_url)
    assert vendor.requests == []


async def test_a_server_error_is_tried_again_with_a_row_per_attempt(gateway_of, vendor, ledger_of):
    vendor.answers = [(503, {}, {}), (200, {}, {"ok": True})]
    answer = await call(gateway_of(), vendor)
    assert answer.status_code == 200
    assert [(row.attempt, row.status, row.cost_microusd) for row in ledger_of()] == [
        (1, "unavailable", 0), (2, "ok", 6000),
    ]  # fmt: skip


async def test_attempts_end_at_the_limit(gateway_of, vendor):
    vendor.answers = [(500, {}, {})]
    error = await failure(gateway_of(), vendor)
    assert (error.reason, error.status, len(vendor.requests)) == ("server_error", 500, 3)


async def test_what_is_not_safe_to_repeat_makes_one_attempt(gateway_of, vendor, ledger_of):
    vendor.answers = [(503, {}, {})]
    error = await failure(gateway_of("sendgrid"), vendor, ONCE, name="sendgrid")
    assert error.left_the_house
    assert len(vendor.requests) == len(ledger_of()) == 1


@pytest.mark.parametrize("status", [400, 402, 404, 413, 422])
async def test_a_refusal_is_final(gateway_of, vendor, status, ledger_of):
    vendor.answers = [(status, {}, {"error": {"code": "NO", "description": "no"}})]
    error = await failure(gateway_of(), vendor)
    assert isinstance(error, VendorRejected)
    assert [(row.status, row.cost_microusd) for row in ledger_of()] == [("rejected", 0)]


@pytest.mark.parametrize(("status", "reason"), [(401, "invalid_key"), (403, "forbidden")])
async def test_a_wrong_key_says_nothing_of_the_lead(gateway_of, vendor, status, reason):
    vendor.answers = [(status, {}, {})]
    error = await failure(gateway_of(), vendor)
    assert isinstance(error, VendorUnavailable)
    assert (error.reason, error.left_the_house, len(vendor.requests)) == (reason, False, 1)


@pytest.mark.parametrize(
    ("answer", "reason"), [("reset", "connection_lost"), ("hang", "timeout")], ids=["reset", "timeout"]
)
async def test_an_unknown_outcome_costs_the_worst_case(gateway_of, vendor, ledger_of, database, answer, reason):
    vendor.answers = [answer]
    error = await failure(gateway_of("sendgrid", timeout_s=0.3), vendor, ONCE, name="sendgrid")
    assert (error.reason, error.left_the_house) == (reason, True)
    assert [(row.status, row.reason, row.cost_microusd) for row in ledger_of()] == [("unknown", reason, 6000)]
    with database.begin() as tx:
        assert set(tx.scalars(sa.select(tables.budgets.c.spent_microusd))) == {6000}


async def test_what_never_left_costs_nothing(gateway_of, vendor, ledger_of):
    error = await failure(gateway_of("sendgrid"), vendor, ONCE, name="sendgrid", base=GONE)
    assert (error.reason, error.left_the_house) == ("connect_failed", False)
    assert [(row.status, row.cost_microusd) for row in ledger_of()] == [("not_sent", 0)]


async def test_a_cancelled_call_is_unknown(gateway_of, vendor, ledger_of):
    vendor.answers, arrived = ["hang"], asyncio.Event()

    async def tell():
        arrived.set()

    vendor.before = tell
    gateway = gateway_of()
    async with gateway.running():
        task = asyncio.create_task(call(gateway, vendor))
        await arrived.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [(row.status, row.reason, row.cost_microusd) for row in ledger_of()] == [("unknown", "interrupted", 6000)]


async def test_a_body_that_is_not_json_is_a_fault(gateway_of, vendor, ledger_of):
    vendor.answers = [(200, {}, b'{"businesses": [')]
    error = await failure(gateway_of(retry={"attempts": 1}), vendor)
    assert error.reason == "malformed_answer"
    assert [(row.status, row.cost_microusd) for row in ledger_of()] == [("unavailable", 6000)]


async def test_the_client_decides_what_an_answer_means(gateway_of, vendor):
    spec = CallSpec(
        "search", fault_of=lambda response: VendorRejected("yelp", "search", "lighthouse_no_fcp", status=200)
    )
    assert (await failure(gateway_of(), vendor, spec)).reason == "lighthouse_no_fcp"


async def test_an_answer_the_client_accepts_comes_back_whatever_its_status(gateway_of, vendor):
    vendor.answers = [(404, {}, {})]
    assert (await call(gateway_of(), vendor, CallSpec("page", fault_of=lambda _: None))).status_code == 404


async def test_retry_after_is_waited_for(gateway_of, vendor):
    vendor.answers = [(503, {"retry-after": "1"}, {}), (200, {}, {})]
    await call(gateway_of(), vendor)
    assert vendor.arrived[1] - vendor.arrived[0] >= 1.0


async def test_a_retry_after_beyond_the_deadline_ends_the_call_and_says_when(gateway_of, vendor):
    vendor.answers = [(503, {"retry-after": "3600"}, {})]
    error = await failure(gateway_of(), vendor)
    assert error.retry_at - dt.datetime.now(dt.UTC) > dt.timedelta(minutes=59)
    assert len(vendor.requests) == 1


async def test_the_deadline_bounds_all_attempts(gateway_of, vendor):
    vendor.answers = ["hang"]
    gateway = gateway_of(timeout_s=0.2, retry={"attempts": 50, "base_s": 0.01, "cap_s": 0.02})
    await failure(gateway, vendor, CallSpec("search", deadline_s=0.5))
    assert 2 <= len(vendor.requests) <= 4


async def test_concurrency_is_bounded_per_vendor(gateway_of, vendor):
    under_way, most = 0, 0

    async def count():
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1

    vendor.before = count
    gateway = gateway_of(concurrency=3)
    async with gateway.running():
        await asyncio.gather(*(call(gateway, vendor) for _ in range(15)))
    assert most == 3


async def test_running_is_reentrant_and_counts_outward(gateway_of, vendor):
    gateway = gateway_of()
    async with gateway.running() as outer:
        await call(gateway, vendor)
        await call(gateway, vendor)
        assert outer.calls == 2
    async with gateway.running() as again:
        await call(gateway, vendor)
    assert again.calls == 1


def test_a_gateway_serves_one_event_loop_after_another(gateway_of, vendor_address):
    gateway = gateway_of()

    async def one() -> int:
        async with gateway.running():
            with gateway.calling(CallSpec("search", fault_of=lambda _: None)):
                return (await gateway.http("yelp").get(vendor_address)).status_code

    assert [asyncio.run(one()), asyncio.run(one())] == [200, 200]


async def test_wires_of_our_own_keep_the_meaning_of_their_errors(gateway_of, vendor, ledger_of):
    class Guard(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            raise VendorRejected("website", "page", "blocked_address")

    gateway = gateway_of("website", json_answers=False)
    async with gateway.running():
        with gateway.calling(CallSpec("page")), pytest.raises(VendorRejected, match="blocked_address"):
            await gateway.http("website", wire=Guard).get("http://example.test/")
    assert [(row.status, row.reason) for row in ledger_of()] == [("rejected", "blocked_address")]
