"""The database server's clock was ahead and is right again: nobody is kept waiting until it gets there, and nothing is sent twice."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from leadfactory.clock import Clock
from leadfactory.d00_gateway import limiter, tables
from leadfactory.d00_gateway.limiter import Quota
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.writer import Writer
from leadfactory.database import Database
from tests.unit.d00_gateway.test_limiter import ask, policies

NOON = dt.datetime(2026, 10, 6, 12, tzinfo=dt.UTC)
AHEAD = dt.timedelta(days=300)


def a_quota(rate: str, limit: int, now: dt.datetime) -> Quota:
    found = Quota("v", rate, limit, limiter._EPOCH, now, 0, 0, [], None)
    found.roll(now, policies(**{rate: limit}).of("v"))
    return found


@pytest.mark.parametrize("rate", ["second", "day"])
def test_what_was_counted_ahead_counts_now_and_not_for_three_hundred_days(rate: str) -> None:
    quota = a_quota(rate, 10, NOON + AHEAD)
    quota.used, quota.recent = 10, [*quota.recent[:-1], 10]
    quota.block(NOON + AHEAD + dt.timedelta(hours=1))
    allowed = policies(**{rate: 10}).of("v")
    quota.roll(NOON, allowed)
    assert (quota.available(), quota.blocked_until) == (0, None)
    quota.roll(NOON + dt.timedelta(days=1), allowed)
    assert quota.available() == 10


def test_a_clock_that_is_trimmed_by_milliseconds_keeps_a_vendors_word() -> None:
    quota = a_quota("second", 10, NOON)
    quota.block(NOON + dt.timedelta(seconds=3))
    quota.roll(NOON - dt.timedelta(milliseconds=120), policies(second=10).of("v"))
    assert quota.blocked_until is not None


def shift(database: Database, statement: str) -> None:
    with database.begin() as tx:
        tx.execute(sa.text(statement), {"ahead": AHEAD})


async def opened(database: Database, allowed: Policies) -> Writer:
    writer = Writer(database, clock=Clock(), policies=allowed)
    await writer.open()
    return writer


async def test_a_lease_that_a_dead_process_took_ahead_returns(database: Database) -> None:
    allowed = policies(day=100)
    dead = await opened(database, allowed)
    assert (await ask(dead, 1))["granted"] == 1  # and four more permits in its lease
    await dead.flush()
    shift(database, "UPDATE vendor_leases SET leased_at = leased_at + :ahead, expires_at = expires_at + :ahead")
    living = await opened(database, allowed)
    assert await ask(living, 100) == {"granted": 99, "daily_limit": 1}
    await living.close()
    await dead.close()


async def test_a_breaker_that_was_opened_ahead_lets_a_probe_through(database: Database) -> None:
    shift(
        database,
        "INSERT INTO vendor_breakers (vendor, state, failures, retry_at, changed_at) "
        "VALUES ('v', 'open', 5, clock_timestamp() + :ahead, clock_timestamp() + :ahead)",
    )
    writer = await opened(database, policies(day=10))
    with database.begin() as tx:
        due = tx.scalar(sa.select(tables.vendor_breakers.c.retry_at <= sa.func.clock_timestamp()))
    await writer.close()
    assert due is True
