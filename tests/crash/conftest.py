"""Two lanes in which stages are killed, and the state before each stage, made once for the whole suite."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leadfactory import embedded
from sandbox.process import start
from tests.crash.forks import Forks
from tests.crash.matrix import Matrix, kill_everywhere
from tests.crash.scene import CLOCK, Lane, Server

LANES = ("one", "two")
# In the order of the nightly run and the mails after it.
STAGES = (
    "targeting", "sourcing", "uniqueness", "enriching", "auditing", "insights", "scoring", "experiments", "drafting",
    "sending", "export",
)  # fmt: skip


@pytest.fixture(scope="session")
def lanes(postgres: embedded.EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Lane]]:
    """Lanes that can begin at each stage of one campaign-day."""
    server, folder = Server(postgres), tmp_path_factory.mktemp("crash")
    with contextlib.ExitStack() as stack:
        made = [_lane(name, server, folder, stack) for name in LANES]
        first = made[0]
        first.begin()
        first.launch()
        first.run("export")  # before anything: the empty files that every table has in the lake are there
        for name in STAGES:
            first.keep(name)
            ended = first.run(name)
            assert ended.status == 0, ended.err
        yield made
        for lane in made:
            lane.end(STAGES)


def _lane(name: str, server: Server, folder: Path, stack: contextlib.ExitStack) -> Lane:
    return Lane(name, server, stack.enter_context(start(clock=CLOCK)), stack.enter_context(Forks()), folder)


@pytest.fixture(scope="session")
def matrix(lanes: list[Lane]) -> Callable[[str], Matrix]:
    """The attempts of a stage: made when first asked for, told in one line."""
    made: dict[str, Matrix] = {}

    def of(stage: str) -> Matrix:
        if stage not in made:
            made[stage] = found = kill_everywhere(lanes, stage)
            killed = sum(each.status < 0 for each in found.attempts)
            print(f"{stage}: {len(found.undisturbed.points)} points, {killed} killed, {found.seconds:.1f} s")
        return made[stage]

    return of
