"""A full disk: a real one, a small tmpfs in a mount namespace of its own, filled while the server writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.embedded.conftest import ROOT
from tests.embedded.scenes import one_line


@pytest.fixture(scope="module")
def told(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    disk = tmp_path_factory.mktemp("disk")
    apart = ["unshare", *([] if os.geteuid() == 0 else ["-Ur"]), "--mount"]
    done = subprocess.run(
        [*apart, sys.executable, "-m", "tests.embedded.full_disk_scene", str(template), str(disk)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


REMEDY = "free disk space, or set LEADFACTORY_HOME to another disk"


def test_a_server_that_cannot_be_made_on_a_full_disk_says_so_with_the_remedy(told: dict[str, Any]) -> None:
    assert REMEDY in told["create"]


def test_a_server_that_was_killed_on_a_full_disk_comes_back_or_says_what_to_do(told: dict[str, Any]) -> None:
    assert told["start"] == "it started" or REMEDY in told["start"]  # the room of its own pid file can be enough


def test_a_client_that_fills_the_disk_is_told_in_one_line(told: dict[str, Any]) -> None:
    assert "\n" not in told["write"]
    assert "disk" in told["write"] or "was lost" in told["write"]


def test_a_command_on_a_full_disk_works_or_is_one_line_and_not_zero(told: dict[str, Any]) -> None:
    code, said = told["command"]
    assert (code, said.strip()) == (0, "") if code == 0 else "free disk space" in one_line(said)


def test_once_there_is_room_nothing_that_was_committed_is_lost(told: dict[str, Any]) -> None:
    assert told["committed"] > 1
    assert told["lost"] == []


def test_once_there_is_room_rows_are_written_again(told: dict[str, Any]) -> None:
    assert told["writes again"]


def test_what_vendors_lent_us_is_gone_after_the_crash(told: dict[str, Any]) -> None:
    assert told["vendor_contents"] == 0
