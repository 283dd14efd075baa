"""Figures of the machine: disk, memory, our processes, and the database server. The only ones that are not rows."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil
import sqlalchemy as sa

from leadfactory.monitoring.figures import Figure, Scene, one

# What stands in a command line → what the process is called. The first that fits counts.
PROCESSES = (
    (("-m", "edge"), "edge"),
    (("-m", "sandbox"), "sandbox"),
    (("-m", "leadfactory.monitoring.escalating"), "escalating"),
    (("dagster-daemon",), "dagster-daemon"),
    (("dagster-webserver",), "dagster-webserver"),
    (("dagster", "api", "grpc"), "code-server"),
    (("dagster", "api", "execute_run"), "run"),
    (("-m", "dagster", "api"), "code-server"),
)
DATABASE = """
SELECT pg_database_size(current_database()) AS bytes, current_setting('max_connections')::int AS most,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections"""


def figures(scene: Scene) -> Iterator[Figure]:
    """Disk, memory and processes, which need no database."""
    yield Figure.of("disk_used_ratio", "Share of the disk under the home that is used.", "place", {"home": disk_used(scene.settings.home)})  # fmt: skip
    yield Figure.one("memory_used_ratio", "Share of the machine's memory that is not available.", memory_used())
    cpu: dict[str, float] = defaultdict(float)
    memory: dict[str, float] = defaultdict(float)
    for process in psutil.process_iter(("cmdline", "name", "cpu_times", "memory_info")):
        name = called(process.info["name"] or "", process.info["cmdline"] or [])
        if name is None or process.info["cpu_times"] is None or process.info["memory_info"] is None:
            continue
        cpu[name] += process.info["cpu_times"].user + process.info["cpu_times"].system
        memory[name] += process.info["memory_info"].rss
    yield Figure.of("process_cpu_seconds", "Processor time of our processes that run now.", "process", cpu)
    yield Figure.of("process_resident_bytes", "Memory that they hold.", "process", memory)


def database(tx: sa.Connection, scene: Scene) -> Iterator[Figure]:
    """The server's own."""
    found = one(tx, DATABASE)
    yield Figure.one("database_bytes", "Size of the system of record.", found.bytes)
    yield Figure.one("database_connections_ratio", "Share of the server's connections in use.", found.connections / found.most)  # fmt: skip


def disk_used(home: Path) -> float:
    """Share of the disk that holds ``home``, or will."""
    usage = shutil.disk_usage(next(p for p in (home, *home.parents) if p.exists()))
    return 1 - usage.free / usage.total


def memory_used() -> float:
    """Share of the machine's memory that no program could have."""
    memory = psutil.virtual_memory()
    return float(1 - memory.available / memory.total)


def called(name: str, command: list[str]) -> str | None:
    """What a process is to us; None when it is not ours."""
    if name == "postgres":
        return "postgres"
    words = [Path(word).name if "/" in word else word for word in command]
    for marks, known in PROCESSES:
        if all(mark in words for mark in marks):
            return known
    return None
