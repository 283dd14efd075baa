"""Runs over Celery and a real Redis: a worker that is killed loses a run and no work, and a broker that is restarted loses nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.processes import free_port
from leadfactory import embedded
from tests.crash import dagster_stack, matrix
from tests.crash.matrix import Attempt
from tests.crash.scene import UNIT, Lane

REDIS = shutil.which("redis-server")
ROOT = Path(__file__).resolve().parents[2]
SLOW_MS = 8_000
STAGE, ASSET, VENDOR = "enriching", "enriched_businesses", "places"
pytestmark = [
    pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.skipif(REDIS is None, reason="Redis is not installed"),
]  # fmt: skip


class Broker:
    """A Redis of our own, which keeps what it has over a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port(6399)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        import redis

        assert REDIS is not None
        argv = [
            REDIS,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.folder),
            "--appendonly",
            "yes",
            "--save",
            "",
        ]
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        asked, deadline = redis.Redis(port=self.port), time.monotonic() + 20
        while True:
            try:
                asked.ping()
                return
            except redis.ConnectionError:
                assert time.monotonic() < deadline, "Redis does not answer"
                time.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@contextlib.contextmanager
def worker(environment: dict[str, str], name: str, log: Path) -> Iterator[psutil.Process]:
    """One worker process, as `leadfactory serve worker` becomes it, with its children."""
    argv = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "resources.celery_worker",
        "worker",
        "-Q",
        "dagster",
        "--concurrency",
        "1",
    ]
    argv += ["--max-tasks-per-child", "1", "-n", f"{name}@test", "--loglevel", "warning"]
    with log.open("w") as told:
        started = psutil.Popen(argv, cwd=ROOT, env=environment, stdout=told, stderr=told)
    try:
        yield started
    finally:
        end(started)


def end(process: psutil.Process) -> None:
    """SIGKILL to a worker and all that it started, as a machine that goes down."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [process, *process.children(recursive=True)]
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(family, timeout=10)


@dataclasses.dataclass
class Spread:
    """The scene of this module: an instance that launches over Celery, and its workers."""

    stack: dagster_stack.Stack
    broker: Broker
    workers: list[psutil.Process]

    def told(self) -> str:
        """What the workers said last."""
        return "\n".join(log.read_text()[-2_000:] for log in sorted(self.broker.folder.glob("*.log")))


@pytest.fixture(scope="module")
def spread(
    lanes: list[Lane], postgres: embedded.EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Spread]:
    broker = Broker(tmp_path_factory.mktemp("redis"))
    environment = lanes[0].environment | {"LEADFACTORY_RUN_LAUNCHER": "celery", "LEADFACTORY_BROKER_URL": broker.url}
    try:
        with dagster_stack.running(environment, postgres.url("dagster")) as stack, contextlib.ExitStack() as workers:
            home = broker.folder / "dagster"  # a lane that begins anew empties its own home
            shutil.copytree(os.environ["DAGSTER_HOME"], home)
            seen = dict(os.environ) | {"DAGSTER_HOME": str(home)}
            started = [
                workers.enter_context(worker(seen, name, broker.folder / f"{name}.log")) for name in ("one", "two")
            ]
            yield Spread(stack, broker, started)
    finally:
        broker.kill()


@dataclasses.dataclass(frozen=True)
class Lost:
    """What became of a run whose worker was killed, beside an undisturbed one."""

    status: str
    again: str
    after_the_broker: str
    undisturbed: Attempt
    attempt: Attempt


@pytest.fixture(scope="module")
def lost(lanes: list[Lane], spread: Spread) -> Lost:
    lane = lanes[0]
    undisturbed = matrix.attempt(lane, STAGE, 0)
    lane.begin(STAGE)
    known = lane.calls()
    lane.slow(VENDOR, SLOW_MS)
    run_id = spread.stack.launch(ASSET)
    deadline = time.monotonic() + 120
    while not lane.under_way(ASSET):
        assert time.monotonic() < deadline, f"no worker took the run: {spread.told()}"
        time.sleep(0.05)
    holder = psutil.Process(spread.stack.worker(lane.environment["LEADFACTORY_DATABASE_URL"]))
    (killed,) = [each for each in spread.workers if each in holder.parents()]
    end(killed)
    lane.slow(VENDOR, 0)
    status = spread.stack.monitor(run_id)
    left = lane.rows()
    again = spread.stack.ended(spread.stack.launch(ASSET))
    lane.an_hour_later()
    lane.reap()
    outside = lane.outside()
    outside = dataclasses.replace(outside, requests={VENDOR: outside.requests.get(VENDOR, 0)})
    attempt = Attempt(1, known, matrix.KILLED, [], [], left, set(), lane.rows(), lane.files(), outside)
    spread.broker.kill()
    spread.broker.start()
    after = spread.stack.ended(spread.stack.launch(ASSET))
    assert lane.rows()[ASSET] == attempt.rows[ASSET], f"{UNIT.key} changed when it was done"
    return Lost(status, again, after, undisturbed, attempt)


def test_a_run_whose_worker_died_is_found_by_run_monitoring(lost: Lost) -> None:
    assert lost.status == "FAILURE"


def test_the_other_worker_brings_it_to_the_same_end(lost: Lost) -> None:
    assert lost.again == "SUCCESS"
    assert list(matrix.other_tables(lost.undisturbed, lost.attempt)) == []


def test_nothing_was_bought_twice(lost: Lost) -> None:
    assert list(matrix.bought_again(lost.undisturbed, lost.attempt)) == []
    assert list(matrix.not_in_the_ledger(lost.undisturbed, lost.attempt)) == []


def test_a_broker_that_was_killed_and_came_back_serves_the_next_run(lost: Lost) -> None:
    assert lost.after_the_broker == "SUCCESS"
