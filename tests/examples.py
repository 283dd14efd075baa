"""How many cases a property test looks at: as many as it names, and in `make test-fast` a sample of them."""

from __future__ import annotations

import os

import hypothesis

SAMPLED = "LEADFACTORY_TESTS_SAMPLED"  # set by tests/fast.py for its lanes
FEW = 20


def examples(most: int = 100) -> hypothesis.settings:
    """The settings of a test that looks at ``most`` cases; a case may take as long as it takes."""
    return hypothesis.settings(max_examples=min(most, FEW) if os.environ.get(SAMPLED) else most, deadline=None)
