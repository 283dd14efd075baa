"""What judges a contract test: one case, one spec document, and the table of what was exercised."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT = Path(__file__).parents[2]
SPECS = Path(os.environ.get("VENDOR_SPECS", ROOT.parent / "shared" / "vendor-specs"))
WIRE: dict[str, dict[str, str]] = collections.defaultdict(
    dict
)  # client's endpoint -> status -> what the client made of it
COVERAGE: dict[tuple[str, str, int], set[str]] = collections.defaultdict(set)


@dataclasses.dataclass(frozen=True)
class Case:
    """One cell of the table: a request to an endpoint and the status it must get.

    ``template`` is the spec's path, ``path`` the one called. ``lawful`` requests must satisfy the spec. ``before`` changes
    the sandbox first; ``fault`` is (status, kind) of an injected fault. ``error_schema`` judges a status the spec is silent on.
    """

    name: str
    method: str
    template: str
    status: int
    path: str = ""
    query: dict[str, Any] = dataclasses.field(default_factory=dict)
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    json: Any = None
    form: dict[str, Any] | None = None
    lawful: bool = True
    fault: tuple[int, str] | None = None
    before: Callable[[Any], Any] | None = None
    spec: str = ""
    error_schema: str = ""
    undocumented: bool = False

    @property
    def cell(self) -> tuple[str, int]:
        return f"{self.method} {self.template}", self.status


class Spec:
    """One OpenAPI document, asked about requests and answers."""

    def __init__(self, file: str, validator: type = OAS31Validator) -> None:
        if not SPECS.is_dir():
            pytest.skip("vendor specs not present")
        self.document = json.loads((SPECS / file).read_text())
        resource = Resource(contents=self.document, specification=DRAFT202012)
        self._registry: Registry = Registry().with_resource("urn:spec", resource)
        self._validator = validator

    def resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/")]
            node = target
        return node

    def operation(self, method: str, template: str) -> dict[str, Any]:
        return self.document["paths"][template][method.lower()]

    def problems(self, schema: dict[str, Any], value: Any) -> list[str]:
        """What of ``value`` breaks ``schema``, as ``path: message``."""
        based = {"allOf": [_based(schema)]}
        errors = self._validator(based, registry=self._registry).iter_errors(value)
        return [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in errors]

    def request_problems(self, case: Case) -> list[str]:
        operation = self.operation(case.method, case.template)
        parameters = [self.resolved(p) for p in operation.get("parameters", [])]
        known = {p["name"]: p for p in parameters if p["in"] == "query"}
        found = [f"unknown query parameter {name}" for name in case.query if name not in known]
        for name, value in case.query.items():
            if name in known:
                found += [f"{name}: {p}" for p in self.problems(known[name]["schema"], value)]
        found += [f"missing {name}" for name, p in known.items() if p.get("required") and name not in case.query]
        sent = case.form if case.form is not None else case.json
        if sent is not None:
            content = self.resolved(operation["requestBody"])["content"]
            kind = "application/x-www-form-urlencoded" if case.form is not None else "application/json"
            found += self.problems(content[kind]["schema"], sent)
        return found

    def response_problems(self, case: Case, body: bytes) -> list[str]:
        responses = self.operation(case.method, case.template)["responses"]
        documented = responses.get(str(case.status)) or responses.get("default")
        if documented is None or case.undocumented:
            assert case.error_schema, f"{case.cell} is not documented and has no error schema"
            return self.problems({"$ref": case.error_schema}, json.loads(body))
        content = self.resolved(documented).get("content")
        if not content:
            return [] if not body else [f"a body where the spec has none: {body[:80]!r}"]
        return self.problems(content["application/json"]["schema"], json.loads(body))


def _based(node: Any) -> Any:
    """The schema with its references made absolute, so that they are found from outside the document."""
    if isinstance(node, dict):
        return {k: f"urn:spec{v}" if k == "$ref" and str(v).startswith("#") else _based(v) for k, v in node.items()}
    return [_based(item) for item in node] if isinstance(node, list) else node
