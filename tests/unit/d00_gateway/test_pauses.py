"""What an operator paused is not called: all vendors, one, or those that a campaign's own work asks for."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from leadfactory import pauses
from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.transport import CallSpec

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)
UNIT = CampaignDay("restaurant-nyc", NOW.date())
ONE = CallSpec("x", safe_to_retry=False)


def paused(database, kind, key=""):
    with database.begin() as tx:
        return pauses.pause(tx, kind, key, reason="the disk is moved", by="ana", now=NOW)


async def call(gateway, vendor, **scope):
    async with gateway.running(**scope):
        with gateway.calling(ONE):
            return (await gateway.http("yelp").get(vendor.base_url)).status_code


@pytest.mark.parametrize(
    ("kind", "key", "asset"),
    [
        ("all", "", "report_deliveries"),
        ("vendor", "yelp", "report_deliveries"),
        ("campaign", UNIT.campaign, "sourced_businesses"),
        ("campaign", UNIT.campaign, "email_sends"),
    ],
)
async def test_a_paused_call_does_not_leave_and_says_whose_word_it_is(gateway_of, vendor, database, kind, key, asset):
    paused(database, kind, key)
    with pytest.raises(VendorUnavailable, match="by ana since 2026-10-06 15:00 UTC: the disk is moved") as error:
        await call(gateway_of(), vendor, unit=UNIT, asset=asset)
    assert (error.value.reason, error.value.left_the_house, vendor.requests) == ("paused", False, [])


@pytest.mark.parametrize(
    ("kind", "key", "asset"),
    [
        ("vendor", "openai", "sourced_businesses"),
        ("campaign", "dental-chicago", "sourced_businesses"),
        ("campaign", UNIT.campaign, "report_deliveries"),  # what a buyer of it paid for is owed
        ("sender", "ana@mail.leadfactory.example", "sourced_businesses"),
    ],
)
async def test_a_pause_of_something_else_holds_no_call_back(gateway_of, vendor, database, kind, key, asset):
    paused(database, kind, key)
    assert await call(gateway_of(), vendor, unit=UNIT, asset=asset) == 200


@pytest.mark.parametrize(("kind", "key", "said"), [("all", "", 200), ("vendor", "yelp", "paused")])
async def test_a_repair_asks_while_all_is_paused_but_not_a_vendor_that_is(
    gateway_of, vendor, database, kind, key, said
):
    paused(database, kind, key)
    try:
        answer = await call(gateway_of(), vendor, unit=None, asset=pauses.REPAIR)
    except VendorUnavailable as error:
        answer = error.reason
    assert answer == said


async def test_a_process_that_is_calling_hears_it_and_its_end_within_two_seconds(gateway_of, vendor, database):
    gateway, said = gateway_of(), []
    async with gateway.running():
        for step in ("before", "paused", "resumed"):
            if step == "paused":
                paused(database, "all")
            if step == "resumed":
                with database.begin() as tx:
                    pauses.resume(tx, "all", "", reason="the disk is in", by="ben", now=NOW)
            await asyncio.sleep(1.1 if step != "before" else 0)
            try:
                with gateway.calling(ONE):
                    said.append((await gateway.http("yelp").get(vendor.base_url)).status_code)
            except VendorUnavailable as error:
                said.append(error.reason)
    assert said == [200, "paused", 200]
