"""The nightly tick: who is active and known runs; one unknown key never fails the others."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pytest
import sqlalchemy as sa

from leadfactory.clock import Clock
from leadfactory.d01_targeting import campaigns
from leadfactory.d01_targeting.tables import campaigns as table
from leadfactory.database import Database
from leadfactory_assets.definitions import defs
from schedules.daily_campaigns import daily_campaigns
from schedules.due_sends import due_sends_every_quarter

TICK = dt.datetime(2026, 10, 7, 2, tzinfo=dt.UTC)


def seeded(database: Database, name: str, zip_code: str, **values: object) -> None:
    with database.begin() as tx:
        campaigns.seed(
            tx,
            vertical="dental",
            places=[campaigns.PlaceSpec("zip", zip_code)],
            quota=5,
            name=name,
            now=TICK - dt.timedelta(days=1),
        )
        if values:
            tx.execute(sa.update(table).where(table.c.campaign == name).values(**values))


def tick(database: Database, *known: str, clock: Clock | None = None) -> object:
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("campaign", list(known))
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=TICK)
        return daily_campaigns(context, db=database, clock=clock or Clock())


def keys(requests: object) -> list[str | None]:
    assert isinstance(requests, list)
    return [request.partition_key for request in requests]


def test_one_run_for_each_active_campaign(database: Database) -> None:
    seeded(database, "one", "60601")
    seeded(database, "two", "60602")
    assert keys(tick(database, "one", "two")) == ["one|2026-10-07", "two|2026-10-07"]


def test_an_unregistered_campaign_does_not_stop_the_good_one(database: Database) -> None:
    seeded(database, "good", "60601")
    seeded(database, "unregistered", "60602")
    assert keys(tick(database, "good")) == ["good|2026-10-07"]


def test_of_an_unregistered_a_pruned_and_a_good_one_the_good_one_runs_and_tells_of_the_others(
    database: Database,
) -> None:
    for number, name in enumerate(("good", "unregistered", "pruned")):
        seeded(database, name, f"6060{number + 1}")
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("campaign", ["good", "pruned"])
        instance.delete_dynamic_partition("campaign", "pruned")
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=TICK)
        (request,) = daily_campaigns(context, db=database, clock=Clock())  # type: ignore[misc]
    assert request.partition_key == "good|2026-10-07"
    told = request.tags["leadfactory/left_out"]
    assert [name for name in ("unregistered", "pruned", "good") if f"{name}: " in told] == ["unregistered", "pruned"]


@pytest.mark.parametrize("state", ["paused", "closed"])
def test_a_campaign_that_rests_does_not_run(database: Database, state: str) -> None:
    seeded(database, "resting", "60601", state=state)
    assert isinstance(tick(database, "resting"), dg.SkipReason)


def test_a_campaign_that_ended_yesterday_does_not_run(database: Database) -> None:
    seeded(database, "ended", "60601", ends_on=dt.date(2026, 10, 6))
    assert isinstance(tick(database, "ended"), dg.SkipReason)


def test_the_run_key_is_the_campaign_day_so_a_repeated_tick_runs_once(database: Database) -> None:
    seeded(database, "one", "60601")
    requests = tick(database, "one")
    assert [request.run_key for request in requests] == ["one|2026-10-07"]  # type: ignore[attr-defined]


def test_a_fixed_clock_decides_the_day(database: Database) -> None:
    seeded(database, "one", "60601", starts_on=dt.date(2026, 1, 1))
    fixed = Clock(dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC))
    assert keys(tick(database, "one", clock=fixed)) == ["one|2026-03-03"]


def test_nothing_due_requests_nothing(database: Database) -> None:
    context = dg.build_schedule_context(scheduled_execution_time=TICK)
    assert isinstance(due_sends_every_quarter(context, db=database, clock=Clock(TICK)), dg.SkipReason)


def test_no_schedule_runs_by_itself_outside_production() -> None:
    running = [s.name for s in defs.schedules or [] if s.default_status is dg.DefaultScheduleStatus.RUNNING]  # type: ignore[union-attr]
    assert running == []
