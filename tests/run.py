"""`make test`: every suite in turn, how much of its written time budget it used, and no skip that is not expected."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Runs the suites of tests/BUDGETS; non-zero when a test failed, a budget was passed or an unexpected test skipped."""
    budgets = tomllib.loads((ROOT / "tests" / "BUDGETS").read_text())
    expected = tomllib.loads((ROOT / "ci" / "expected-skips.toml").read_text())["skip"]
    reasons = {each["reason"] for each in expected}
    table, failed, passed, broken, skipped = [], False, 0, 0, []
    reports = ROOT / ".pytest_cache" / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    for suite, budget in budgets["seconds"].items():
        report = reports / f"{suite.replace('/', '-')}.xml"
        began = time.monotonic()
        print(f"\n=== tests/{suite}", flush=True)
        code = subprocess.call(
            [sys.executable, "-m", "pytest", "-q", f"tests/{suite}", f"--junitxml={report}"], cwd=ROOT
        )
        used = time.monotonic() - began
        suite_passed, suite_broken, suite_skipped = _counts(report)
        passed, broken = passed + suite_passed, broken + suite_broken
        skipped += suite_skipped
        failed |= code != 0
        table.append((suite, suite_passed, suite_broken, len(suite_skipped), used, budget))
    print(f"\n{'suite':<22}{'passed':>8}{'failed':>8}{'skipped':>9}{'used':>9}{'allowed':>9}")
    for suite, ok, bad, skips, used, budget in table:
        over = "   over its budget" if used > budget else ""
        print(f"{suite:<22}{ok:>8}{bad:>8}{skips:>9}{used:>8.0f}s{budget:>8}s{over}")
    used_in_all = sum(row[4] for row in table)
    allowed = sum(budgets["seconds"].values())
    print(f"{'together':<22}{passed:>8}{broken:>8}{len(skipped):>9}{used_in_all:>8.0f}s{allowed:>8}s")
    unexpected = [(name, reason) for name, reason in skipped if reason not in reasons]
    for name, reason in unexpected:
        print(f"unexpected skip: {name}: {reason!r} (ci/expected-skips.toml lists what may be skipped, and why)")
    print(f"{passed} passed, {broken} failed, {len(skipped)} skipped")
    return 1 if failed or unexpected or used_in_all > allowed else 0


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
