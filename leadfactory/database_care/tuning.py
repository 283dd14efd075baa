"""A postgresql.conf fragment for a machine of a given size, each value explained and put beside the running one.

Rules of thumb as PostgreSQL's manual (chapters Resource Consumption, Write Ahead Log, Query Planning) gives them: a quarter
of memory as shared buffers, three quarters as what the planner may expect to be cached, work memory small enough that every
session may use it a few times over.
"""

from __future__ import annotations

import dataclasses
import re

import sqlalchemy as sa

SESSIONS = 200  # what embedded_files.CONF allows
_UNITS = {"K": 1, "M": 2**10, "G": 2**20, "T": 2**30}  # in KiB


@dataclasses.dataclass(frozen=True)
class Value:
    """One setting: what would fit, what the server runs with, and why."""

    name: str
    proposed: str
    running: str | None
    why: str
    restart: bool


def kibibytes(text: str) -> int:
    """A size as somebody types it, ``8G`` or ``512MB``, in KiB.

    Raises:
        ValueError: names the value and what is expected.
    """
    found = re.fullmatch(r"(\d+)\s*([KMGT])(?:i?B)?", text.strip(), re.IGNORECASE)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"--memory={text!r} is no size: write 8G or 512M")
    return int(found[1]) * _UNITS[found[2].upper()]


def proposals(memory_kib: int, cpus: int) -> list[tuple[str, str, str]]:
    """Name, value and reason of each setting for a machine that runs Postgres beside the factory's processes.

    Raises:
        ValueError: less than 256 MiB, or no CPU.
    """
    if memory_kib < 256 * 2**10:
        raise ValueError(f"--memory is {memory_kib // 2**10} MiB: Postgres and the factory need at least 256 MiB")
    if not 1 <= cpus <= 1024:
        raise ValueError(f"--cpus={cpus} is out of range: 1 to 1024")
    mib = memory_kib // 2**10
    shared = min(mib // 4, 16 * 2**10)
    workers = max(2, cpus)
    work = max(4, (mib - shared) // (SESSIONS * 3))
    return [
        ("shared_buffers", f"{shared}MB", "a quarter of memory; the rest caches files for all processes"),
        (
            "effective_cache_size",
            f"{mib * 3 // 4}MB",
            "what the planner may expect to find cached, nothing is reserved",
        ),
        ("work_mem", f"{work}MB", f"{SESSIONS} sessions may each use it some times over within what is left"),
        ("maintenance_work_mem", f"{min(max(mib // 16, 64), 2048)}MB", "VACUUM and index builds, few at once"),
        ("wal_buffers", "16MB", "one WAL segment; more brings nothing"),
        ("max_wal_size", f"{min(max(mib // 4, 1024), 16 * 2**10)}MB", "fewer checkpoints while a night writes"),
        ("checkpoint_completion_target", "0.9", "spreads a checkpoint's writes"),
        ("random_page_cost", "1.1", "solid-state disks seek for nothing; set 4 for turning ones"),
        ("max_worker_processes", str(max(8, workers)), "parallel queries and maintenance"),
        ("max_parallel_workers", str(workers), "as many as there are CPUs"),
        ("max_parallel_workers_per_gather", str(max(1, min(4, cpus // 2))), "half of the CPUs for one analyst's query"),
    ]


def beside_running(tx: sa.Connection, memory_kib: int, cpus: int) -> list[Value]:
    """The proposals with what the server runs with, and whether a change needs a restart.

    Raises:
        ValueError: as ``proposals``.
    """
    proposed = proposals(memory_kib, cpus)
    rows = tx.execute(
        sa.text("SELECT name, current_setting(name) AS value, context FROM pg_settings WHERE name = ANY(:names)"),
        {"names": [name for name, _, _ in proposed]},
    )
    running = {row.name: row for row in rows}
    return [
        Value(
            name, value, running[name].value if name in running else None, why,
            name in running and running[name].context == "postmaster",
        )
        for name, value, why in proposed
    ]  # fmt: skip
