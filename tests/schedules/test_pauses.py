"""While all is paused no schedule and no inbox sensor starts a run, but for what goes on; afterwards the day is taken up."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pytest

from leadfactory import pauses
from leadfactory.clock import Clock
from leadfactory.d01_targeting import campaigns
from leadfactory.database import Database
from leadfactory_assets.definitions import defs
from resources import run_launcher
from schedules.daily_campaigns import daily_campaigns
from schedules.marts import marts_nightly
from sensors.resumed_work import resumed_work
from sensors.webhook_inbox import webhook_inbox

TICK = dt.datetime(2026, 10, 7, 2, tzinfo=dt.UTC)
LATER = Clock(TICK + dt.timedelta(hours=7))
GOES_ON = {
    "audit_digest_schedule",
    "vendor_terms_schedule",
    "erasures_schedule",
    "backup_nightly",
    "drill_weekly",
    "files_daily",
    "warehouse_hourly",
}  # each says in its file why; a backup or a repair belongs here


def paused(database: Database, kind: pauses.Kind = "all", key: str = "") -> None:
    with database.begin() as tx:
        pauses.pause(tx, kind, key, reason="the disk is moved", by="ana", now=TICK)


def resumed(database: Database, kind: pauses.Kind = "all", key: str = "", *, at: dt.datetime = TICK) -> None:
    with database.begin() as tx:
        pauses.resume(tx, kind, key, reason="the disk is in", by="ben", now=at + dt.timedelta(hours=1))


def seeded(database: Database, *names: str) -> None:
    with database.begin() as tx:
        for number, name in enumerate(names):
            places = [campaigns.PlaceSpec("zip", f"6060{number + 1}")]
            campaigns.seed(tx, vertical="dental", places=places, quota=5, name=name, now=TICK - dt.timedelta(days=1))


def taken_up(database: Database, *known: str, clock: Clock = LATER) -> list[str | None]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("campaign", list(known))
        told = resumed_work(dg.build_sensor_context(instance=instance), db=database, clock=clock)
    return [] if isinstance(told, dg.SkipReason) else [request.partition_key for request in told]


@pytest.mark.parametrize("name", sorted(one.name for one in defs.schedules or []))
def test_every_schedule_stands_still_or_is_named_here(database: Database, name: str) -> None:
    seeded(database, "one")
    paused(database)
    schedule = defs.get_schedule_def(name)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("campaign", ["one"])
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=TICK, resources={"db": database, "clock": Clock(TICK)}
        )
        told = schedule.evaluate_tick(context)
    if name in GOES_ON:
        assert told.run_requests
        assert defs.resolve_job_def(schedule.job_name).tags[pauses.GOES_ON_TAG] == pauses.GOES_ON
    else:
        assert "all is paused by ana" in (told.skip_message or ""), "use schedules.pausing, or GOES_ON with its tag"


def test_the_marts_of_the_other_code_location_stand_still_too(database: Database) -> None:
    paused(database)
    with dg.DagsterInstance.ephemeral() as instance:
        told = marts_nightly.evaluate_tick(dg.build_schedule_context(instance=instance, resources={"db": database}))
    assert "all is paused by ana" in (told.skip_message or "")


def test_a_paused_campaign_is_left_out_and_the_tick_says_why(database: Database) -> None:
    seeded(database, "one", "two")
    paused(database, "campaign", "one")
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("campaign", ["one", "two"])
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=TICK)
        (request,) = daily_campaigns(context, db=database, clock=Clock())  # type: ignore[misc]
    assert request.partition_key == "two|2026-10-07"
    assert "campaign one is paused by ana" in request.tags["leadfactory/left_out"]


def test_the_inbox_goes_on_accepting_and_is_drained_later(database: Database) -> None:
    paused(database)
    with dg.DagsterInstance.ephemeral() as instance:
        told = webhook_inbox(dg.build_sensor_context(instance=instance), db=database)
    assert isinstance(told, dg.SensorResult)
    assert "goes on accepting" in str(told.skip_reason)


def test_what_was_held_back_is_taken_up_when_the_word_is_taken_back(database: Database) -> None:
    seeded(database, "one", "two")
    paused(database)
    assert taken_up(database, "one", "two") == []
    resumed(database)
    assert taken_up(database, "one", "two") == ["one|2026-10-07", "two|2026-10-07"]


def test_only_the_campaign_that_was_held_back_is_taken_up(database: Database) -> None:
    seeded(database, "one", "two")
    paused(database, "campaign", "one")
    resumed(database, "campaign", "one")
    assert taken_up(database, "one", "two") == ["one|2026-10-07"]


def test_what_was_resumed_before_this_night_is_not_taken_up_again(database: Database) -> None:
    seeded(database, "one")
    paused(database)
    resumed(database, at=TICK - dt.timedelta(hours=5))
    assert taken_up(database, "one") == []


def test_what_another_word_still_holds_is_not_taken_up(database: Database) -> None:
    seeded(database, "one", "two")
    paused(database)
    paused(database, "campaign", "one")
    resumed(database)
    assert taken_up(database, "one", "two") == ["two|2026-10-07"]


@pytest.mark.parametrize(("tags", "started"), [({}, False), ({pauses.GOES_ON_TAG: pauses.GOES_ON}, True)])
def test_a_run_that_anybody_asks_for_is_cancelled_before_it_starts(
    database: Database, monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], started: bool
) -> None:
    paused(database)
    monkeypatch.setenv("LEADFACTORY_DATABASE_URL", database.url.render_as_string(hide_password=False))
    run_launcher.settings.cache_clear()
    run_launcher._database.cache_clear()
    begun: list[str] = []
    monkeypatch.setattr(run_launcher.DefaultRunLauncher, "launch_run", lambda self, given: begun.append("begun"))
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(defs.get_job_def("vendor_terms"), tags=tags)
        launcher = run_launcher.LeadFactoryRunLauncher()
        launcher.register_instance(instance)
        launcher.launch_run(run_launcher.LaunchRunContext(dagster_run=run, workspace=None))
        found = instance.get_run_by_id(run.run_id)
    run_launcher._database().dispose()
    run_launcher._database.cache_clear()
    run_launcher.settings.cache_clear()
    assert found is not None
    assert (begun, found.status.value) == ((["begun"], "NOT_STARTED") if started else ([], "CANCELED"))
