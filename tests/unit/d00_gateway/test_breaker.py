"""The breaker opens on faults in a row for all processes, lets one probe through, and an operator's word wins."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory.d00_gateway import breaker, tables
from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.transport import CallSpec

ONE = CallSpec("x", safe_to_retry=False)
BREAKER = {"faults": 3, "open_s": 60}


async def calls(gateway, vendor, number, *, at_once=False):
    """How each of ``number`` calls ended: a status or a reason."""

    async def one():
        with gateway.calling(ONE):
            try:
                return (await gateway.http("yelp").get(vendor.base_url)).status_code
            except VendorError as error:
                return error.reason

    if at_once:
        return list(await asyncio.gather(*(one() for _ in range(number))))
    return [await one() for _ in range(number)]


def row_of(database) -> sa.Row:
    with database.begin() as tx:
        return tx.execute(sa.select(tables.vendor_breakers)).one()


def let_the_pause_pass(database) -> None:
    with database.begin() as tx:
        tx.execute(sa.update(tables.vendor_breakers).values(retry_at=sa.func.clock_timestamp()))


@pytest.mark.parametrize(
    ("answers", "reason"),
    [([(500, {}, {})], "server_error"), (["reset"], "connection_lost"), ([(200, {}, b"{")], "malformed_answer")],
    ids=["5xx", "reset", "malformed"],
)
async def test_faults_in_a_row_open_it_and_nothing_more_leaves(gateway_of, vendor, database, answers, reason):
    vendor.answers = answers
    gateway = gateway_of(breaker=BREAKER)
    async with gateway.running():
        assert await calls(gateway, vendor, 5) == [reason] * 3 + ["breaker_open"] * 2
    assert (len(vendor.requests), row_of(database).state) == (3, "open")


@pytest.mark.parametrize("status", [400, 401, 404, 429])
async def test_refusals_and_limits_do_not_open_it(gateway_of, vendor, database, status):
    vendor.answers = [(status, {}, {})]
    gateway = gateway_of(breaker=BREAKER)
    async with gateway.running():
        await calls(gateway, vendor, 5)
    assert (row_of(database).state, row_of(database).failures) == ("closed", 0)


async def test_an_answer_between_faults_starts_the_count_again(gateway_of, vendor, database):
    vendor.answers = [(500, {}, {}), (500, {}, {}), (200, {}, {}), (500, {}, {}), (500, {}, {}), (200, {}, {})]
    gateway = gateway_of(breaker=BREAKER)
    async with gateway.running():
        await calls(gateway, vendor, 6)
    assert (row_of(database).state, row_of(database).failures) == ("closed", 0)


async def test_a_new_process_finds_it_open(gateway_of, vendor):
    vendor.answers = [(500, {}, {})]
    first, second = gateway_of(breaker=BREAKER), gateway_of(breaker=BREAKER)
    async with first.running():
        await calls(first, vendor, 3)
    async with second.running():
        assert await calls(second, vendor, 1) == ["breaker_open"]


async def test_of_many_waiters_over_two_processes_one_is_the_probe(gateway_of, vendor, database):
    vendor.answers = [(500, {}, {})]
    gateways = [gateway_of(breaker=BREAKER) for _ in range(2)]
    async with gateways[0].running(), gateways[1].running():
        await calls(gateways[0], vendor, 3)
    let_the_pause_pass(database)
    vendor.answers, vendor.before = [(200, {}, {})], lambda: asyncio.sleep(0.3)
    async with gateways[0].running(), gateways[1].running():
        ended = await asyncio.gather(*(calls(one, vendor, 10, at_once=True) for one in gateways))
    assert sorted((*ended[0], *ended[1]), key=str) == [200] + ["breaker_open"] * 19
    assert (len(vendor.requests), row_of(database).state) == (4, "closed")


async def test_a_failed_probe_opens_it_again(gateway_of, vendor, database):
    vendor.answers = [(500, {}, {})]
    gateway = gateway_of(breaker=BREAKER)
    async with gateway.running():
        await calls(gateway, vendor, 3)
    let_the_pause_pass(database)
    async with gateway.running():
        assert await calls(gateway, vendor, 2) == ["server_error", "breaker_open"]
    assert row_of(database).retry_at > dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)


async def test_a_probe_that_never_left_leaves_its_place_to_the_next(gateway_of, vendor, database):
    vendor.answers = [(500, {}, {})]
    gateway = gateway_of(breaker=BREAKER, rates={"day": 3})
    async with gateway.running():
        await calls(gateway, vendor, 3)
    let_the_pause_pass(database)
    async with gateway.running():
        assert await calls(gateway, vendor, 1) == ["daily_limit"]
    row = row_of(database)
    assert (row.state, row.probe_expires_at <= dt.datetime.now(dt.UTC)) == ("half_open", True)


async def test_an_operator_opens_it_for_all_and_says_why(gateway_of, vendor, database):
    gateway = gateway_of(breaker=BREAKER)
    with database.begin() as tx:
        breaker.force(tx, "yelp", "open", "contract ended")
    async with gateway.running():
        with gateway.calling(ONE), pytest.raises(VendorUnavailable, match="contract ended") as caught:
            await gateway.http("yelp").get(vendor.base_url)
    assert (caught.value.left_the_house, vendor.requests) == (False, [])


async def test_a_running_process_hears_the_operator(gateway_of, vendor, database):
    gateway = gateway_of(breaker=BREAKER)
    async with gateway.running():
        assert await calls(gateway, vendor, 1) == [200]
        with database.begin() as tx:
            breaker.force(tx, "yelp", "open", "stop")
        ended = []
        while "breaker_open" not in ended:
            ended += await calls(gateway, vendor, 1)
            await asyncio.sleep(0.05)
    assert ended[-1] == "breaker_open"


async def test_forced_closed_lets_every_call_pass(gateway_of, vendor, database):
    vendor.answers = [(500, {}, {})]
    gateway = gateway_of(breaker=BREAKER)
    with database.begin() as tx:
        breaker.force(tx, "yelp", "closed", "we know")
    async with gateway.running():
        assert await calls(gateway, vendor, 6) == ["server_error"] * 6


async def test_letting_go_starts_from_a_closed_breaker(gateway_of, vendor, database):
    with database.begin() as tx:
        breaker.force(tx, "yelp", "open", "stop")
        breaker.force(tx, "yelp", None, "done")
    gateway = gateway_of(breaker=BREAKER)
    async with gateway.running():
        assert await calls(gateway, vendor, 1) == [200]
    assert row_of(database).forced is None


async def test_a_vendor_without_breaker_policy_is_never_held_back(gateway_of, vendor):
    vendor.answers = [(500, {}, {})]
    gateway = gateway_of()
    async with gateway.running():
        assert await calls(gateway, vendor, 20) == ["server_error"] * 20


async def test_a_rejection_of_one_url_is_not_a_fault_of_the_vendor(gateway_of, vendor, database):
    vendor.answers = [(500, {}, {})]
    spec = CallSpec("run", fault_of=lambda _: VendorRejected("yelp", "run", "lighthouse_dns_failure", status=500))
    gateway = gateway_of(breaker=BREAKER)
    async with gateway.running():
        for _ in range(5):
            with gateway.calling(spec), pytest.raises(VendorRejected):
                await gateway.http("yelp").get(vendor.base_url)
    assert row_of(database).state == "closed"
