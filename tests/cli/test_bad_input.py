"""What an operator types wrong gets one clear line, a non-zero exit, and nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SEED = ["seed-campaigns", "--vertical=restaurant", "--zip=10001", "--quota=100"]
Command = Callable[..., subprocess.CompletedProcess[str]]


def leadfactory(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own, where what surrounds it is wrong."""
    env = dict(os.environ) | {
        "LEADFACTORY_HOME": str(home),
        "COLUMNS": "400",
        "LEADFACTORY_CLOCK": "2026-10-06T15:00:00+00:00",
    }
    env |= environment
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def swap(arguments: list[str], **options: str) -> list[str]:
    return [
        f"--{name.split('=')[0].removeprefix('--')}={options[key]}"
        if (key := name.split("=")[0].removeprefix("--")) in options
        else name
        for name in arguments
    ]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"vertical": "restarant"}, ["restarant", "restaurant"]),
        ({"zip": "1000"}, ["1000", "ZIP"]),
        ({"zip": "00000"}, ["00000", "ZIP"]),
        ({"quota": "0"}, ["quota", "0"]),
        ({"quota": "1000000000"}, ["quota", "1000000000"]),
    ],
)
def test_a_wrong_field_is_named_with_its_value(options: dict[str, str], names: list[str], command: Command) -> None:
    done = command(*swap(SEED, **options))
    assert done.returncode != 0
    assert all(name in done.stderr for name in names), done.stderr
    assert "Traceback" not in done.stderr


def test_a_slug_with_a_bar_is_refused(command: Command) -> None:
    done = command(*SEED, "--name=a|b")
    assert done.returncode != 0
    assert "a|b" in done.stderr


def test_a_zip_inside_a_targeted_city_is_refused_with_both_names(command: Command) -> None:
    first = command("seed-campaigns", "--vertical=medical", "--city=Chicago, IL", "--quota=10")
    assert first.returncode == 0, first.stderr
    done = command("seed-campaigns", "--vertical=medical", "--zip=60601", "--quota=10")
    assert done.returncode != 0
    assert "60601" in done.stderr
    assert "Chicago" in done.stderr


def test_a_database_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = leadfactory(
        *SEED, home=tmp_path, LEADFACTORY_DATABASE_URL="postgresql://app:pw-secret@127.0.0.1:1/leadfactory"
    )
    assert done.returncode != 0
    assert "127.0.0.1" in done.stderr
    assert "pw-secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_named(tmp_path: Path, cli_env: dict[str, str]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = leadfactory("dev", home=tmp_path, **cli_env, LEADFACTORY_SANDBOX_URL=f"http://127.0.0.1:{port}")
    assert done.returncode != 0
    assert str(port) in done.stderr


def test_a_wrong_clock_is_named_with_the_accepted_forms(tmp_path: Path) -> None:
    done = leadfactory("doctor", home=tmp_path, LEADFACTORY_CLOCK="noon")
    assert done.returncode != 0
    assert "LEADFACTORY_CLOCK" in done.stderr
    assert "noon" in done.stderr


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, cli_env: dict[str, str]) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    done = leadfactory("dev", home=blocker / "home", **cli_env)
    assert done.returncode != 0
    assert str(blocker) in done.stderr


def test_a_dry_run_writes_nothing(command: Command) -> None:
    done = command("seed-campaigns", "--vertical=legal", "--zip=73301", "--quota=5", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    again = command("launch-campaign", "legal-73301", "--dry-run")
    assert again.returncode != 0
    assert "legal-73301" in again.stderr
