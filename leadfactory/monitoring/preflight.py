"""Whether a night may start on this machine: enough disk to write what it buys, and memory for its runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from leadfactory.monitoring import machine

MOST_DISK, MOST_MEMORY = 0.90, 0.85  # shares in use; monitoring/alerts.yaml alerts on the same
HELD = "held back: "  # how the reason of a night begins that starts when the cause is gone


@dataclasses.dataclass(frozen=True)
class Verdict:
    """``stops`` holds the night back until it is gone; ``warns`` is told and stops nothing."""

    stops: str | None = None
    warns: str | None = None


def look(home: Path) -> Verdict:
    """Of the disk that holds ``home``, and of the machine's memory, now."""
    return judge(machine.disk_used(home), machine.memory_used(), home)


def judge(disk_used: float, memory_used: float, home: Path) -> Verdict:
    """What shares in use mean for a night."""
    stops = warns = None
    if disk_used > MOST_DISK:
        stops = f"{HELD}{1 - disk_used:.1%} of the disk at {home} is free: free some space; at 10 % the night starts by itself"
    if memory_used > MOST_MEMORY:
        warns = f"{memory_used:.1%} of the memory is used: a night takes about 2 GiB"
    return Verdict(stops, warns)
