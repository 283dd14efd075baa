"""The game day loses nothing: its scenes are played for real, one after the other, on a factory of their own with real processes.

The full disk is left out: it mounts a file system, and tests/embedded/test_full_disk.py fills one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import gameday
from cli.gaming import watch
from leadfactory.settings import ROOT

pytestmark = pytest.mark.timeout(700)
ALERTS = {
    "vendor-outage": "BreakerOpen", "database-restart": "DatabaseDown", "daemon-kill": "DaemonDown", "edge-kill": "EdgeDown",
    "corrupt-warehouse": "DamagedFiles", "restore": "DatabaseDown",
}  # fmt: skip


def _played(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    env |= {"LEADFACTORY_HOME": str(home), "LEADFACTORY_ENV": "test", "COLUMNS": "300", **environment}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "gameday", *arguments],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=640, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Scene → how it went."""
    only = [f"--only={name}" for name in ALERTS]
    done = _played(tmp_path_factory.mktemp("gameday"), *only, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return {each["scene"]: each for each in json.loads(done.stdout)["scenes"]}


@pytest.mark.parametrize("scene", ALERTS)
def test_nothing_that_was_accepted_is_lost(told: dict[str, dict[str, Any]], scene: str) -> None:
    assert (told[scene]["could_not"], told[scene]["lost"]) == (None, [])


@pytest.mark.parametrize("scene", ["database-restart", "edge-kill"])
def test_posts_were_refused_while_it_was_broken_and_accepted_after(told: dict[str, dict[str, Any]], scene: str) -> None:
    accepted, refused = (int(words.split(" ")[0].replace(",", "")) for words in told[scene]["kept"].split(", "))
    assert accepted >= 200
    assert refused > 0


def test_every_scene_tells_how_long_it_was_broken_and_how_long_the_mending_took(
    told: dict[str, dict[str, Any]],
) -> None:
    assert all(each["broken_s"] > 0 and each["mended_s"] > 0 for each in told.values())


@pytest.mark.parametrize(("scene", "alert"), ALERTS.items())
def test_the_alert_of_the_scene_fired_where_prometheus_is_installed(
    told: dict[str, dict[str, Any]], scene: str, alert: str
) -> None:
    assert alert in told[scene]["alerts"] or shutil.which("prometheus") is None


def test_production_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    done = _played(tmp_path / "home", LEADFACTORY_ENV="production")
    assert (done.returncode, "play it in development" in done.stderr) == (1, True)
    assert not (tmp_path / "home").exists()


def test_a_folder_that_no_game_day_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    done = _played(tmp_path / "other", f"--home={tmp_path}", "--only=edge-kill")
    assert (done.returncode, "was not made by a game day" in done.stderr) == (1, True)
    assert (tmp_path / "mine").read_text() == "kept"


def test_an_unknown_scene_is_named_with_those_there_are(tmp_path: Path) -> None:
    done = _played(tmp_path, "--only=meteor")
    assert (done.returncode, "--only='meteor' is no scene" in done.stderr) == (1, True)


def test_every_scene_that_is_offered_can_be_played() -> None:
    assert set(gameday.scenes()) == set(gameday.NAMES)


def test_the_rules_that_wait_too_long_for_a_game_are_hurried_and_no_other_is_changed() -> None:
    committed = (ROOT / "monitoring" / "alerts.yaml").read_text()
    assert "for: 1m" not in watch.rules()
    changed = [line for line in watch.rules().splitlines() if line not in committed.splitlines() and "for:" not in line]
    assert [line.strip() for line in changed] == [
        "expr: leadfactory_dagster_heartbeat_age_seconds > 45",
        "expr: leadfactory_vendor_breaker_open_seconds > 1",
    ]
