"""The wheel is replaced while there is data: the same major version serves it, another one is refused and changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leadfactory import embedded, embedded_process
from leadfactory.embedded import EmbeddedPostgresError
from tests.embedded.conftest import ROOT, Leadfactory
from tests.embedded.scenes import kept, kill_postmaster, one_line

START = """
import json, sys
from pathlib import Path
from leadfactory import embedded, embedded_process
server = embedded.ensure_running(Path(sys.argv[1]), fast=True)
print(json.dumps([str(embedded_process.binaries()), server.port]))
"""


@pytest.fixture
def other_wheel(tmp_path: Path) -> Path:
    """The same programs at another place, as after a reinstallation."""
    package = embedded_process.binaries().parent.parent
    shutil.copytree(package, tmp_path / package.name, symlinks=True)
    for folder in (tmp_path, *tmp_path.parents):  # the server's user must reach it
        if folder.owner() == "root" and folder != Path("/") and folder.parent != Path("/"):
            folder.chmod(0o755)
    return tmp_path


def test_data_is_served_by_a_wheel_that_was_installed_later(home: Path, other_wheel: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START, str(home)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(other_wheel)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    used, port = json.loads(done.stdout)
    assert Path(used).is_relative_to(other_wheel)
    assert embedded.ensure_running(home).port == port
    assert kept(embedded.ensure_running(home)) == [0]


def test_a_server_whose_wheel_was_removed_under_it_is_killed_and_comes_back_from_the_new_one(
    home: Path, other_wheel: Path
) -> None:
    environment = os.environ | {"PYTHONPATH": str(other_wheel)}
    subprocess.run([sys.executable, "-c", START, str(home)], cwd=ROOT, env=environment, check=True, capture_output=True)
    shutil.rmtree(other_wheel / embedded_process.binaries().parent.parent.name)
    assert kept(embedded.ensure_running(home)) == [0]
    kill_postmaster(home)
    assert kept(embedded.ensure_running(home)) == [0]


def test_data_of_another_major_version_is_refused_with_the_way_out(home: Path, leadfactory: Leadfactory) -> None:
    version = home / "postgres" / "data" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(
        EmbeddedPostgresError, match=r"made by PostgreSQL 17.*dump it with the LeadFactory that made it"
    ):
        embedded.ensure_running(home)
    done = leadfactory("campaign-days", home=home)
    assert done.returncode == 1
    assert "PostgreSQL 17" in one_line(done.stderr)
    version.write_text("18\n")
    assert kept(embedded.ensure_running(home)) == [0]


def test_files_of_tomorrow_do_not_stop_the_start_of_a_killed_server(home: Path) -> None:
    """As after a clock that was a day ahead when the machine was lost."""
    embedded.ensure_running(home)
    kill_postmaster(home)
    tomorrow = time.time() + 86_400
    for path in (home / "postgres").rglob("*"):
        if path.is_file():
            os.utime(path, (tomorrow, tomorrow))
    assert kept(embedded.ensure_running(home)) == [0]
