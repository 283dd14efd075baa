"""Debian's Prometheus and Alertmanager, which `make prometheus` installs, as programs that a test runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest

MISSING = "Prometheus and Alertmanager are not installed"
PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager")


def need() -> None:
    """Skips, with a reason that ci/expected-skips.toml knows, where the packages cannot be installed."""
    if any(shutil.which(name) is None for name in PROGRAMS):
        pytest.skip(MISSING)


@pytest.fixture(scope="session")
def promtool() -> Callable[..., str]:
    """Runs promtool with arguments; what it printed, or CalledProcessError."""
    need()

    def run(*arguments: str) -> str:
        done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout, done.stderr)
        done.check_returncode()
        return done.stdout + done.stderr

    return run
