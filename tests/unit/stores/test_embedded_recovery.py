"""The embedded server after accidents: it comes back with every committed row."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from leadfactory import embedded, embedded_cluster, embedded_process
from leadfactory.embedded import EmbeddedServer

START = (
    "import sys; from pathlib import Path; from leadfactory import embedded; embedded.ensure_running(Path(sys.argv[1]))"
)


def kept(home: Path) -> str:
    with psycopg.connect(embedded.ensure_running(home).url("owner")) as tx:
        row = tx.execute("SELECT word FROM leadfactory.kept").fetchone()
    assert row is not None
    return str(row[0])


def killed(home: Path) -> None:
    pid = embedded.status(home).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def pid_file(home: Path) -> Path:
    return home / "postgres" / "data" / "postmaster.pid"


def test_a_killed_server_comes_back(server: EmbeddedServer, home: Path) -> None:
    killed(home)
    assert kept(home) == "kept"


@pytest.mark.parametrize("content", ["", "12", "1\n/nowhere\n"], ids=["empty", "cut off", "another process's"])
def test_a_pid_file_that_says_nothing_true_does_not_stop_the_start(
    server: EmbeddedServer, home: Path, content: str
) -> None:
    killed(home)
    pid_file(home).write_text(content)
    assert kept(home) == "kept"


def test_a_server_whose_pid_file_is_cut_off_is_still_found_and_stopped(server: EmbeddedServer, home: Path) -> None:
    pid_file(home).write_text("1")
    assert embedded.is_running(home)
    embedded.stop(home)
    assert embedded.status(home).pid is None
    assert kept(home) == "kept"


def test_children_that_still_work_in_the_data_folder_are_waited_for(server: EmbeddedServer, home: Path) -> None:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(server.url("app")) as busy:
        backend = busy.info.backend_pid
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 15000000)")  # notices nothing while it counts
        time.sleep(0.2)
        killed(home)
        assert backend in embedded_process.working_in(home / "postgres" / "data")
        assert kept(home) == "kept"
        assert backend not in embedded_process.working_in(home / "postgres" / "data")


def test_an_initdb_that_was_killed_leaves_nothing_that_looks_like_a_cluster(home: Path) -> None:
    starter = subprocess.Popen([sys.executable, "-c", START, str(home)], start_new_session=True)
    while not list(home.glob("postgres/data.new-*/base")):
        assert starter.poll() is None
        time.sleep(0.005)
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    assert not (home / "postgres" / "data").exists()
    server = embedded.ensure_running(home, fast=True)
    psycopg.connect(server.url("app")).close()
    assert list(home.glob("postgres/data.new-*")) == []


def test_roles_that_were_lost_between_start_and_first_use_are_made_again(server: EmbeddedServer, home: Path) -> None:
    superuser = server._url(
        embedded_cluster.SUPERUSER, (home / "postgres" / "superuser.password").read_text(), "postgres"
    )
    with psycopg.connect(superuser, autocommit=True) as admin:
        admin.execute("ALTER ROLE lf_app NOLOGIN")
    assert not embedded.is_running(home)
    psycopg.connect(embedded.ensure_running(home).url("app")).close()
