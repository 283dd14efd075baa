"""`make bench`: every benchmark in a process of its own, then one table of ratios and goals."""

from __future__ import annotations

import json
import subprocess
import sys

from bench.results import FOLDER

BENCHMARKS = (
    "imports",
    "permit_cost",
    "campaign_day",
    "claiming",
    "dagster_tax",
    "dedupe",
    "reports",
    "success_page",
    "report_mail",
    "webhook_ingest",
    "marts_build",
    "export_throughput",
)


def main() -> int:
    """Runs the benchmarks that are named on the command line, or all."""
    chosen = sys.argv[1:] or list(BENCHMARKS)
    unknown = set(chosen) - set(BENCHMARKS)
    if unknown:
        print(f"unknown benchmark {', '.join(sorted(unknown))}: choose from {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    codes = [subprocess.call([sys.executable, "-m", f"bench.{name}"]) for name in chosen]
    print(f"\n{'benchmark':<52}{'ratio':>8}{'goal':>8}")
    for name in chosen:
        path = FOLDER / f"{name}.json"
        for row in json.loads(path.read_text())["ratios"] if path.is_file() else []:
            print(f"{row['name']:<52}{row['ratio']:>8.3f}{row['goal'] or '–':>8}")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
