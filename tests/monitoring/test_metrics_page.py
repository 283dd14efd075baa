"""What /metrics may be read by, how it is written, and that requests add up over workers."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.monitoring.conftest import OPENMETRICS


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        (("203.0.113.9", 40000), {}),
        (("127.0.0.1", 40000), {"x-forwarded-for": "203.0.113.9"}),
        (("127.0.0.1", 40000), {"forwarded": "for=203.0.113.9"}),
    ],
    ids=["another machine", "behind a proxy", "behind a proxy of another kind"],
)
def test_only_this_machine_reads_them(world, client, headers):
    answer = TestClient(world.client.app, client=client).get("/metrics", headers=headers)
    assert (answer.status_code in {401, 403}, "leadfactory_" in answer.text) == (True, False)


def test_a_scraper_that_knows_openmetrics_gets_it(world):
    here = TestClient(world.client.app, client=("127.0.0.1", 40000))
    answer = here.get("/metrics", headers=OPENMETRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert here.get("/metrics").headers["content-type"].startswith("text/plain")


def test_requests_are_named_by_their_handler_and_never_by_their_path(world, scrape):
    link = world.link(world.send(1)[0])
    world.client.get(link)
    world.client.get("/nothing/here")
    told = scrape()
    counted = told["leadfactory_edge_requests_total"]
    assert counted[("route", "unsubscribe.show"), ("status", "200")] >= 1
    assert counted[("route", "none"), ("status", "404")] >= 1
    assert told["leadfactory_edge_request_seconds_count"][(("route", "unsubscribe.show"),)] >= 1
    assert not any(link.rsplit("/", 1)[1] in str(labels) for labels in counted)


def test_every_metric_is_named_after_the_factory_and_explained(world):
    here = TestClient(world.client.app, client=("127.0.0.1", 40000))
    lines = here.get("/metrics", headers=OPENMETRICS).text.splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    explained = {line.split()[2] for line in lines if line.startswith("# HELP") and len(line.split()) > 4}
    assert names
    assert all(name.startswith("leadfactory_") for name in names)
    assert names == explained
