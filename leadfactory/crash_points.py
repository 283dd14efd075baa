"""Where a process can die with something half done: around every commit, every vendor call and every file that replaces one.

``reached`` is called at each such point and costs nothing while nobody listens. Crash tests listen and kill the process
at the n-th point; the simulation listens and unwinds the one it plays. Nothing else may listen.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

BEFORE_COMMIT, AFTER_COMMIT = "before a commit", "after a commit"
BEFORE_CALL, AFTER_CALL = "before a vendor call", "after a vendor call"
BEFORE_SYNC, AFTER_SYNC = "before the journal is on disk", "after the journal is on disk"
BEFORE_REPLACE = "before a file is replaced"  # what follows is the point of the next file, or of the commit
_listener: Callable[[str], None] | None = None


def reached(point: str) -> None:
    """Tells the listener, if there is one, that the process is at ``point``."""
    if _listener is not None:
        _listener(point)


def listen(listener: Callable[[str], None] | None) -> None:
    """Calls ``listener`` at each point from now on; None ends it."""
    global _listener
    _listener = listener


class Counter:
    """Names the points that this process reached, and kills it with SIGKILL at number ``kill_at`` (1 is the first)."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.kill_at = kill_at
        self.points: list[str] = []

    def __call__(self, point: str) -> None:
        """One point more."""
        self.points.append(point)
        if len(self.points) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
