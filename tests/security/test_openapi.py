"""The edge's own description of itself: complete, valid, and what is made up from it is answered as it says."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_schema_validator import OAS31Validator

from edge.app import create_app
from edge.limits import Limits
from edge.openapi import FORMS, QUERIES, document
from leadfactory.database import Database
from leadfactory.edge_rules import Rate
from tests.postgres import settings_for_tests

EACH = 12  # made-up requests per operation
logging.getLogger("schemathesis").setLevel(logging.WARNING)


@pytest.fixture
def described(world):
    return world.client.get("/openapi.json").json()


@pytest.fixture
def unhurried(world, monkeypatch):
    """So many requests that only their content counts."""
    limits = world.client.app.state.limits
    made = Limits(limits.config.model_copy(update={"address": Rate(burst=10**6, a_minute=10**6)}))
    monkeypatch.setattr(limits, "_addresses", made._addresses)
    return world


def test_every_route_is_in_the_document_and_nothing_else(world, described):
    routes = {
        (re.sub(r":\w+}", "}", route.path), method.lower())
        for route in world.client.app.routes
        for method in route.methods - {"HEAD"}
    }
    told = {(path, method) for path, operations in described["paths"].items() for method in operations}
    assert told == routes


def test_every_operation_says_what_it_does_and_has_a_name_of_its_own(described):
    operations = [each for path in described["paths"].values() for each in path.values()]
    assert [each["operationId"] for each in operations if not each["summary"].strip()] == []
    assert len({each["operationId"] for each in operations}) == len(operations)


def test_what_is_told_of_forms_and_queries_belongs_to_routes_that_exist(described):
    assert set(FORMS) | set(QUERIES) <= set(described["paths"])


def test_it_is_an_openapi_document_with_valid_schemas(described):
    assert described["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(described).validate()
    for path in described["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                OAS31Validator.check_schema(parameter["schema"])


def test_the_document_names_no_address_no_key_and_no_file(described):
    text = str(described)
    assert not any(word in text for word in ("http://", "https://", ".py", "lfk_", "secret"))


def _operations():
    """Of an application that is never started: only its routes are looked at."""
    config = settings_for_tests(Path("/nonexistent"))
    app = create_app(config, db=Database("postgresql://nobody@127.0.0.1:1/none"))
    schema = schemathesis.openapi.from_dict(document(app.routes))
    return [found.ok() for found in schema.get_all_operations()]


@pytest.mark.parametrize("operation", _operations(), ids=lambda each: each.label)
def test_made_up_requests_are_answered_as_the_document_says(unhurried, operation):
    world = unhurried
    described = set(operation.definition.raw["responses"])

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EACH,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def run(case):
        sent = case.as_transport_kwargs(base_url="http://testserver")
        parts = {
            name: sent[name] for name in ("params", "headers", "cookies", "data", "json", "content") if sent.get(name)
        }
        answer = world.client.request(sent["method"], sent["url"], follow_redirects=False, **parts)
        assert str(answer.status_code) in described
        assert answer.status_code < 500 or answer.status_code == 503
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "Traceback" not in answer.text

    run()
