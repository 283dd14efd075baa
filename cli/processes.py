"""Starts, watches and stops the long-running processes of one machine. Each writes its own log file under the home."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cli.output import CommandError

STOP_WITHIN_S = 20.0


def port_is_free(port: int) -> bool:
    """Whether nobody listens on 127.0.0.1:``port``."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port(preferred: int) -> int:
    """``preferred`` when it is free, else one that the system picks."""
    if port_is_free(preferred):
        return preferred
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclasses.dataclass
class Process:
    """One child: its name for people, its log file, and the running ``Popen``."""

    name: str
    log: Path
    popen: subprocess.Popen[bytes]

    def tail(self, lines: int = 12) -> str:
        """The end of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.popen.poll() is None

    def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """Asks its whole process group to end, then ends it."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(within_s)
            if not self.alive and how is signal.SIGKILL:
                return
            if not self.alive:
                # the leader is gone; what it left of its group goes too
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.popen.pid, signal.SIGKILL)
                return


def start(name: str, argv: list[str], *, env: dict[str, str], log: Path, cwd: Path) -> Process:
    """Starts ``argv`` in a process group of its own with output to ``log``.

    Raises:
        CommandError: when the program is missing or the log cannot be written.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            popen = subprocess.Popen(
                argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )
    except OSError as error:
        raise CommandError(
            f"{name} could not be started ({error}): check free disk space and run `make demo` again"
        ) from None
    return Process(name, log, popen)


def wait_until(process: Process, ready: Callable[[], bool], *, within_s: float) -> None:
    """Waits for ``ready``.

    Raises:
        CommandError: when the process ends or the time is over, with the end of its log.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if ready():
            return
        if not process.alive:
            raise CommandError(
                f"{process.name} ended with code {process.popen.returncode}; the end of {process.log}:\n{process.tail()}"
            )
        time.sleep(0.2)
    raise CommandError(
        f"{process.name} was not ready within {within_s:.0f} s; the end of {process.log}:\n{process.tail()}"
    )


@contextlib.contextmanager
def stopping(processes: list[Process]) -> Iterator[None]:
    """Stops ``processes``, newest first, however the block ends."""
    try:
        yield
    finally:
        for process in reversed(processes):
            process.stop()
