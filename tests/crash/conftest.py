"""Two lanes in which stages are killed, and the state before each stage, made once for the whole suite."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from leadfactory import embedded
from sandbox.process import start
from tests.crash.forks import Forks
from tests.crash.matrix import Matrix, kill_everywhere
from tests.crash.scene import CLOCK, Lane

LANES = ("one", "two")
# In the order of the nightly run and the mails after it.
STAGES = (
    "targeting", "sourcing", "uniqueness", "enriching", "auditing", "insights", "scoring", "experiments", "drafting",
    "sending", "export",
)  # fmt: skip


@pytest.fixture(scope="session")
def lanes(postgres: embedded.EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Lane]]:
    """Lanes that can begin at each stage of one campaign-day."""
    folder = tmp_path_factory.mktemp("crash")
    with contextlib.ExitStack() as stack:

        def lane(name: str, like: Lane | None = None) -> Lane:
            sandbox, forks = stack.enter_context(start(clock=CLOCK)), stack.enter_context(Forks())
            return Lane(name, postgres, sandbox, forks, folder, like=like)

        first = lane(LANES[0])
        first.launch()
        first.run("export")  # before anything: the empty files that every table has in the lake are there
        for name in STAGES:
            first.keep(name)
            ended = first.run(name)
            assert ended.status == 0, ended.err
        made = [first, *(lane(name, first) for name in LANES[1:])]
        yield made
        for each in made:
            each.end()


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
