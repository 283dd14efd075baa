"""A changed rate holds in a process that is calling, within seconds and without a restart."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable

import pytest

from leadfactory import reloading
from leadfactory.clock import Clock
from leadfactory.d00_gateway import policies
from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.transport import CallSpec
from tests.postgres import settings_for_tests
from tests.unit.d00_gateway.conftest import policies_of

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)


async def repeatedly(call: Callable[[], Awaitable[int]]) -> None:
    for _ in range(100):  # permits that were leased before may still be used
        await call()
        await asyncio.sleep(0.05)


async def test_a_lower_quota_is_taken_over_by_a_gateway_that_runs(database, vendor, tmp_path, monkeypatch):
    loaded = [policies_of(rates={"day": 100})]
    monkeypatch.setattr(policies, "_loaded", lambda: loaded[0])
    monkeypatch.setattr(reloading, "_known", 0)
    gateway = Gateway(database, clock=Clock(NOW), settings=settings_for_tests(tmp_path, YELP_API_KEY="k"))

    async def call() -> int:
        with gateway.calling(CallSpec("x", safe_to_retry=False, deadline_s=0.2)):
            return (await gateway.http("yelp").get(vendor.base_url)).status_code

    async with gateway.running():
        assert [await call() for _ in range(3)] == [200] * 3
        loaded[0] = policies_of(rates={"day": 3})
        with database.begin() as tx:
            reloading.announce(tx, reloading.Checked({}, ()), by="ana", now=NOW)
        await asyncio.sleep(1.1)
        with pytest.raises(VendorUnavailable, match="the limit of 3 a day"):
            await repeatedly(call)


def test_a_configuration_with_a_fault_is_not_announced(database):
    with database.begin() as tx, pytest.raises(ValueError, match=r"nothing was changed: x\.yaml: y"):
        reloading.announce(tx, reloading.Checked({}, ("x.yaml: y",)), by="ana", now=NOW)
