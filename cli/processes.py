"""Starts, watches and stops the long-running processes of one machine. Each writes its own log file under the home."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cli.output import CommandError

STOP_WITHIN_S = 20.0
SAME_S = 5.0  # between a process's begin and its card


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
    again: Callable[[], subprocess.Popen[bytes]] | None = None
    card: Path | None = None

    def restart(self) -> None:
        """Ends it and starts the same program with the same environment."""
        assert self.again is not None
        self.stop()
        self.popen = self.again()
        self.write_card()

    def write_card(self) -> None:
        """Tells `leadfactory ps` of it, whole at any moment."""
        if self.card is not None:
            beside = self.card.with_suffix(".new")
            told = {"service": self.card.stem, "pid": self.popen.pid, "started_at": time.time(), "log": str(self.log)}
            beside.write_text(json.dumps(told))
            beside.replace(self.card)

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


LIVE: list[Process] = []  # those of this stack that have a card, oldest first


def start(
    name: str, argv: list[str], *, env: dict[str, str], log: Path, cwd: Path, service: str | None = None
) -> Process:
    """Starts ``argv`` in a process group of its own with output to ``log``; as a ``service`` it can be seen and restarted.

    Raises:
        CommandError: when the program is missing or the log cannot be written.
    """

    def run() -> subprocess.Popen[bytes]:
        with log.open("ab") as sink:
            return subprocess.Popen(
                argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )

    cards = log.parent.parent / "run"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        cards.mkdir(exist_ok=True)
        process = Process(name, log, run(), run, None if service is None else cards / f"{service}.json")
        process.write_card()
    except OSError as error:
        raise CommandError(
            f"{name} could not be started ({error}): check free disk space and run `make demo` again"
        ) from None
    if service is not None:
        LIVE.append(process)
    return process


def end_orphans(home: Path) -> list[str]:
    """Ends what a stack of ``home`` left running when it was killed, whole process groups; the services' names.

    Only for who holds the home: what a card names then belongs to nobody.
    """
    import psutil

    ended = []
    for card in sorted((home / "run").glob("*.json")):
        with contextlib.suppress(ValueError, KeyError, psutil.Error, ProcessLookupError):
            told = json.loads(card.read_text())
            began = psutil.Process(told["pid"]).create_time()
            if abs(began - told["started_at"]) < SAME_S:  # another program may have the number by now
                os.killpg(told["pid"], signal.SIGKILL)
                ended.append(card.stem)
        card.unlink(missing_ok=True)
    return ended


def restart_asked() -> None:
    """Restarts those of this stack for which `leadfactory restart` left a word."""
    for process in LIVE:
        word = None if process.card is None else process.card.with_suffix(".restart")
        if word is not None and word.exists():
            process.restart()
            word.unlink(missing_ok=True)


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
            if process.card is not None:
                process.card.unlink(missing_ok=True)
            if process in LIVE:
                LIVE.remove(process)
