"""How long the code locations take to import, as a ratio to bare ``import dagster`` in the same run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.results import write

ROUNDS = 5
ROOT = Path(__file__).resolve().parent.parent
IMPORTS = {
    "dagster": "import dagster",
    "factory": "import leadfactory_assets.definitions",
    "marts": "import leadfactory_assets.marts",
}


def seconds(code: str) -> float:
    """Wall seconds of a fresh interpreter that runs ``code``, less those of an empty one."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Rounds are interleaved, so that a busy minute hits all alike; medians are compared."""
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for code in IMPORTS.values():
        seconds(code)  # warm: bytecode and page cache
    for _ in range(ROUNDS):
        for name, code in IMPORTS.items():
            times[name].append(seconds(code))
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, each in medians.items():
        print(f"import {name:<10} {each:6.2f} s   {each / medians['dagster']:.2f} × import dagster")
    write(
        "imports",
        [
            {"name": "import factory / import dagster", "ratio": medians["factory"] / medians["dagster"], "goal": 1.5},
            {"name": "import marts / import dagster", "ratio": medians["marts"] / medians["dagster"], "goal": None},
        ],
        seconds=medians,
    )


if __name__ == "__main__":
    main()
