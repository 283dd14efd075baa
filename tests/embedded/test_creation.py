"""A cluster is made once, by one of many, and anew only where provably none was ever completed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from leadfactory import embedded
from leadfactory.embedded import EmbeddedPostgresError
from tests.embedded.conftest import ROOT
from tests.embedded.scenes import kept, kill_postmaster, postmaster

AT_ONCE = 8
# Imports, says so, waits for the word, starts the server, says which.
STARTER = """
import sys
from pathlib import Path
from leadfactory import embedded
home = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
server = embedded.ensure_running(home, fast=True)
print(server.port, embedded.status(home).pid, flush=True)
"""


def started_at_once(home: Path, processes: int) -> set[str]:
    """What that many processes say that start the server of ``home`` at the same moment."""
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(home)],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(processes)
    ]
    for starter in starters:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "ready\n"
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("now\n")
        starter.stdin.flush()
    told = {starter.communicate()[0] for starter in starters}
    assert {starter.returncode for starter in starters} == {0}
    return told


def postmasters(home: Path) -> int:
    return sum(
        str(home / "postgres" / "data") in each.info["cmdline"]
        for each in psutil.process_iter(["name", "cmdline"])
        if each.info["name"] == "postgres" and each.info["cmdline"]
    )


def test_eight_processes_at_once_create_one_server(new_home: Path) -> None:
    told = started_at_once(new_home, AT_ONCE)
    assert told == {f"{embedded.ensure_running(new_home).port} {postmaster(new_home)}\n"}
    assert postmasters(new_home) == 1


def test_eight_processes_at_once_bring_one_server_back_after_a_kill(home: Path) -> None:
    embedded.ensure_running(home)
    kill_postmaster(home)
    told = started_at_once(home, AT_ONCE)
    assert told == {f"{embedded.ensure_running(home).port} {postmaster(home)}\n"}
    assert postmasters(home) == 1
    assert kept(embedded.ensure_running(home)) == [0]


def test_a_second_supervisor_that_cannot_see_the_first_ones_server_is_refused(home: Path) -> None:
    """As in two containers that share a volume: other processes, another loopback, the same folder."""
    server = embedded.ensure_running(home)
    apart = ["unshare", *([] if os.geteuid() == 0 else ["-Ur"]), "--pid", "--net", "--fork", "--mount-proc"]
    done = subprocess.run(
        [*apart, sys.executable, "-c", STARTER, str(home)],
        cwd=ROOT,
        input="\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "a server that cannot be seen from here" in done.stderr.splitlines()[-1]
    assert (home / "postgres" / "data" / "postmaster.pid").is_file()
    assert kept(server) == [0]


@pytest.mark.parametrize("lost", ["PG_VERSION", "global/pg_control", "global", "base", "pg_wal", "pg_xact"])
def test_half_a_data_folder_is_refused_and_nothing_of_it_removed(home: Path, lost: str) -> None:
    data = home / "postgres" / "data"
    shutil.move(data / lost, home / "lost")
    before = files_of(data)
    with pytest.raises(EmbeddedPostgresError) as told:
        embedded.ensure_running(home)
    assert "\n" not in str(told.value)
    assert files_of(data) >= before - {data / "leadfactory.log"}
    shutil.move(home / "lost", data / lost)
    assert kept(embedded.ensure_running(home)) == [0]


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("how", ["moved away", "emptied", "a link to a disk that is not mounted"])
def test_a_database_that_is_gone_is_not_replaced_by_an_empty_one(home: Path, how: str) -> None:
    data, elsewhere = home / "postgres" / "data", home / "elsewhere"
    data.rename(elsewhere)
    if how == "emptied":
        data.mkdir(mode=0o700)
    elif how.startswith("a link"):
        data.symlink_to(home / "not mounted")
    secrets = {path: path.read_bytes() for path in (home / "postgres").glob("*.[jp]*")}
    with pytest.raises(EmbeddedPostgresError, match=r"data is gone or empty.*mount its disk or restore it"):
        embedded.ensure_running(home)
    assert {path: path.read_bytes() for path in secrets} == secrets
    if data.is_symlink():
        data.unlink()
    elif data.is_dir():
        data.rmdir()
    elsewhere.rename(data)
    assert kept(embedded.ensure_running(home)) == [0]


def test_a_data_folder_that_was_made_for_us_and_is_empty_is_filled(new_home: Path) -> None:
    (new_home / "postgres" / "data").mkdir(parents=True, mode=0o700)
    psycopg.connect(embedded.ensure_running(new_home, fast=True).url("app")).close()
