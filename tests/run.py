"""`make test`: every suite in turn, how much of its written time budget it used, and no skip that is not expected."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
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
    skipped = [skip for row in rows for skip in row.skipped]
    print(f"\n{'suite':<22}{'passed':>8}{'failed':>8}{'skipped':>9}{'used':>9}{'allowed':>9}")
    for row in sorted(rows, key=lambda row: list(allowed).index(row.suite)):
        over = "   over its budget" if row.seconds > allowed[row.suite] else ""
        print(
            f"{row.suite:<22}{row.passed:>8}{row.broken:>8}{len(row.skipped):>9}{row.seconds:>8.0f}s{allowed[row.suite]:>8}s{over}"
        )
    most = budgets["together"]["seconds"]
    print(f"{f'{LANES} at a time':<22}{passed:>8}{broken:>8}{len(skipped):>9}{wall:>8.0f}s{most:>8}s")
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
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"tests/{suite}", f"--junitxml={report}"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
    )  # fmt: skip
    print(f"\n=== tests/{suite}\n{ran.stdout}", flush=True)
    counts = _counts(report) if report.is_file() else (0, 1, [])
    return Ran(suite, ran.returncode, time.monotonic() - began, *counts)


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
