"""A night that a full disk held back starts when there is room again, and only then."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.workspace.load_target import ModuleTarget

from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory.monitoring import preflight
from leadfactory.settings import ROOT, settings
from schedules.daily_campaigns import daily_campaigns
from sensors.held_nights import held_nights, held_today
from tests.schedules.test_daily_campaigns import seeded

TWO = dt.datetime(2026, 10, 7, 2, tzinfo=dt.UTC)
HELD = preflight.judge(0.95, 0.1, Path("/here")).stops


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        made.add_dynamic_partitions("campaign", ["one"])
        yield made


def ticked(instance: dg.DagsterInstance, reason: str | None, at: dt.datetime = TWO) -> None:
    """The schedule's tick as the daemon stores it."""
    code = ModuleTarget("leadfactory_assets.definitions", None, None, "factory").create_origins()[0]
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(code, "__repository__"), daily_campaigns.name)
    if not instance.all_instigator_state():
        instance.add_instigator_state(
            InstigatorState(
                origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, ScheduleInstigatorData("0 2 * * *")
            )
        )
    instance.create_tick(
        TickData(
            origin.get_id(), daily_campaigns.name, InstigatorType.SCHEDULE, TickStatus.SKIPPED if reason else TickStatus.SUCCESS,
            at.timestamp(), run_ids=[], run_keys=[], skip_reason=reason, selector_id=origin.get_selector().get_id(),
        )
    )  # fmt: skip


def asked(instance: dg.DagsterInstance, database: Database, now: dt.datetime = TWO + dt.timedelta(hours=1)) -> object:
    context = dg.build_sensor_context(instance=instance)
    return held_nights(context, db=database, clock=Clock(start=now))


def test_a_night_that_was_held_back_starts_when_there_is_room(instance, database):
    seeded(database, "one", "60601")
    ticked(instance, HELD)
    found = asked(instance, database)
    assert isinstance(found, dg.SensorResult)
    assert [(r.run_key, r.partition_key) for r in found.run_requests or []] == [("one|2026-10-07", "one|2026-10-07")]


@pytest.mark.parametrize("reason", [None, "no active campaign on 2026-10-07"])
def test_a_night_that_ran_or_had_nothing_to_do_is_not_started_again(instance, database, reason):
    seeded(database, "one", "60601")
    ticked(instance, reason)
    assert isinstance(asked(instance, database), dg.SkipReason)


def test_a_night_of_yesterday_stays_where_it_is(instance, database):
    seeded(database, "one", "60601")
    ticked(instance, HELD)
    assert isinstance(asked(instance, database, TWO + dt.timedelta(days=1)), dg.SkipReason)


def test_a_later_tick_that_went_well_ends_the_wait(instance):
    ticked(instance, HELD)
    ticked(instance, None, TWO + dt.timedelta(minutes=5))
    assert held_today(instance, TWO.date()) is None


@pytest.mark.parametrize(
    ("disk", "memory", "stops", "warns"),
    [(0.90, 0.85, False, False), (0.901, 0.85, True, False), (0.5, 0.851, False, True), (0.95, 0.9, True, True)],
)
def test_above_nine_tenths_of_the_disk_stops_and_above_85_hundredths_of_memory_warns(disk, memory, stops, warns):
    found = preflight.judge(disk, memory, Path("/here"))
    assert (found.stops is not None, found.warns is not None) == (stops, warns)


FULL = """
import datetime as dt, pathlib, sys
import dagster as dg
from leadfactory.clock import Clock
from schedules.daily_campaigns import daily_campaigns
home = pathlib.Path(sys.argv[1])
(home / "ballast").write_bytes(b"x" * 950_000)
with dg.instance_for_test() as instance:
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=dt.datetime(2026, 10, 7, 2, tzinfo=dt.UTC))
    print(daily_campaigns(context, db=None, clock=Clock()).skip_message)
"""


@pytest.mark.slow
def test_a_night_does_not_start_on_a_full_disk(tmp_path, monkeypatch):
    """A real one: a tmpfs of a mebibyte, in a mount namespace of its own."""
    home = tmp_path / "home"
    home.mkdir()
    argv = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        f'mount -t tmpfs -o size=1m none "{home}" && exec "$0" -c "$1" "{home}"',
        sys.executable,
        FULL,
    ]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, env={"LEADFACTORY_HOME": str(home), "PATH": "/usr/bin:/bin:/usr/sbin", "HOME": str(tmp_path)})  # fmt: skip
    settings.cache_clear()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("held back: ")
    assert "of the disk" in done.stdout
