"""What the server and we keep beside the data: whatever it says after an accident, it is checked, never believed."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadfactory import embedded, embedded_files
from leadfactory.embedded import EmbeddedPostgresError, EmbeddedServer
from tests.embedded.conftest import ended
from tests.embedded.scenes import kept, kill_postmaster, postmaster

PID_FILE = "postgres/data/postmaster.pid"


@pytest.fixture
def sleeper() -> Iterator[int]:
    """The pid of a living process that has nothing to do with us."""
    process = subprocess.Popen(["sleep", "600"])
    yield process.pid
    process.kill()
    process.wait()


@pytest.fixture
def neighbour(template: Path) -> Iterator[EmbeddedServer]:
    """The running server of another home."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="lf-home-"))
    shutil.copytree(template, folder, symlinks=True, dirs_exist_ok=True)
    yield embedded.ensure_running(folder)
    ended(folder)


def killed_with_pid_of(home: Path, pid: int) -> None:
    """The server was killed, and its pid belongs to somebody else by now: in its pid file and in its socket's lock."""
    port = embedded.ensure_running(home).port
    whole = (home / PID_FILE).read_text().splitlines()
    kill_postmaster(home)
    (home / PID_FILE).write_text("\n".join([str(pid), *whole[1:]]) + "\n")
    lock = embedded_files.socket_folder(home.resolve()) / f".s.PGSQL.{port}.lock"
    lock.write_text(f"{pid}\n{home}\n")


def test_a_pid_that_another_program_has_by_now_does_not_stop_the_start(home: Path, sleeper: int) -> None:
    killed_with_pid_of(home, sleeper)
    assert kept(embedded.ensure_running(home)) == [0]


def test_stopping_never_ends_the_program_that_has_the_pid_by_now(home: Path, sleeper: int) -> None:
    killed_with_pid_of(home, sleeper)
    embedded.stop(home)
    assert Path(f"/proc/{sleeper}/cmdline").read_text().startswith("sleep")


def test_the_pid_of_another_homes_server_is_not_taken_for_ours(home: Path, neighbour: EmbeddedServer) -> None:
    theirs = postmaster(neighbour.home)
    killed_with_pid_of(home, theirs)
    ours = embedded.ensure_running(home)
    embedded.stop(home)
    assert ours.port != neighbour.port
    assert postmaster(neighbour.home) == theirs


@pytest.mark.parametrize(
    "content", [b"\xff\x00\xfe" * 40, b"99999999999999999999\n", b"-1\n"], ids=["noise", "huge", "negative"]
)
def test_a_pid_file_of_garbage_does_not_stop_the_start(server: EmbeddedServer, home: Path, content: bytes) -> None:
    kill_postmaster(home)
    (home / PID_FILE).write_bytes(content)
    assert kept(embedded.ensure_running(home)) == [0]


def damaged(home: Path, change: dict[str, object]) -> bytes:
    kept_so_far = json.loads((home / "postgres" / "credentials.json").read_text())
    return json.dumps(kept_so_far | change).encode()


@pytest.mark.parametrize(
    "change",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        {"port": 99999},
        {"port": "5432"},
        {"port": True},
        {"passwords": {}},
        {"passwords": None},
    ],
    ids=[
        "empty",
        "noise",
        "a list",
        "null",
        "port too high",
        "port as text",
        "port as flag",
        "no roles",
        "no passwords",
    ],
)
def test_damaged_credentials_are_named_and_left_as_they_are(home: Path, change: bytes | dict[str, object]) -> None:
    path = home / "postgres" / "credentials.json"
    content = change if isinstance(change, bytes) else damaged(home, change)
    path.write_bytes(content)
    with pytest.raises(EmbeddedPostgresError, match=r"credentials\.json is damaged.*restore it from a backup"):
        embedded.ensure_running(home)
    assert path.read_bytes() == content


def test_a_lost_superuser_password_is_named(home: Path) -> None:
    (home / "postgres" / "superuser.password").unlink()
    with pytest.raises(EmbeddedPostgresError, match=r"superuser\.password is gone.*restore it"):
        embedded.ensure_running(home)


def test_keys_of_another_database_are_told_at_once(home: Path) -> None:
    (home / "postgres" / "superuser.password").write_text("of-another-cluster")
    (home / "postgres" / "credentials.json").write_bytes(
        damaged(
            home, {"passwords": dict.fromkeys(["lf_owner", "lf_app", "lf_analyst", "lf_backup", "lf_dagster"], "x")}
        )
    )
    began = time.monotonic()
    with pytest.raises(EmbeddedPostgresError, match="not those of the data beside them"):
        embedded.ensure_running(home)
    assert time.monotonic() - began < embedded.START_WITHIN_S  # it did not wait for a server that will never let it in


def test_a_secret_that_was_half_written_when_the_machine_stopped_changes_nothing(home: Path) -> None:
    (home / "postgres" / "credentials.json.new").write_text('{"port": 5')
    assert kept(embedded.ensure_running(home)) == [0]


def test_a_data_folder_that_was_opened_to_others_is_closed_again(home: Path) -> None:
    data = home / "postgres" / "data"
    data.chmod(0o755)
    assert kept(embedded.ensure_running(home)) == [0]
    assert data.stat().st_mode & 0o777 == 0o700


def test_logs_of_an_hour_that_has_not_come_yet_do_not_hide_why_a_start_failed(home: Path) -> None:
    later = time.time() + 86_400
    for day in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"):
        log = home / "postgres" / "log" / f"postgresql-{day}.log"
        log.write_text("FATAL:  an old story\n")
        os.utime(log, (later, later))
    with (home / "postgres" / "data" / "leadfactory.conf").open("a") as sink:
        sink.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError) as told:
        embedded.ensure_running(home)
    assert "no_such_setting" in str(told.value)
    assert "an old story" not in str(told.value)
