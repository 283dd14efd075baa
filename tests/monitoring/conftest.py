"""The edge of tests/edge over the tests' database, with this machine as its client."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.edge.conftest import World, config, signers, world  # noqa: F401 (fixtures)

Told = dict[str, dict[tuple[tuple[str, str], ...], float]]
OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0"}


def parsed(text: str) -> Told:
    """Metric → labels → value; the parser refuses what is not OpenMetrics."""
    found: Told = {}
    for family in text_string_to_metric_families(text):
        found.setdefault(family.name, {})
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


@pytest.fixture
def scrape(world: World) -> Callable[[], Told]:  # noqa: F811
    """Reads /metrics as Prometheus on this machine would."""
    here = TestClient(world.client.app, client=("127.0.0.1", 40000))

    def once() -> Told:
        answer = here.get("/metrics", headers=OPENMETRICS)
        assert answer.status_code == 200, answer.text
        return parsed(answer.text)

    return once
