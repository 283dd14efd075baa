"""The oldest Postgres that is supported: all migrations, then histories of nights and letters as on the one that is shipped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
OLDEST, SEEDS = 16, 40  # the wheel carries 16 beside 18


def test_histories_hold_on_the_oldest_postgres() -> None:
    asked = [sys.executable, "-m", "tests.simulation.play", "--seeds", str(SEEDS), "--postgres", str(OLDEST)]
    done = subprocess.run(asked, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    (told,) = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"first"')]
    assert (told["postgres"], told["played"], told["broken"]) == (OLDEST, SEEDS, []), done.stdout
