"""Whoever is killed, and at whatever moment: what was committed is there afterwards, and the next process goes on."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psycopg
import pytest

from leadfactory import embedded
from leadfactory.embedded import EmbeddedServer
from tests.embedded.conftest import ROOT, Leadfactory, ended
from tests.embedded.scenes import kept, kill_postmaster, one_line, postmaster, stranger_on, vendor_contents

# A long-lived client: one pool, one transaction a number. It says what is committed, and goes on after an error.
WRITER = """
import sys, time
import sqlalchemy as sa
from leadfactory.database import Database, DatabaseUnavailable
from leadfactory.settings import settings
db = Database.from_settings(settings())
number, told = 1, False
while True:
    try:
        with db.begin() as tx:
            tx.execute(sa.text("INSERT INTO kept VALUES (:n)"), {"n": number})
        print("committed", number, flush=True)
        number, told = number + 1, False
    except DatabaseUnavailable as error:
        if not told:
            print("error", str(error), flush=True)
        number, told = number + 1, True  # its outcome is unknown
        time.sleep(0.05)
"""
# What `leadfactory dev` does for its database, without the rest of the stack.
SUPERVISOR = """
import time
from cli import stack
with stack.database(lambda line: None):
    print("up", flush=True)
    time.sleep(600)
"""
# A command during which the server dies.
COMMAND = """
import sqlalchemy as sa
from cli import main
from leadfactory.database import Database
from leadfactory.settings import settings
from tests.embedded.scenes import kill_postmaster
def app():
    with Database.from_settings(settings()).begin() as tx:
        tx.execute(sa.text("SELECT 1"))
        kill_postmaster(settings().home)
        tx.execute(sa.text("SELECT 1"))
main.app = app
main.main()
"""
Script = Callable[[str, Path], subprocess.Popen[str]]


@pytest.fixture
def script() -> Iterator[Script]:
    """Starts a script in a process of its own, killed with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(text: str, home: Path) -> subprocess.Popen[str]:
        env = {k: v for k, v in os.environ.items() if not k.endswith("DATABASE_URL")} | {"LEADFACTORY_HOME": str(home)}
        process = subprocess.Popen(
            [sys.executable, "-c", text], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def lines_until(said: IO[str] | None, wanted: str, count: int) -> list[str]:
    """The lines up to the ``count``-th that begins with ``wanted``."""
    assert said is not None
    lines: list[str] = []
    while sum(line.startswith(wanted) for line in lines) < count:
        line = said.readline()
        assert line, "it ended"
        lines.append(line.strip())
    return lines


def numbers(lines: list[str]) -> set[int]:
    return {int(line.split()[1]) for line in lines if line.startswith("committed")}


def test_a_postmaster_killed_during_writes_loses_no_committed_row(
    server: EmbeddedServer, home: Path, script: Script, leadfactory: Leadfactory
) -> None:
    writer = script(WRITER, home)
    before = lines_until(writer.stdout, "committed", 50)
    kill_postmaster(home)
    (error,) = [line for line in lines_until(writer.stdout, "error", 1) if line.startswith("error")]
    assert f"{server.host}:{server.port}" in error
    assert "starts it again" in error
    assert leadfactory("campaign-days", home=home).returncode == 0  # the next command starts the server
    after = lines_until(writer.stdout, "committed", 50)  # and the pool that was there before works again
    writer.kill()
    assert numbers(before + after) | {0} <= set(kept(server))


def test_what_vendors_lent_us_is_gone_after_a_crash_and_stays_after_a_stop(server: EmbeddedServer, home: Path) -> None:
    embedded.stop(home)
    assert vendor_contents(embedded.ensure_running(home)) == 1
    kill_postmaster(home)
    assert vendor_contents(embedded.ensure_running(home)) == 0


def test_a_client_finds_a_server_that_came_back_on_another_port(
    server: EmbeddedServer, home: Path, script: Script
) -> None:
    writer = script(WRITER, home)
    lines_until(writer.stdout, "committed", 5)
    kill_postmaster(home)
    with stranger_on(server.port):
        moved = embedded.ensure_running(home)
        assert moved.port != server.port
        after = lines_until(writer.stdout, "committed", 5)
    assert numbers(after) <= set(kept(moved))


def test_the_server_outlives_a_supervisor_that_is_killed(home: Path, script: Script, leadfactory: Leadfactory) -> None:
    supervisor = script(SUPERVISOR, home)
    lines_until(supervisor.stdout, "up", 1)
    pid = postmaster(home)
    os.killpg(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    assert leadfactory("campaign-days", home=home).returncode == 0
    assert postmaster(home) == pid


def test_a_command_that_meets_a_dead_server_in_the_middle_says_one_line(home: Path) -> None:
    env = dict(os.environ) | {"LEADFACTORY_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "was lost" in one_line(done.stderr)


@pytest.mark.parametrize("made", [False, True], ids=["while it creates", "while it starts"])
def test_a_starter_may_be_killed_at_every_step(made: bool, template: Path, new_home: Path) -> None:
    """The steps are what the interpreter's audit hook reports: folders made, files configured and renamed, programs run.

    Every process goes on with what the killed ones before it left, dies at the first step at which none died yet, and the
    last one gets through.
    """
    if made:
        shutil.copytree(template, new_home, symlinks=True, dirs_exist_ok=True)
    undisturbed = new_home.with_name(new_home.name + "-undisturbed")
    shutil.copytree(new_home, undisturbed, symlinks=True)
    try:
        steps = set(steps_of(undisturbed, None))
    finally:
        ended(undisturbed)
    died_at: set[str] = set()
    while last := steps_of(new_home, died_at):
        died_at.add(last[-1])
    assert died_at >= steps
    assert len(steps) > (1 if made else 9)
    server = embedded.ensure_running(new_home, fast=True)
    assert kept(server) == [0] if made else asked(server.url("app")) == 1
    assert not list(new_home.glob("postgres/data.new-*"))


def asked(url: str) -> int:
    with psycopg.connect(url) as tx:
        row = tx.execute("SELECT 1").fetchone()
    assert row is not None
    return int(row[0])


def steps_of(home: Path, died_at: set[str] | None) -> list[str]:
    """The steps of a process that starts the server; with ``died_at``, until it dies at one that is not among them, else none."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        start_and_die(home, died_at, tell)
    os.close(tell)
    with os.fdopen(told) as lines:
        steps = lines.read().split()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == (0 if died_at is None else -signal.SIGKILL if set(steps) - died_at else 0)
    return steps if died_at is None or status else []


def start_and_die(home: Path, died_at: set[str] | None, tell: int) -> None:
    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in {"os.rename", "os.mkdir", "subprocess.Popen"} or str(arguments[:1]).endswith(".conf',)"):
            name = re.sub(r"\d+.*", "", Path(str(arguments[0])).name)
            step = f"{event}:{name}"
            os.write(tell, f"{step}\n".encode())
            if died_at is not None and step not in died_at:
                os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    sys.addaudithook(hook)
    try:
        embedded.ensure_running(home, fast=True)
        code = 0
    finally:
        os._exit(code)
