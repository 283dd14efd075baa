"""The ledger's writer when its database falters, and where budgets get their caps from."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import tables
from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway, shared
from leadfactory.d00_gateway.transport import CallSpec
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.database import Database, DatabaseUnavailable
from leadfactory.settings import Settings

UNIT = CampaignDay("restaurant-nyc", dt.date(2026, 10, 6))
PAID = CallSpec("x", worst_case_microusd=6000)
WRITERS = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'leadfactory-ledger'"
)


async def fetch(gateway, vendor, spec=PAID):
    with gateway.calling(spec):
        return (await gateway.http("yelp").get(vendor.base_url)).status_code


async def test_a_lost_connection_loses_no_call_and_books_nothing_twice(gateway_of, vendor, database):
    gateway = gateway_of(rates={"day": 100})
    async with gateway.running(unit=UNIT):
        await fetch(gateway, vendor)
        with database.begin() as tx:
            assert list(tx.scalars(WRITERS)) == [True]
        assert await asyncio.gather(*(fetch(gateway, vendor) for _ in range(5))) == [200] * 5
    with database.begin() as tx:
        assert tx.execute(sa.select(tables.vendor_calls.c.status, sa.func.count()).group_by("status")).all() == [
            ("ok", 6)
        ]
        assert set(tx.execute(sa.select(tables.budgets.c.reserved_microusd, tables.budgets.c.spent_microusd))) == {
            (0, 36000)
        }


async def test_without_a_database_nothing_leaves_and_the_error_says_so(vendor):
    db = Database("postgresql://nobody:x@127.0.0.1:9/none")
    gateway = Gateway(db, clock=Clock(), settings=Settings())
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:9/none does not answer"):
        async with gateway.running():
            await fetch(gateway, vendor)
    assert vendor.requests == []
    db.dispose()


async def test_a_body_the_client_chokes_on_is_settled_and_the_error_comes_out(gateway_of, vendor, ledger_of):
    gateway = gateway_of()
    async with gateway.running():
        with pytest.raises(KeyError):
            await fetch(
                gateway, vendor, CallSpec("x", worst_case_microusd=5, cost_of=lambda answer: answer.json()["usage"])
            )
    assert [(row.status, row.cost_microusd) for row in ledger_of()] == [("unknown", 5)]


async def test_a_cost_above_the_worst_case_is_kept_in_the_ledger_and_never_passes_a_cap(
    gateway_of, vendor, ledger_of, database
):
    gateway = gateway_of(budgets={"day_cents": 1})  # 10,000 microusd
    async with gateway.running():
        await fetch(gateway, vendor, CallSpec("x", worst_case_microusd=9_000, cost_of=lambda _: 12_000))
    assert [row.cost_microusd for row in ledger_of()] == [12_000]
    with database.begin() as tx:
        spent = dict(tx.execute(sa.select(tables.budgets.c.scope, tables.budgets.c.spent_microusd)).all())
    assert spent == {"day": 10_000, "vendor": 12_000}


def a_campaign(tx, budget_cents: int) -> None:
    now = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    row = {
        "campaign": UNIT.campaign,
        "vertical": "restaurant",
        "daily_quota": 10,
        "starts_on": now.date(),
        "created_at": now,
    }
    tx.execute(sa.insert(campaigns).values(**row, budget_cents=budget_cents))


async def test_a_campaigns_own_budget_is_its_cap(gateway_of, vendor, database):
    with database.begin() as tx:
        a_campaign(tx, 1)
    gateway = gateway_of()
    async with gateway.running(unit=UNIT):
        await fetch(gateway, vendor)
        with pytest.raises(VendorUnavailable, match=r"budget campaign restaurant-nyc has \$0.0040 of \$0.01 left"):
            await fetch(gateway, vendor)


async def test_a_campaigns_raised_budget_counts_from_the_next_run(gateway_of, vendor, database):
    with database.begin() as tx:
        a_campaign(tx, 1)
    gateway = gateway_of()
    async with gateway.running(unit=UNIT):
        await fetch(gateway, vendor)
    with database.begin() as tx:
        tx.execute(sa.update(campaigns).values(budget_cents=2))
    async with gateway.running(unit=UNIT):
        assert await fetch(gateway, vendor) == 200


async def test_a_cap_lowered_below_what_is_spent_stops_everything_and_breaks_nothing(gateway_of, vendor):
    async with (first := gateway_of()).running():
        await fetch(first, vendor)
    second = gateway_of(budgets={"day_cents": 0})
    async with second.running():
        with pytest.raises(VendorUnavailable, match=r"budget day 2026-10-06") as caught:
            await fetch(second, vendor)
    assert caught.value.retry_at == dt.datetime(2026, 10, 7, tzinfo=dt.UTC)


def test_a_process_shares_one_gateway(database):
    settings = Settings()
    assert shared(settings, database) is shared(settings, database)
