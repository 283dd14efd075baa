"""Fixtures that every suite may use, and what `make test-fast` leaves out."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS.parent))

from tests import fast  # noqa: E402
from tests.examples import examples  # noqa: E402

pytest_plugins = ["tests.postgres", "tests.s3"]
# Hypothesis fails a case by the wall's clock; on a machine that does other things that says nothing about the code.
hypothesis.settings.register_profile("factory", examples(), suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("factory")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs a stack or many seconds, and tests that drive a sandbox of their own."""
    for item in items:
        if fast.is_slow(item.path.relative_to(TESTS)):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """What was imported and collected stays until the end: no collection of garbage needs to walk through it a thousand times."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """The end clears up what it would without us."""
    gc.unfreeze()
