"""The embedded server: found or started, by one or by several, in whatever folder, and kept to itself."""

from __future__ import annotations

import contextlib
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from leadfactory import embedded, embedded_cluster, embedded_files, embedded_process, embedded_user
from leadfactory.embedded import EmbeddedPostgresError, EmbeddedServer

Squatter = Callable[[int], contextlib.AbstractContextManager[None]]
START = """
import sys
from pathlib import Path
from leadfactory import embedded
home = Path(sys.argv[1])
server = embedded.ensure_running(home, fast=True)
print(server.port, embedded.status(home).pid)
"""


def starter(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", START, str(home)], stdout=subprocess.PIPE, text=True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def asked(server: EmbeddedServer, query: str, role: str = "app") -> object:
    with psycopg.connect(server.url(role)) as tx:
        row = tx.execute(query).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("lc_collate", "C"),
        ("TimeZone", "UTC"),
        ("password_encryption", "scram-sha-256"),
        ("log_parameter_max_length", "0"),
        ("listen_addresses", "127.0.0.1"),
        ("max_connections", "200"),
    ],
)
def test_the_server_is_set_up_as_in_production(postgres: EmbeddedServer, setting: str, value: str) -> None:
    query = (
        "SELECT datcollate FROM pg_database WHERE datname = 'leadfactory'"
        if setting == "lc_collate"
        else f"SHOW {setting}"
    )
    assert asked(postgres, query) == value


def test_it_is_postgres_eighteen(postgres: EmbeddedServer) -> None:
    assert str(asked(postgres, "SHOW server_version_num")).startswith("18")


def test_no_login_is_a_superuser(postgres: EmbeddedServer) -> None:
    query = "SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolcanlogin AND rolsuper"
    assert asked(postgres, query) == embedded_cluster.SUPERUSER
    assert embedded_cluster.SUPERUSER not in postgres.passwords


def test_passwords_do_not_show_when_a_server_is_printed(postgres: EmbeddedServer) -> None:
    assert not any(password in repr(postgres) for password in postgres.passwords.values())


@pytest.mark.parametrize("way", ["tcp", "socket"])
def test_nobody_enters_without_the_password(postgres: EmbeddedServer, way: str) -> None:
    host = "127.0.0.1" if way == "tcp" else str(embedded_files.socket_folder(postgres.home))
    about = f"host={host} port={postgres.port} dbname=leadfactory user=lf_app"
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"{about} password=wrong")
    psycopg.connect(f"{about} password={postgres.passwords['lf_app']}").close()


def test_values_of_a_refused_row_stay_out_of_the_log(postgres: EmbeddedServer) -> None:
    with psycopg.connect(postgres.url("owner"), autocommit=True) as tx:
        tx.execute("CREATE TEMP TABLE people (email text CHECK (email = ''))")
        with pytest.raises(psycopg.errors.CheckViolation):
            tx.execute("INSERT INTO people VALUES (%s)", ("ada@example.org",))
    logged = "".join(path.read_text() for path in embedded.status(postgres.home).log.glob("*.log"))
    assert "violates check constraint" in logged
    assert "ada@example.org" not in logged


def test_a_second_caller_finds_the_first_ones_server(postgres: EmbeddedServer) -> None:
    before = embedded.status(postgres.home).pid
    assert embedded.ensure_running(postgres.home) == postgres
    assert embedded.status(postgres.home).pid == before


def test_two_processes_at_once_start_one_server_which_outlives_them(home: Path) -> None:
    starters = [starter(home), starter(home)]
    told = {process.communicate()[0] for process in starters}
    assert [process.returncode for process in starters] == [0, 0]
    assert told == {f"{embedded.status(home).port} {embedded.status(home).pid}\n"}


def test_a_stopped_server_is_told_as_stopped_and_stopping_again_does_no_harm(
    server: EmbeddedServer, home: Path
) -> None:
    for _ in range(2):
        embedded.stop(home)
        now = embedded.status(home)
        assert (now.running, now.port, now.pid) == (False, None, None)


def test_a_stopped_server_leaves_nothing_outside_its_home(server: EmbeddedServer, home: Path) -> None:
    sockets = embedded_files.socket_folder(server.home)
    embedded.stop(home)
    assert not sockets.exists()


def test_looking_starts_nothing(home: Path) -> None:
    assert embedded.find(home) is None
    assert not embedded.is_running(home)
    assert list(home.iterdir()) == []


def test_a_taken_port_is_left_to_whoever_has_it(
    server: EmbeddedServer, home: Path, squatter: Squatter, caplog: pytest.LogCaptureFixture
) -> None:
    embedded.stop(home)
    with squatter(server.port):
        moved = embedded.ensure_running(home)
    assert moved.port != server.port
    assert asked(moved, "SELECT word FROM leadfactory.kept") == "kept"
    assert f"port {server.port} is taken by another program: the embedded Postgres moves to {moved.port}" in caplog.text


def test_the_port_is_kept_over_restarts(server: EmbeddedServer, home: Path) -> None:
    embedded.stop(home)
    assert embedded.ensure_running(home).port == server.port


def test_a_long_path_with_a_space_and_a_quote_works(home: Path) -> None:
    deep = home / "it's a folder" / ("x" * 120) / ("y" * 120)
    try:
        running = embedded.ensure_running(deep, fast=True)
        assert asked(running, "SELECT 1") == 1
        assert len(str(embedded_files.socket_folder(deep.resolve()))) < 80
    finally:
        embedded.stop(deep)


def test_a_closed_home_stays_closed_and_so_does_all_below_it(postgres: EmbeddedServer) -> None:
    root = postgres.home / "postgres"
    assert {mode(path) for path in (postgres.home, root, root / "data", root / "log")} == {0o700}
    assert {mode(root / name) for name in ("credentials.json", "superuser.password")} == {0o600}
    assert mode(embedded_files.socket_folder(postgres.home)) == 0o700


def test_the_server_does_not_run_as_root_in_its_own_eyes(postgres: EmbeddedServer) -> None:
    pid = embedded.status(postgres.home).pid
    told = Path(f"/proc/{pid}/uid_map").read_text().split()
    if told != ["0", "0", "4294967295"]:  # in a namespace of its own
        assert told[0] != "0"
    else:
        assert Path(f"/proc/{pid}").stat().st_uid != 0


@pytest.mark.parametrize(
    ("content", "said"), [(None, "is gone"), ('{"port": 54', "is damaged")], ids=["lost", "cut off"]
)
def test_credentials_that_do_not_serve_are_named(
    server: EmbeddedServer, home: Path, content: str | None, said: str
) -> None:
    embedded.stop(home)
    kept = home / "postgres" / "credentials.json"
    kept.unlink() if content is None else kept.write_text(content)
    with pytest.raises(EmbeddedPostgresError, match=rf"credentials\.json {said}.*restore it"):
        embedded.ensure_running(home)


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(EmbeddedPostgresError, match=r"file/postgres cannot be read or written.*LEADFACTORY_HOME"):
        embedded.ensure_running(tmp_path / "file")


def test_the_servers_own_words_come_out_when_it_does_not_start(server: EmbeddedServer, home: Path) -> None:
    embedded.stop(home)
    with (home / "postgres" / "data" / "leadfactory.conf").open("a") as sink:
        sink.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        embedded.ensure_running(home)


def test_a_full_disk_is_told_with_its_remedy() -> None:
    said = 'creating files\ninitdb: error: could not write to file "pg_wal": No space left on device\n'
    assert embedded_process.explain(said).endswith("free disk space, or set LEADFACTORY_HOME to another disk")


def test_the_outermost_closed_folder_is_named_for_a_user_who_may_not_enter(home: Path) -> None:
    (home / "inner" / "postgres").mkdir(parents=True)
    owner = home.stat()
    assert embedded_user.first_closed(home / "inner" / "postgres", owner.st_uid + 1, owner.st_gid + 1) == home
    assert embedded_user.first_closed(home / "inner" / "postgres", owner.st_uid, owner.st_gid) is None


def test_credentials_hold_every_role_and_the_port(postgres: EmbeddedServer) -> None:
    kept = json.loads((postgres.home / "postgres" / "credentials.json").read_text())
    assert kept["port"] == postgres.port
    assert set(kept["passwords"]) == {"lf_owner", "lf_app", "lf_analyst", "lf_backup", "lf_dagster"}
