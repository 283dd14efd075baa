"""Runs dbt in a process of its own: what builds marts is repeated where dbt built the same before (``repeating``)."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from leadfactory.d10_analytics import dbt_nodes, dbt_process, increments, repeating

DBT = (sys.executable, "-m", dbt_process.__name__)
FRESH = "source.leadfactory.export.lake_manifest"  # the verdict whether the lake is fresh
RESULTS = "results.json"
ANEW = "LEADFACTORY_DBT_ANEW"  # dbt itself builds, whatever was recorded


@dataclasses.dataclass(frozen=True)
class Tested:
    """One test of a build: dbt's id of it, or ``expectations.`` and the mart; whether it held, how much broke it, and the words."""

    test_id: str
    passed: bool
    failures: int
    message: str


class MartsError(RuntimeError):
    """The marts were not built or not published, and the old file still stands; ``tested`` are the tests that ran."""

    def __init__(self, message: str, tested: tuple[Tested, ...] = ()) -> None:
        super().__init__(message)
        self.tested = tested


def run_dbt(arguments: list[str], extra: dict[str, str]) -> None:
    """Runs dbt on the project: what builds marts by a process that tells what each node said, other commands by dbt's own. What dbt
    built before, told the same, is repeated without it (``repeating``), unless ``extra`` has ``ANEW``.

    Raises:
        NotAsBefore: when a repetition ended; what it built must go, and ``ANEW`` lets dbt do it.
        MartsError: when dbt fails, with the end of what it said.
    """
    command, results = [*DBT, *arguments], f"{extra['DBT_TARGET_PATH']}/{RESULTS}"
    if arguments[0] in {"build", "run"}:
        recorded = repeating.path(extra)
        if not extra.get(ANEW) and repeating.known(recorded, repeating.key(arguments, extra)):
            _repeated(recorded, results, extra)
            return
        command = [sys.executable, "-m", dbt_nodes.__name__, results, str(recorded), *arguments]
    done = _ended([*command, "--project-dir", str(increments.PROJECT)], extra)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise MartsError(f"dbt {arguments[0]} failed; the published marts are unchanged:\n{said}")


def _repeated(recorded: Path, results: str, extra: dict[str, str]) -> None:
    done = _ended([sys.executable, "-m", repeating.__name__, str(recorded), results], extra)
    if done.returncode != 0:  # whatever it was, dbt knows what to do without it
        said = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise repeating.NotAsBefore(said[-1])


def _ended(command: list[str], extra: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | extra
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=increments.PROJECT, check=False)


def repeated(results: Path) -> bool:
    """Whether the last command sent what dbt had sent before, and dbt was not there."""
    return results.is_file() and bool(json.loads(results.read_text()).get("repeated"))


def tests(results: Path) -> tuple[Tested, ...]:
    """The tests of the last dbt command, whether the lake is fresh among them; not those that it skipped."""
    if not results.is_file():
        return ()
    told = [each for each in json.loads(results.read_text())["results"] if each["status"] != "skipped"]
    tests = [each for each in told if each["unique_id"].startswith(("test.", "unit_test.", FRESH))]
    return tuple(Tested(t["unique_id"], t["held"], t["failures"] or 0, t["message"] or "") for t in tests)
