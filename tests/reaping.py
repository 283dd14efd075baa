"""Runs a command and waits for everything that it leaves behind, so that what servers and orphans worked counts with it.

``python -m tests.reaping COMMAND …`` ends as COMMAND ends. On Linux the orphans of all its processes become children of this one and
are waited for when they end; elsewhere only what COMMAND itself waited for is counted.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def adopt_orphans() -> None:
    """Makes this process the parent of every descendant whose own parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main(command: list[str]) -> int:
    """Runs ``command``; its exit code."""
    adopt_orphans()
    running = subprocess.Popen(command)
    while True:
        pid, status = os.wait()
        if pid == running.pid:
            break
    running.returncode = os.waitstatus_to_exitcode(status)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    return running.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
