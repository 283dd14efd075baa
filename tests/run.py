"""`make test`: every suite in turn, how much of its written time budget it used, and no skip that is not expected.

Beside the seconds that passed stand those that the processors worked, servers and killed processes included: on a busy machine the
first grow and the second do not, so a suite that became expensive is told from one that had to wait.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests import promises

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / ".pytest_cache" / "reports"


LANES = 3  # suites at a time on two cores: each waits for servers and processes of its own a third of the time


@dataclasses.dataclass(frozen=True)
class Ran:
    """How one suite went."""

    suite: str
    code: int
    seconds: float
    cpu_seconds: float
    passed: int
    broken: int
    skipped: list[tuple[str, str]]


def main() -> int:
    """Runs the suites of tests/BUDGETS; non-zero when a test failed, the whole took too long or an unexpected test skipped."""
    budgets = tomllib.loads((ROOT / "tests" / "BUDGETS").read_text())
    expected = tomllib.loads((ROOT / "ci" / "expected-skips.toml").read_text())["skip"]
    reasons = {each["reason"] for each in expected}
    allowed: dict[str, int] = budgets["seconds"]
    REPORTS.mkdir(parents=True, exist_ok=True)
    for stale in REPORTS.glob("*.xml"):
        stale.unlink()
    began = time.monotonic()
    longest_first = sorted(allowed, key=allowed.__getitem__, reverse=True)
    with ThreadPoolExecutor(LANES) as lanes:
        rows = []
        for done in as_completed([lanes.submit(_run, suite) for suite in longest_first]):
            rows.append(done.result())
            print(f"--- {len(rows)} of {len(allowed)} suites, {time.monotonic() - began:.0f} s", flush=True)
    wall = time.monotonic() - began
    passed, broken = sum(row.passed for row in rows), sum(row.broken for row in rows)
    worked = sum(row.cpu_seconds for row in rows)
    skipped = [skip for row in rows for skip in row.skipped]
    print(f"\n{'suite':<22}{'passed':>8}{'failed':>8}{'skipped':>9}{'used':>9}{'allowed':>9}{'worked':>9}")
    for row in sorted(rows, key=lambda row: list(allowed).index(row.suite)):
        over = "   over its budget" if row.seconds > allowed[row.suite] else ""
        print(
            f"{row.suite:<22}{row.passed:>8}{row.broken:>8}{len(row.skipped):>9}{row.seconds:>8.0f}s{allowed[row.suite]:>8}s"
            f"{row.cpu_seconds:>8.0f}s{over}"
        )
    most = budgets["together"]["seconds"]
    print(f"{f'{LANES} at a time':<22}{passed:>8}{broken:>8}{len(skipped):>9}{wall:>8.0f}s{most:>8}s{worked:>8.0f}s")
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(f"the tests' processes worked {worked / (wall * processors):.0%} of what {processors} processors had to give")
    unexpected = [(name, reason) for name, reason in skipped if reason not in reasons]
    for name, reason in unexpected:
        print(f"unexpected skip: {name}: {reason!r} (ci/expected-skips.toml lists what may be skipped, and why)")
    failed = [row.suite for row in rows if row.code != 0]
    if failed:
        print(f"failed: {', '.join(failed)}")
    unproven = promises.unproven(promises.named(promises.DOCUMENT.read_text()), sorted(REPORTS.glob("*.xml")))
    for node in unproven:
        print(f"docs/promises.md names {node}, which did not run and pass")
    print(f"{passed} passed, {broken} failed, {len(skipped)} skipped")
    return 1 if failed or unexpected or unproven or wall > most else 0


def _run(suite: str) -> Ran:
    """One suite in a process of its own; what it printed comes out in one piece when it is done."""
    report = REPORTS / f"{suite.replace('/', '-')}.xml"
    began = time.monotonic()
    # Some three hundred processes import the factory: they may keep what they compiled, whatever the caller's shell says.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    pytest = [sys.executable, "-m", "pytest", "-q", f"tests/{suite}", f"--junitxml={report}"]
    command = [sys.executable, "-m", "tests.reaping", *pytest]
    with tempfile.TemporaryFile() as written:  # no pipe: a server that a test forgot would hold it open
        running = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=written, stderr=subprocess.STDOUT)
        _, ended, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(ended)
        seconds = time.monotonic() - began
        written.seek(0)
        said = written.read().decode(errors="replace")
    print(f"\n=== tests/{suite}\n{said}", flush=True)
    counts = _counts(report) if report.is_file() else (0, 1, [])
    return Ran(suite, running.returncode, seconds, used.ru_utime + used.ru_stime, *counts)


def _counts(report: Path) -> tuple[int, int, list[tuple[str, str]]]:
    passed, broken, skipped = 0, 0, []
    for case in ET.parse(report).getroot().iter("testcase"):
        skip = case.find("skipped")
        if skip is not None:
            skipped.append((f"{case.get('classname')}::{case.get('name')}", skip.get("message", "")))
        elif case.find("failure") is not None or case.find("error") is not None:
            broken += 1
        else:
            passed += 1
    return passed, broken, skipped


if __name__ == "__main__":
    sys.exit(main())
