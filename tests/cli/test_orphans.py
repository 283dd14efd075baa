"""What a stack that was killed left running ends when another one takes the home, and nothing else does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cli import processes, stack

IDLE = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> processes.Process:
    """A service whose stack is gone, with its card."""
    monkeypatch.setattr(processes, "LIVE", [])
    return processes.start("idle", IDLE, env={}, log=tmp_path / "logs" / "idle.log", cwd=tmp_path, service="idle")


def test_who_takes_the_home_ends_what_a_killed_stack_left(
    tmp_path: Path, left: processes.Process, capsys: pytest.CaptureFixture[str]
) -> None:
    with stack.holding_home(tmp_path):
        assert left.popen.wait(10) != 0
    assert list((tmp_path / "run").iterdir()) == []
    assert "had left running: idle" in capsys.readouterr().err


def test_a_program_that_has_the_number_by_now_is_left_alone(tmp_path: Path, left: processes.Process) -> None:
    assert left.card is not None
    told = json.loads(left.card.read_text())
    left.card.write_text(json.dumps(told | {"started_at": told["started_at"] - 3600}))
    try:
        with stack.holding_home(tmp_path):
            assert left.alive
    finally:
        left.stop()


def test_a_card_that_cannot_be_read_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "edge.json").write_text("{")
    with stack.holding_home(tmp_path):
        assert list((tmp_path / "run").iterdir()) == []
