"""What the contract tests share: the vendors' published specs, a small world, one app a vendor, and the coverage table.

Specs are read from ``VENDOR_SPECS`` (default: beside the repository); a clone without them skips what needs them.
"""

from __future__ import annotations

import datetime as dt
import importlib
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from openapi_schema_validator import OAS30Validator, OAS31Validator
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from sandbox.faults import Faults
from tests.contract.judge import COVERAGE, SPECS, WIRE, Case, Spec
from tests.contract.town import Town

VENDORS = ("yelp", "places", "openai", "sendgrid", "stripe")
ENHANCED = "sandbox-yelp-enhanced-key"
NOON = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)


class Accepted(list):
    """The truth log as the vendors write it: rows of (vendor, kind, id, fields)."""

    def accepted(self, vendor: str, kind: str, vendor_id: str, **fields: object) -> None:
        self.append((vendor, kind, vendor_id, fields))

    def of(self, vendor: str, kind: str) -> list[tuple[str, dict[str, Any]]]:
        return [(row[2], row[3]) for row in self if row[:2] == (vendor, kind)]


def _app(state: Any) -> Starlette:
    """All vendors under their prefixes, with the answer to ``options['fault']`` (status, kind) in front."""
    modules = {name: importlib.import_module(f"sandbox.vendors.{name}") for name in VENDORS}
    inner = Starlette(routes=[Mount(f"/{name}", routes=module.routes(state)) for name, module in modules.items()])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        fault = state.options.get("fault")
        if fault and scope["type"] == "http":
            vendor = scope["path"].split("/")[1]
            await modules[vendor].fault_response(*fault)(scope, receive, send)
        else:
            await inner(scope, receive, send)

    return app  # type: ignore[return-value]


@pytest.fixture
def state() -> Any:
    """A sandbox's state over the town, at a fixed hour."""
    keys = {name: {f"sandbox-{name}-key"} for name in VENDORS}
    keys["yelp"].add(ENHANCED)
    return types.SimpleNamespace(
        faults=Faults(),
        world=Town(),
        truth=Accepted(),
        keys=keys,
        options={},
        clock=types.SimpleNamespace(now=lambda: NOON),
    )


@pytest.fixture
def http(state: Any) -> TestClient:
    """All vendors, in process."""
    return TestClient(_app(state), follow_redirects=False)


@pytest.fixture
def base_url(state: Any) -> Iterator[str]:
    """All vendors on a real port, for the official SDKs."""
    server = uvicorn.Server(uvicorn.Config(_app(state), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def specs_root() -> Path:
    """The folder of the specs."""
    return SPECS


@pytest.fixture(scope="session")
def specs() -> Callable[[str], Spec]:
    """A spec by its file; each is read once."""
    loaded: dict[str, Spec] = {}

    def get(file: str) -> Spec:
        if file not in loaded:
            # SendGrid's and Stripe's documents say `nullable`, which only the 3.0 dialect knows.
            old = file.startswith(("sendgrid", "stripe", "google"))
            loaded[file] = Spec(file, OAS30Validator if old else OAS31Validator)
        return loaded[file]

    return get


@pytest.fixture
def exercise(state: Any, http: TestClient, specs: Callable[[str], Spec]) -> Callable[[str, Case, str], Any]:
    """Send a case and hold request and answer against the spec; returns the answer."""

    def run(vendor: str, case: Case, list_style: str = "bracket") -> Any:
        spec = specs(case.spec)
        if case.lawful:
            assert spec.request_problems(case) == []
        made = case.before(http) if case.before else None
        path = (case.path or case.template).format(made=made)
        if case.fault:
            state.options["fault"] = case.fault
        form = _filled(case.form, made)
        response = http.request(
            case.method, f"/{vendor}{path}", params=_flat(case.query, list_style), headers=case.headers,
            **({"json": case.json} if case.json is not None else {"data": _flat(form, list_style)} if form else {}),
        )  # fmt: skip
        assert response.status_code == case.status, response.text
        assert spec.response_problems(case, response.content) == []
        COVERAGE[vendor, *case.cell] |= _fields(response.json()) if response.content else {"(no body)"}
        return response

    return run


@pytest.fixture(name="Case")
def case_class() -> type[Case]:
    """The Case class, for tests that make one on the spot."""
    return Case


def _filled(form: Any, made: Any) -> Any:
    if isinstance(form, dict):
        return {k: _filled(v, made) for k, v in form.items()}
    return form.format(made=made) if isinstance(form, str) and form == "{made}" else form


def _flat(tree: Any, style: str, prefix: str = "") -> dict[str, str]:
    """Parameters as they are written in a form: brackets for nesting, or commas for Yelp's lists."""
    out: dict[str, str] = {}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree or [])
    for key, value in items:
        name = f"{prefix}[{key}]" if prefix else str(key)
        if isinstance(value, dict) or (isinstance(value, list) and style == "bracket"):
            out |= _flat(value, style, name)
        elif isinstance(value, list):
            out[name] = ",".join(map(str, value))
        else:
            out[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return out


def _fields(value: Any, prefix: str = "") -> set[str]:
    if isinstance(value, dict):
        return {f for k, v in value.items() for f in {f"{prefix}{k}"} | _fields(v, f"{prefix}{k}.")}
    return {f for item in value for f in _fields(item, prefix)} if isinstance(value, list) else set()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The coverage table: every vendor's endpoint, status and number of answer fields that were exercised."""
    if not COVERAGE:
        return
    terminalreporter.section("vendor contract coverage")
    for (vendor, endpoint, status), fields in sorted(COVERAGE.items()):
        terminalreporter.write_line(f"{vendor:9} {endpoint:62} {status}  {len(fields):4} fields")
    terminalreporter.section("what the clients make of every status")
    for name, statuses in WIRE.items():
        terminalreporter.write_line(
            f"{name:16} " + " · ".join(f"{code} {meaning}" for code, meaning in sorted(statuses.items()))
        )
