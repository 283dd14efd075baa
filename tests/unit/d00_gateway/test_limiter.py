"""Quotas are exact over processes, kills and window borders: never over, and under by no more than a lease for a while."""

from __future__ import annotations

import asyncio
import datetime as dt
import multiprocessing
import os
import signal
import time
import uuid
from collections import Counter

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.clock import Clock
from leadfactory.d00_gateway import limiter, tables
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.ledger import Call, Ending
from leadfactory.d00_gateway.limiter import Quota, day_window
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.d00_gateway.writer import Writer
from leadfactory.database import Database
from tests.examples import examples

TODAY = dt.date(2026, 10, 6)
FORK = multiprocessing.get_context("fork")


def policies(budgets: dict | None = None, **rates: object) -> Policies:
    """One vendor with these rates."""
    vendor = {
        "rates": rates, "concurrency": 16, "timeout_s": 5, "deadline_s": 30,
        "bills": {"rejected": False, "unavailable": False, "source": "test"},
    }  # fmt: skip
    caps = {"vendor_month_cents": {"v": 10**6}, "campaign_cents": 10**6, "day_cents": 10**6, "lead_cents": 15,
            "qualified_lead_cents": 40}  # fmt: skip
    return Policies.parse({"vendors": {"v": vendor}, "budgets": caps | (budgets or {})}, "test")


def a_call(*, worst_case: int = 0, within_s: float = 20.0, units: int = 1, business: uuid.UUID | None = None) -> Call:
    """A call of vendor v."""
    spec = CallSpec("x", units=units, worst_case_microusd=worst_case)
    return Call("v", spec, None, business, TODAY, os.urandom(32), None, time.monotonic() + within_s)


async def ask(writer: Writer, asks: int, *, worst_case: int = 0) -> Counter:
    """Asks for permits all at once, settles the granted ones as ok; counts grants and reasons of refusal."""

    async def one() -> str:
        call = a_call(worst_case=worst_case)
        try:
            permit = await writer.start(call, 1)
        except VendorUnavailable as error:
            return error.reason
        await asyncio.sleep(0)
        writer.settle(Ending(call, permit, status="ok", cost=worst_case))
        return "granted"

    return Counter(await asyncio.gather(*(one() for _ in range(asks))))


def in_processes(target, args: tuple, processes: int) -> list[object]:
    """What ``target(queue, *args)`` put into the queue in each of several processes."""
    queue = FORK.Queue()
    children = [FORK.Process(target=target, args=(queue, *args)) for _ in range(processes)]
    for child in children:
        child.start()
    found = [queue.get(timeout=120) for _ in children]
    for child in children:
        child.join()
    return found


def ask_in_a_process(queue, url: str, allowed: Policies, asks: int, worst_case: int) -> None:
    async def run() -> Counter:
        writer = Writer(Database(url), clock=Clock(), policies=allowed)
        await writer.open()
        try:
            return await ask(writer, asks, worst_case=worst_case)
        finally:
            await writer.close()

    queue.put(asyncio.run(run()))


def url_of(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def ledger_units(database: Database) -> int:
    with database.begin() as tx:
        return tx.scalar(sa.select(sa.func.coalesce(sa.func.sum(tables.vendor_calls.c.units), 0)))


def day_quota(database: Database) -> sa.Row:
    with database.begin() as tx:
        quotas = tables.vendor_quotas
        return tx.execute(sa.select(quotas).where(quotas.c.rate == "day")).one()


def test_eight_processes_share_a_day_exactly(database):
    answers = in_processes(ask_in_a_process, (url_of(database), policies(day=200), 50, 0), 8)
    total = sum(answers, Counter())
    assert total == {"granted": 200, "daily_limit": 200}
    assert ledger_units(database) == 200


def test_permits_that_were_not_used_return_at_the_end(database):
    in_processes(ask_in_a_process, (url_of(database), policies(day=10_000), 3, 0), 2)
    quota = day_quota(database)
    assert (quota.used_units, quota.leased_units) == (6, 0)


def die_holding_permits(queue, url: str, allowed: Policies) -> None:
    async def run() -> None:
        writer = Writer(Database(url), clock=Clock(), policies=allowed)
        await writer.open()
        for _ in range(3):
            await writer.start(a_call(worst_case=1000), 1)
        queue.put("ready")
        queue.close()
        queue.join_thread()
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(run())


@pytest.fixture
def killed(database) -> Database:
    """A database in which a process died with a lease and three started attempts of 1,000 microusd, long ago."""
    in_processes(die_holding_permits, (url_of(database), policies(day=400)), 1)
    with database.begin() as tx:
        assert tx.scalar(sa.select(tables.vendor_leases.c.units)) > 3
        past = sa.func.clock_timestamp() - dt.timedelta(hours=1)
        tx.execute(sa.update(tables.vendor_leases).values(expires_at=past))
        tx.execute(sa.update(tables.vendor_calls).values(started_at=past))
    return database


async def opened(database: Database, allowed: Policies) -> Writer:
    """A writer at work; opening it clears up after dead processes."""
    writer = Writer(database, clock=Clock(), policies=allowed)
    await writer.open()
    return writer


async def test_the_lease_of_a_killed_process_returns_exactly_what_it_did_not_use(killed):
    writer = await opened(killed, policies(day=400))
    quota = day_quota(killed)
    answers = await ask(writer, 400)
    await writer.close()
    assert (quota.used_units, quota.leased_units) == (3, 0)
    assert answers == {"granted": 397, "daily_limit": 3}


async def test_attempts_of_a_killed_process_become_unknown_at_their_worst_case(killed):
    await (await opened(killed, policies(day=400))).close()
    with killed.begin() as tx:
        calls = tables.vendor_calls.c
        assert set(tx.execute(sa.select(calls.status, calls.reason, calls.cost_microusd))) == {
            ("unknown", "process_died", 1000)
        }
        budgets = tables.budgets.c
        assert set(tx.execute(sa.select(budgets.reserved_microusd, budgets.spent_microusd))) == {(0, 3000)}


async def test_a_lease_that_was_reaped_under_its_holder_is_not_used(database):
    writer = Writer(database, clock=Clock(), policies=policies(day=1000))
    await writer.open()
    await ask(writer, 1)
    with database.begin() as tx:
        tx.execute(sa.delete(tables.vendor_leases))
    await ask(writer, 5)
    await writer.flush()
    with database.begin() as tx:
        known = set(tx.scalars(sa.select(tables.vendor_leases.c.lease_id)))
        calls = tables.vendor_calls.c
        used = set(tx.scalars(sa.select(calls.lease_id).order_by(calls.started_at.desc()).limit(5)))
    await writer.close()
    assert used <= known


async def test_no_second_ever_sees_more_than_its_limit(database):
    writer = Writer(database, clock=Clock(), policies=policies(second=20))
    await writer.open()
    moments: list[float] = []

    async def one() -> None:
        call = a_call()
        permit = await writer.start(call, 1)
        moments.append(time.monotonic())
        writer.settle(Ending(call, permit, status="ok"))

    await asyncio.gather(*(one() for _ in range(50)))
    await writer.close()
    moments.sort()
    assert all(later - earlier >= 1.0 for earlier, later in zip(moments, moments[20:], strict=False))


async def test_who_cannot_wait_for_a_rate_is_told_when_to_come_back(database):
    writer = Writer(database, clock=Clock(), policies=policies(minute=2))
    await writer.open()
    await ask(writer, 2)
    with pytest.raises(VendorUnavailable) as caught:
        await writer.start(a_call(within_s=0.2), 1)
    await writer.close()
    assert (caught.value.reason, caught.value.left_the_house) == ("rate_limited", False)
    assert dt.timedelta() < caught.value.retry_at - dt.datetime.now(dt.UTC) < dt.timedelta(seconds=70)


async def test_a_spent_day_says_when_it_resets(database):
    writer = Writer(database, clock=Clock(), policies=policies(day=1, reset_zone="America/Los_Angeles"))
    await writer.open()
    await ask(writer, 1)
    with pytest.raises(VendorUnavailable) as caught:
        await writer.start(a_call(), 1)
    await writer.close()
    assert caught.value.reason == "daily_limit"
    assert caught.value.retry_at == day_window(dt.datetime.now(dt.UTC), "America/Los_Angeles")[1]


async def test_a_call_larger_than_the_limit_is_refused_for_good(database):
    writer = Writer(database, clock=Clock(), policies=policies(day=5))
    await writer.open()
    with pytest.raises(VendorRejected, match="over_limit"):
        await writer.start(a_call(units=6), 1)
    await writer.close()


@pytest.mark.parametrize(
    ("now", "zone", "start", "end"),
    [
        ("2026-10-06T23:59:00+00:00", "UTC", "2026-10-06T00:00:00+00:00", "2026-10-07T00:00:00+00:00"),
        ("2026-10-06T06:59:00+00:00", "America/Los_Angeles", "2026-10-05T07:00:00+00:00", "2026-10-06T07:00:00+00:00"),
        ("2026-11-01T12:00:00+00:00", "America/Los_Angeles", "2026-11-01T07:00:00+00:00", "2026-11-02T08:00:00+00:00"),
        ("2026-03-08T12:00:00+00:00", "America/Los_Angeles", "2026-03-08T08:00:00+00:00", "2026-03-09T07:00:00+00:00"),
    ],
    ids=["yelp", "google before its midnight", "25 hours", "23 hours"],
)
def test_a_day_begins_at_midnight_of_the_vendors_zone(now, zone, start, end):
    found = day_window(dt.datetime.fromisoformat(now), zone)
    assert [moment.isoformat() for moment in found] == [start, end]


def a_quota(rate: str, limit: int, now: dt.datetime) -> Quota:
    found = Quota("v", rate, limit, limiter._EPOCH, now, 0, 0, [], None)
    found.roll(now, policies(**{rate: limit}).of("v"))
    return found


NOON = dt.datetime(2026, 10, 6, 12, tzinfo=dt.UTC)


def test_a_new_day_starts_at_zero_and_old_leases_do_not_touch_it():
    quota = a_quota("day", 100, NOON)
    started = quota.window_started_at
    quota.take(60)
    quota.roll(NOON + dt.timedelta(days=1), policies(day=100).of("v"))
    quota.give_back(started, 60, 10)
    assert (quota.used, quota.leased, quota.available()) == (0, 0, 100)


@examples(200)
@given(
    limit=st.integers(1, 30),
    steps=st.lists(st.tuples(st.floats(0.001, 0.4), st.integers(1, 30), st.floats(0, 1)), min_size=1, max_size=60),
)
def test_uses_within_their_time_never_pass_the_limit_in_any_window(limit, steps):
    quota, now, uses = a_quota("second", limit, NOON), NOON, []
    allowed = policies(second=limit).of("v")
    for pause, wanted, late in steps:
        now += dt.timedelta(seconds=pause)
        quota.roll(now, allowed)
        units = min(wanted, quota.available())
        quota.take(units)
        used_at = now.timestamp() + late * quota.usable_for_s(now) * 0.999
        uses += [used_at] * units
    uses.sort()
    assert all(later - earlier >= 1.0 - 1e-6 for earlier, later in zip(uses, uses[limit:], strict=False))


@pytest.mark.parametrize(
    ("used", "lacking", "expected"), [(0, 1, 50), (900, 1, 5), (980, 5, 5), (998, 5, 2), (1000, 1, 0)]
)
def test_leases_shrink_to_what_is_needed_near_the_end(used, lacking, expected):
    quota = a_quota("day", 1000, NOON)
    quota.used = used
    assert limiter.lease_size([quota], lacking, 16) == expected


def test_eight_processes_never_pass_a_budget(database):
    caps = {"vendor_month_cents": {"v": 10}}  # 100,000 microusd: 100 calls of 1,000
    answers = in_processes(ask_in_a_process, (url_of(database), policies(caps), 20, 1000), 8)
    assert sum(answers, Counter()) == {"granted": 100, "budget": 60}
    with database.begin() as tx:
        one = tables.budgets.c
        booked = set(tx.execute(sa.select(one.scope, one.reserved_microusd, one.spent_microusd)))
    assert booked == {("vendor", 0, 100_000), ("day", 0, 100_000)}


async def test_a_full_budget_waits_for_calls_that_turn_out_cheaper(database):
    writer = Writer(database, clock=Clock(), policies=policies({"day_cents": 1}))  # 10,000 microusd
    await writer.open()
    first = a_call(worst_case=10_000)
    permit = await writer.start(first, 1)
    second = asyncio.create_task(writer.start(a_call(worst_case=6_000), 1))
    await asyncio.sleep(0)
    writer.settle(Ending(first, permit, status="ok", cost=1_000))
    assert (await second).reserved_microusd == 6_000
    await writer.close()


async def test_a_budget_names_itself_its_cap_and_the_remedy(database):
    writer = Writer(database, clock=Clock(), policies=policies({"lead_cents": 1}))
    await writer.open()
    business = uuid.uuid4()
    with pytest.raises(VendorUnavailable, match=rf"lead {business} has \$0.0100 of \$0.01 left") as caught:
        await writer.start(a_call(worst_case=20_000, business=business), 1)
    await writer.close()
    assert (caught.value.reason, caught.value.left_the_house) == ("budget", False)


def test_an_unlimited_free_vendor_writes_rows_without_permits(database):
    (answers,) = in_processes(ask_in_a_process, (url_of(database), policies(), 10, 0), 1)
    assert answers == {"granted": 10}
    assert ledger_units(database) == 10
