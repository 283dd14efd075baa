"""Fixtures that every suite may use, and what `make test-fast` leaves out."""

from __future__ import annotations

import sys
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS.parent))

pytest_plugins = ["tests.postgres", "tests.s3"]
# Hypothesis fails a case by the wall's clock; on a machine that does other things that says nothing about the code.
hypothesis.settings.register_profile("factory", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("factory")
# Suites that start servers and processes of their own, and so are left to `make test`.
SLOW = (
    "unit/stores",
    "unit/d00_gateway",
    "sandbox",
    "edge",
    "monitoring",
    "sandbox_clients",
    "contract",
    "migrations",
    "cli",
    "dbt",
    "flow",
    "embedded",
    "races",
    "careless",
    "crash",
    "simulation",
    "times",
    "reports",
    "browser",
    "dashboards",
    "backup",
    "security",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the suites that need a whole stack, and tests that drive a sandbox of their own."""
    for item in items:
        where = item.path.relative_to(TESTS)
        if where.as_posix().startswith(tuple(f"{name}/" for name in SLOW)) or where.stem.endswith("_sandbox"):
            item.add_marker(pytest.mark.slow)
