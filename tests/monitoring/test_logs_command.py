"""`leadfactory logs` finds lines by level, room, campaign-day, lead and run, over rotated files, and follows."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import logs
from leadfactory.settings import ROOT
from tests.cli.conftest import cli_env, cli_home, command, here  # noqa: F401 (fixtures)


def line(event: str, level: str = "INFO", **facts: str) -> str:
    return json.dumps(
        {
            "at": "2026-10-06T15:00:00.000+00:00",
            "level": level,
            "event": event,
            "process": "run",
            "logger": "x",
            **facts,
        }
    )


@pytest.fixture
def folder(cli_home: Path) -> Path:  # noqa: F811
    made = cli_home / "logs"
    made.mkdir(parents=True)
    return made


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["--level", "WARNING"], ["b", "d"]),
        (["--room", "d03_assessment"], ["a", "b"]),
        (["--campaign-day", "dental|2026-10-06"], ["a"]),
        (["--lead", "b7"], ["c"]),
        (["--run", "r1"], ["b"]),
        (["--room", "d03_assessment", "--level", "warning"], ["b"]),
        (["--tail", "2"], ["c", "d"]),
        ([], ["a", "b", "c", "d"]),
    ],
)
def test_lines_are_found_by_their_fields(folder, here, asked, found):  # noqa: F811
    lines = [
        line("a", room="d03_assessment", campaign_day="dental|2026-10-06"), line("b", "WARNING", room="d03_assessment", run_id="r1"),
        line("c", lead="b7"), line("d", "ERROR"),
    ]  # fmt: skip
    (folder / "pipeline.log").write_text("\n".join(lines) + "\n")
    told = here("logs", "pipeline", *asked)
    assert [row.split()[2] for row in told.splitlines()] == found


def test_rotated_files_come_first(folder, here):  # noqa: F811
    (folder / "app.log.2").write_text(line("first") + "\n")
    (folder / "app.log.1").write_text(line("second") + "\n")
    (folder / "app.log").write_text(line("third") + "\n")
    told = here("logs")
    assert told.index("first") < told.index("second") < told.index("third")


def test_a_log_of_another_program_is_filtered_by_the_level_in_its_words(folder, here):  # noqa: F811
    (folder / "dagster.log").write_text("2026 - dagster - INFO - started\n2026 - dagster - ERROR - broke\n")
    assert here("logs", "dagster", "--level", "ERROR").splitlines() == ["2026 - dagster - ERROR - broke"]


def test_a_log_of_ours_to_which_nothing_was_written_is_empty_and_no_error(folder, command):  # noqa: F811
    done = command("logs", "security")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing was written to" in done.stderr


def test_an_unknown_service_names_those_there_are(folder, here):  # noqa: F811
    (folder / "app.log").write_text("")
    assert "service='nothing' has no log" in (said := here("logs", "nothing", fails=True))
    assert "there are app" in said
    assert "service='../app'" in here("logs", "../app", fails=True)


def test_an_unknown_level_is_refused(folder, here):  # noqa: F811
    (folder / "app.log").write_text("")
    assert "level='LOUD' is none of DEBUG" in here("logs", "--level", "LOUD", fails=True)


def test_what_is_written_between_the_stored_lines_and_the_following_is_shown(folder):
    (folder / "app.log.1").write_text("first\n")
    (folder / "app.log").write_text("second\n")
    with contextlib.ExitStack() as files:
        source = files.enter_context((folder / "app.log").open())
        assert list(logs._stored(folder / "app.log", source)) == ["first", "second"]
        (folder / "app.log").open("a").write("third\n")
        (folder / "app.log").replace(folder / "app.log.1")
        (folder / "app.log").write_text("fourth\n")
        following = logs._following(folder / "app.log", source, files)
        assert [next(following), next(following)] == ["third", "fourth"]


def test_a_file_that_is_moved_aside_while_it_is_read_is_shown_once(folder):
    (folder / "app.log").write_text("only\n")
    with (folder / "app.log").open() as source:
        (folder / "app.log").replace(folder / "app.log.1")
        assert list(logs._stored(folder / "app.log", source)) == ["only"]


@pytest.mark.timeout(120)
def test_it_follows_through_a_rotation(folder, cli_home, cli_env):  # noqa: F811
    file = folder / "app.log"
    file.write_text(line("before") + "\n")
    environment = (
        os.environ | cli_env | {"LEADFACTORY_HOME": str(cli_home), "LEADFACTORY_ENV": "test", "PYTHONUNBUFFERED": "1"}
    )
    running = subprocess.Popen([sys.executable, "-m", "cli.main", "logs", "--follow", "--json"], cwd=ROOT, env=environment,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert running.stdout is not None
    try:
        assert "before" in running.stdout.readline()
        with file.open("a") as sink:
            sink.write(line("while") + "\n")
        assert "while" in running.stdout.readline()
        file.replace(folder / "app.log.1")
        file.write_text(line("after") + "\n")
        assert "after" in running.stdout.readline()
    finally:
        running.kill()
        running.wait()


def test_what_the_command_takes_for_a_line_of_ours_is_one():
    assert logs.parsed(line("x")) is not None
    assert logs.parsed('{"event": torn') is None
    assert logs.parsed('{"other": 1}') is None
