"""Runs of Dagster whose process is killed in the middle of vendor calls: noticed, locks free, and run again to the same end."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Iterator

import pytest

from leadfactory import embedded
from leadfactory.database import Database
from leadfactory.locks import campaign_day_lock
from tests.crash import dagster_stack, matrix
from tests.crash.matrix import Attempt
from tests.crash.scene import UNIT, Lane

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SLOW_MS = 8_000


@dataclasses.dataclass(frozen=True)
class Point:
    """Where a run is killed: the stage, its asset and lock group, the vendor it waits for, and whether its server dies too."""

    stage: str
    asset: str
    group: str
    vendor: str
    with_server: bool = False
    config: tuple[tuple[str, object], ...] = ()


POINTS = (
    Point("enriching", "enriched_businesses", "night", "places"),
    Point("drafting", "email_drafts", "night", "openai"),
    Point("sending", "email_sends", "delivery", "sendgrid", with_server=True, config=(("dry_run", False),)),
)


@dataclasses.dataclass(frozen=True)
class Killed:
    """What became of a killed run, beside an undisturbed one."""

    status: str
    again: str
    undisturbed: Attempt
    attempt: Attempt


@pytest.fixture(scope="module")
def stack(lanes: list[Lane], postgres: embedded.EmbeddedServer) -> Iterator[dagster_stack.Stack]:
    """One instance and one code server for the module; both work in the first lane's database."""
    lanes[0].begin(POINTS[0].stage)
    with dagster_stack.running(lanes[0].environment, postgres.url("dagster")) as made:
        yield made


@pytest.fixture(scope="module", params=POINTS, ids=lambda point: point.stage)
def killed(request: pytest.FixtureRequest, lanes: list[Lane], stack: dagster_stack.Stack) -> Killed:
    """A run that was killed while it waited for a vendor, noticed by run monitoring alone, and run again."""
    point: Point = request.param
    lane = lanes[0]
    undisturbed = matrix.attempt(lane, point.stage, 0)
    lane.begin(point.stage)
    known = lane.calls()
    lane.slow(point.vendor, SLOW_MS)
    try:
        run_id = stack.launch(point.asset, **dict(point.config))
        deadline = time.monotonic() + 60
        while not lane.under_way(point.asset):
            assert time.monotonic() < deadline, "the run never called the vendor"
            time.sleep(0.05)
        worker = stack.worker(lane.environment["LEADFACTORY_DATABASE_URL"])
        if point.with_server:
            stack.kill_code_server()
        else:
            os.kill(worker, signal.SIGKILL)
    finally:
        lane.slow(point.vendor, 0)
    status = stack.monitor(run_id)
    with campaign_day_lock(Database(lane.environment["LEADFACTORY_DATABASE_URL"]), UNIT, point.group, wait_s=10):
        left, begun = lane.rows(), lane.begun()
    if point.with_server:
        stack.renew()
    again = stack.ended(stack.launch(point.asset, **dict(point.config)))
    lane.an_hour_later()
    lane.reap()
    if point.stage == "sending":
        assert lane.run("sending").status == 0
    outside = lane.outside()
    asked = {
        point.vendor: outside.requests.get(point.vendor, 0)
    }  # a slow call of the run before may have ended meanwhile
    outside = dataclasses.replace(outside, requests=asked)
    attempt = Attempt(1, known, matrix.KILLED, [], [], left, begun, lane.rows(), lane.files(), outside)
    return Killed(status, again, undisturbed, attempt)


def test_run_monitoring_finds_the_dead_run(killed: Killed) -> None:
    assert killed.status == "FAILURE"


def test_a_second_run_ends_well_with_the_same_tables(killed: Killed) -> None:
    assert killed.again == "SUCCESS"
    assert list(matrix.other_tables(killed.undisturbed, killed.attempt)) == []


def test_nothing_is_bought_or_mailed_twice(killed: Killed) -> None:
    assert list(matrix.bought_again(killed.undisturbed, killed.attempt)) == []
    assert list(matrix.mailed_twice(killed.undisturbed, killed.attempt)) == []
    assert list(matrix.not_in_the_ledger(killed.undisturbed, killed.attempt)) == []


def test_what_was_under_way_is_named_and_paid_for(killed: Killed) -> None:
    assert [row for row in killed.attempt.left["vendor_calls"] if row["status"] == "started"]
    assert list(matrix.unnamed(killed.undisturbed, killed.attempt)) == []
    assert list(matrix.miscounted(killed.undisturbed, killed.attempt)) == []
