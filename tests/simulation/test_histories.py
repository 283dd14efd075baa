"""Two thousand random histories hold; a seed is one history; and a factory that is broken on purpose is caught."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulation import play
from tests.simulation.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
ROOT = Path(__file__).parents[2]
SEEDS = 2000


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with play.a_world() as made:
        yield made


def test_two_thousand_histories_hold() -> None:
    asked = [sys.executable, "-m", "tests.simulation.play", "--seeds", str(SEEDS)]
    done = subprocess.run(asked, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"first"')]
    assert sum(part["played"] for part in told) >= SEEDS, done.stdout
    assert [part["broken"] for part in told] == [[]], done.stdout
    assert done.returncode == 0


def test_histories_are_of_every_kind() -> None:
    steps = Counter((step.do, step.kill_at is not None) for seed in range(SEEDS) for step in play.history(seed)[1])
    begun = Counter(play.history(seed)[0] for seed in range(SEEDS))
    assert {do for do, _ in steps} == {"run", "fault", "calm", "clock", "beside"}
    assert steps["run", True] > 1000
    assert set(begun) == set(play.WEIGHTS)


@pytest.mark.parametrize("seed", [3, 11, 42])
def test_a_seed_is_the_same_history_with_the_same_end(world: World, seed: int) -> None:
    def ended() -> tuple[object, ...]:
        assert play.play(world, seed) == []
        calls = Counter((row["vendor"], row["status"], row["reason"]) for row in world.rows(play.SPEND))
        sends = Counter((row["state"], row["reason"]) for row in world.rows("SELECT state, reason FROM email_sends"))
        return world.asked(), sorted(world.mails().values()), calls, sends

    assert ended() == ended()


# A factory that is wrong in one way: what an update by a careless hand would leave. The invariants must see each.
SABOTAGE = {
    "mails of the dead are queued again": "DELETE FROM email_sends WHERE state IN ('claimed', 'unknown', 'accepted')",
    "calls cost nothing": "UPDATE vendor_calls SET cost_microusd = 0 WHERE cost_microusd > 0",
    "calls are forgotten": "DELETE FROM vendor_calls WHERE vendor = 'openai'",
    "budgets are not kept": "UPDATE budgets SET reserved_microusd = reserved_microusd + 1",
}


@pytest.mark.parametrize("kind", SABOTAGE)
def test_a_factory_that_is_broken_on_purpose_is_caught(
    world: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    live: Callable[..., object] = world.live

    def sabotaged(*stage: str, **options: object) -> object:
        report = live(*stage, **options)
        world.rows(f"{SABOTAGE[kind]} RETURNING 1")
        return report

    monkeypatch.setattr(world, "live", sabotaged)
    assert play.many(world, range(40)), "forty histories, and nobody noticed"
