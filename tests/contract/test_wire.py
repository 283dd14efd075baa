"""Every endpoint of every client, at every status: what it sends, what it makes of the answer, and the printed table.

Both directions are held against the vendors' descriptions: the requests as our clients write them, the answers as read.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime as dt
import functools
import gzip
import inspect
import json
import random
import threading
import time
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Router

from leadfactory.clock import Clock
from leadfactory.d00_gateway import tables
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.openai import OpenAIClient
from leadfactory.d00_gateway.pagespeed import PagespeedClient
from leadfactory.d00_gateway.places import Box, PlacesClient
from leadfactory.d00_gateway.policies import Policies, Rates
from leadfactory.d00_gateway.sendgrid import Mail, SendGridClient
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d00_gateway.yelp import YelpClient
from leadfactory.database import Database
from leadfactory.settings import Settings
from sandbox.vendors import openai, pagespeed, places, sendgrid, stripe, yelp
from sandbox.world.seeded import SeededWorld
from tests.contract.judge import WIRE, Case, Spec

CLOCK = Clock(start=dt.datetime(2026, 11, 24, 15, tzinfo=dt.UTC))
SANDBOX = {
    "yelp": yelp,
    "places": places,
    "openai": openai,
    "sendgrid": sendgrid,
    "stripe": stripe,
    "pagespeed": pagespeed,
}
CLIENTS = {"yelp": YelpClient, "places": PlacesClient, "openai": OpenAIClient, "sendgrid": SendGridClient,
           "stripe": StripeClient, "pagespeed": PagespeedClient}  # fmt: skip
STRIPE, OPENAI = "stripe/openapi-2026-10-28.sdk16-derived.json", "openai/openapi.json"


@functools.cache
def _a_page() -> str:
    """The first page of the seeded world that answers."""
    world = SeededWorld("demo")
    sites = ((b.host, world.site(b.host)) for b in world.within("10001", "restaurant") if b.host)
    return next(
        f"https://{host}/" for host, site in sites if site is not None and site.behaviour == "ok" and not site.defects
    )


AREA = Box(40.74, -74.01, 40.76, -73.98)
SINCE = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)


class Verdict(BaseModel):
    """What the model is asked for."""

    hook: str


def a_mail() -> Mail:
    return Mail(
        send_id=uuid.UUID(int=7), to_email="owner@cafe-zoe.example", to_name="Zoë", from_email="hello@leadfactory.example",
        from_name="Lead Factory", reply_to="hello@leadfactory.example", subject="Café Zoë's website", text="Hello", html="<p>Hello",
        headers={"List-Unsubscribe": "<https://leads.example/u/1>"}, custom_args={"send_id": str(uuid.UUID(int=7))},
        categories=("outreach",),
    )  # fmt: skip


async def checkout(client: Any) -> Any:
    return await client.create_checkout(
        amount_cents=19900, currency="usd", product_name="Website audit", metadata={"order_id": "7"}, idempotency_key="k-7",
        success_url="https://leads.example/ok", cancel_url="https://leads.example/no", customer_email="zoe@cafe.example",
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One call of one client and where the vendor describes it; an empty ``template`` has no description."""

    vendor: str
    call: Callable[[Any], Awaitable[Any]]
    method: str
    template: str
    spec: str
    done: int = 200
    error_schema: str = ""


ENDPOINTS = {
    "yelp search": Endpoint(
        "yelp", lambda c: c.search(location="10001", categories="pizza,italian", limit=20, price="1,2", radius_m=2000),
        "GET", "/v3/businesses/search", "yelp/places-v3.json",
    ),
    "yelp details": Endpoint(
        "yelp", lambda c: c.details(c.known["yelp"]), "GET", "/v3/businesses/{business_id_or_alias}", "yelp/places-v3.json"
    ),
    "places search": Endpoint(
        "places", lambda c: c.search_text("Pizza House 7", latitude=40.75, longitude=-73.99), "POST", "/v1/places:searchText",
        "google/places.v1.openapi-derived.json",
    ),
    "places ids": Endpoint(
        "places", lambda c: c.search_ids("Pizza House 7", latitude=40.75, longitude=-73.99), "POST", "/v1/places:searchText",
        "google/places.v1.openapi-derived.json",
    ),
    "places area": Endpoint(
        "places", lambda c: c.search_area("restaurants", AREA, included_type="restaurant"), "POST", "/v1/places:searchText",
        "google/places.v1.openapi-derived.json",
    ),
    "places details": Endpoint(
        "places", lambda c: c.details(c.known["place"]), "GET", "/v1/places/{placesId}", "google/places.v1.openapi-derived.json"
    ),
    "pagespeed run": Endpoint(
        "pagespeed", lambda c: c.run(_a_page()), "GET", "/pagespeedonline/v5/runPagespeed",
        "google/pagespeedonline.v5.openapi-derived.json",
    ),
    "openai parse": Endpoint(
        "openai", lambda c: c.parse(instructions="Judge.", input_text="speed 31", schema=Verdict, max_output_tokens=200),
        "POST", "/responses", OPENAI, error_schema="#/components/schemas/ErrorResponse",
    ),
    "openai ping": Endpoint("openai", lambda c: c.ping(), "GET", "/models", OPENAI, error_schema="#/components/schemas/ErrorResponse"),
    "sendgrid send": Endpoint(
        "sendgrid", lambda c: c.send(a_mail()), "POST", "/v3/mail/send", "sendgrid/mail_v3.json", 202,
        "#/components/schemas/ErrorResponse",
    ),
    "sendgrid ping": Endpoint("sendgrid", lambda c: c.ping(), "GET", "", ""),
    "sendgrid suppressed": Endpoint("sendgrid", lambda c: c.suppressed("bounces", since=SINCE), "GET", "", ""),
    "stripe checkout": Endpoint("stripe", checkout, "POST", "/v1/checkout/sessions", STRIPE),
    "stripe retrieve": Endpoint(
        "stripe", lambda c: c.retrieve_checkout(c.known["session"]), "GET", "/v1/checkout/sessions/{session}", STRIPE
    ),
    "stripe refund": Endpoint(
        "stripe", lambda c: c.refund(payment_intent=c.known["payment_intent"], amount_cents=500, idempotency_key="r-7"),
        "POST", "/v1/refunds", STRIPE,
    ),
    "stripe checkouts": Endpoint("stripe", lambda c: c.checkouts(since=SINCE), "GET", "/v1/checkout/sessions", STRIPE),
    "stripe refunds": Endpoint("stripe", lambda c: c.refunds(since=SINCE), "GET", "/v1/refunds", STRIPE),
    "stripe events": Endpoint(
        "stripe", lambda c: c.events(since=SINCE, kinds=("checkout.session.completed", "charge.refunded")), "GET", "/v1/events", STRIPE
    ),
    "stripe balance": Endpoint("stripe", lambda c: c.balance(), "GET", "/v1/balance", STRIPE),
}  # fmt: skip


@dataclasses.dataclass
class Wire:
    """The sandbox's vendors on a port, every exchange kept; ``script`` answers instead of them."""

    base_url: str = ""
    script: Response | None = None
    seen: list[tuple[str, str, str, dict[str, str], bytes, int, bytes]] = dataclasses.field(default_factory=list)

    def app(self, state: Any) -> Any:
        everything = Router(routes=[Mount(f"/{name}", routes=module.routes(state)) for name, module in SANDBOX.items()])

        async def app(scope: Any, receive: Any, send: Any) -> None:
            asked, answered, status = bytearray(), bytearray(), 0

            async def reading() -> Any:
                message = await receive()
                asked.extend(message.get("body", b""))
                return message

            async def writing(message: Any) -> None:
                nonlocal status
                status = message.get("status", status)
                answered.extend(message.get("body", b""))
                await send(message)

            if self.script is None:
                await everything(scope, reading, writing)
            else:
                while (await reading()).get("more_body"):
                    pass
                await self.script(scope, reading, writing)
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            line = (scope["method"], scope["path"], scope["query_string"].decode(), headers)
            self.seen.append((*line, bytes(asked), status, bytes(answered)))

        return app


@pytest.fixture
def wire(state: Any) -> Iterator[Wire]:
    """All vendors on a real port."""
    state.world = SeededWorld("demo")
    state.keys = {
        "yelp": "sandbox-yelp-key", "places": "sandbox-google-key", "pagespeed": "sandbox-google-key", "openai": "sandbox-openai-key",
        "sendgrid": "SG.sandbox-sendgrid-key", "stripe": "sk_test_sandbox",
    }  # fmt: skip
    found = Wire()
    server = uvicorn.Server(uvicorn.Config(found.app(state), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    found.base_url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield found
    server.should_exit = True
    thread.join()


@pytest.fixture
def client_of(wire: Wire, database: Database) -> Callable[[str], Any]:
    """A vendor's client as production makes it; it waits milliseconds between attempts. ``changes`` are the policy's."""

    def make(vendor: str, *, attempts: int = 0, **changes: object) -> Any:
        settings = Settings(env="test", sandbox_url=wire.base_url, clock_spec="")
        policies = Policies.for_settings(settings)
        policy = policies.vendors[vendor]
        soon = {"base_s": 0.001, "cap_s": 0.002, "attempts": attempts or policy.retry.attempts}
        changed = policy.model_copy(update={"retry": policy.retry.model_copy(update=soon), **changes})
        vendors = policies.model_copy(update={"vendors": {**policies.vendors, vendor: changed}})
        return CLIENTS[vendor](Gateway(database, clock=CLOCK, settings=settings, policies=vendors), settings)

    return make


def refusal(vendor: str, status: int, kind: str = "") -> Any:
    """What ``vendor`` answers with ``status``: the sandbox's own words, or its envelope around the status."""
    module = SANDBOX[vendor]
    if status >= 500 or status == 429 or vendor == "sendgrid" or (vendor, status) in {("stripe", 409), ("places", 403)}:
        found = module.fault_response(status, kind)
        found.headers["retry-after"] = "0"
        return found
    if vendor == "yelp":
        if status != 400:
            return module.fault_response(status, kind)
        return module.error(400, "VALIDATION_ERROR", "not a place", field="location", instance="x")
    if vendor in ("places", "pagespeed"):
        error: dict[str, Any] = {"code": status, "message": "refused", "status": "INVALID_ARGUMENT"}
        if kind:
            error["details"] = [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": kind, "domain": "googleapis.com"}
            ]
        return JSONResponse({"error": error}, status)
    error = {"message": "refused", "type": "invalid_request_error"}
    return JSONResponse({"error": error | ({"param": None, "code": None} if vendor == "openai" else {})}, status)


async def outcome(client: Any, endpoint: Endpoint) -> tuple[str, str]:
    """(ok | unavailable | rejected, reason) of one call through the client; any other exception is the test's failure."""
    async with client.gateway.running():
        try:
            await endpoint.call(client)
        except VendorUnavailable as error:
            return "unavailable", error.reason
        except VendorRejected as error:
            return "rejected", error.reason
    return "ok", ""


def ledger(database: Database) -> list[sa.Row[Any]]:
    with database.begin() as tx:
        rows = sa.select(tables.vendor_calls).order_by(tables.vendor_calls.c.started_at, tables.vendor_calls.c.attempt)
        return list(tx.execute(rows))


def prepared(client: Any, endpoint: Endpoint, wire: Wire) -> None:
    """Gives the client the ids that its call names: they exist at the vendor."""
    world = SeededWorld("demo")
    listings = world.listings(
        location="10001",
        latitude=None,
        longitude=None,
        radius_m=None,
        categories=frozenset({"pizza"}),
        term=None,
        prices=None,
    )
    client.known = {"yelp": listings[0].yelp_id, "session": "cs_test_none", "payment_intent": "pi_none"}
    if endpoint.vendor == "places":
        box = (AREA.south, AREA.west, AREA.north, AREA.east)
        client.known["place"] = world.places_of("restaurant", *box)[0].place_id
    if endpoint.vendor == "stripe":
        line = {
            "quantity": 1,
            "price_data": {"currency": "usd", "unit_amount": 19900, "product_data": {"name": "Audit"}},
        }
        order = _flat({"mode": "payment", "success_url": "https://x.example/", "line_items": [line]})
        at, key = f"{wire.base_url}/stripe", {"Authorization": "Bearer sk_test_sandbox"}
        client.known["session"] = httpx.post(f"{at}/v1/checkout/sessions", headers=key, data=order).json()["id"]
        httpx.post(f"{at}/pay/{client.known['session']}", data={"email": "zoe@cafe.example", "card": "4242"})
        paid = httpx.get(f"{at}/v1/checkout/sessions/{client.known['session']}", headers=key).json()
        client.known["payment_intent"] = paid["payment_intent"]
        wire.seen.clear()


def _flat(tree: Any, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        name = f"{prefix}[{key}]" if prefix else str(key)
        found |= _flat(value, name) if isinstance(value, dict | list) else {name: str(value)}
    return found


def _nested(pairs: list[tuple[str, str]]) -> Any:
    """A form's bracketed names as the object they spell; names of digits become lists."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        *path, last = name.replace("]", "").split("[")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        at[last] = value

    def listed(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        inner = {key: listed(value) for key, value in node.items()}
        return list(inner.values()) if inner and all(key.isdigit() for key in inner) else inner

    return listed(tree)


def _typed(spec: Spec, schema: dict[str, Any], value: Any) -> Any:
    """``value``, which came as text, in the types that the description gives it."""
    schema = spec.resolved(schema)
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        value = _typed(spec, option, value)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return {key: _typed(spec, known.get(key, {}), each) for key, each in value.items()}
    if isinstance(value, list):
        return [_typed(spec, schema.get("items", {}), each) for each in value]
    if schema.get("type") == "array" and isinstance(value, str):
        return [_typed(spec, schema.get("items", {}), each) for each in value.split(",")]
    if schema.get("type") in ("integer", "number") and isinstance(value, str):
        return float(value) if "." in value else int(value)
    return value


def sent_case(spec: Spec, endpoint: Endpoint, exchange: Any) -> Case:
    """What our client wrote on the wire, as a case that the description can judge."""
    _, _, query_string, headers, body, status, _ = exchange
    operation = spec.operation(endpoint.method, endpoint.template)
    described = {
        p["name"]: p["schema"] for p in map(spec.resolved, operation.get("parameters", [])) if p["in"] == "query"
    }
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded") and body:
        form = _nested(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        schema = spec.resolved(operation["requestBody"])["content"]["application/x-www-form-urlencoded"]["schema"]
        return _case(endpoint, status, form=_typed(spec, schema, form))
    query: dict[str, Any] = {}
    for name, values in urllib.parse.parse_qs(query_string, keep_blank_values=True).items():
        name = name.split("[")[0]
        is_list = spec.resolved(described.get(name, {})).get("type") == "array"
        query[name] = _typed(spec, described.get(name, {}), values if is_list and len(values) > 1 else values[0])
        query[name] = [query[name]] if is_list and not isinstance(query[name], list) else query[name]
    return _case(endpoint, status, query=query, json=json.loads(body) if body else None)


def _case(endpoint: Endpoint, status: int, **sent: Any) -> Case:
    return Case(
        "", endpoint.method, endpoint.template, status, spec=endpoint.spec, error_schema=endpoint.error_schema, **sent
    )


AGAIN, NEVER = "unavailable", "rejected"
# (endpoint's vendor, status, kind) -> what the client makes of it and whether it asks again by itself.
MEANING: dict[int, tuple[str, str, bool]] = {
    400: (NEVER, "bad_request", False), 401: (AGAIN, "invalid_key", False), 402: (NEVER, "payment_required", False),
    403: (AGAIN, "forbidden", False), 404: (NEVER, "not_found", False), 405: (NEVER, "bad_request", False),
    409: (NEVER, "conflict", False), 413: (NEVER, "too_large", False), 415: (NEVER, "bad_request", False),
    429: (AGAIN, "too_many_requests", True), 500: (AGAIN, "server_error", True), 503: (AGAIN, "server_error", True),
}  # fmt: skip
SPECIAL = {
    ("stripe", 409, ""): (AGAIN, "conflict", True),
    ("yelp", 429, "daily"): (AGAIN, "daily_limit", False),
    ("places", 429, "daily"): (AGAIN, "daily_limit", False),
    ("pagespeed", 429, "daily"): (AGAIN, "daily_limit", False),
    ("openai", 429, "insufficient_quota"): (AGAIN, "insufficient_quota", False),
    ("places", 400, "API_KEY_INVALID"): (AGAIN, "invalid_key", False),
    ("pagespeed", 400, "API_KEY_INVALID"): (AGAIN, "invalid_key", False),
}
STATUSES = {
    "yelp": (400, 401, 403, 404, 413, 429, 500, 503), "places": (400, 401, 403, 404, 429, 500, 503),
    "pagespeed": (400, 403, 429, 500, 503), "openai": (400, 401, 403, 404, 409, 429, 500, 503),
    "sendgrid": (400, 401, 403, 404, 405, 413, 415, 429, 500, 503), "stripe": (400, 401, 402, 403, 404, 409, 429, 500, 503),
}  # fmt: skip
CELLS = [
    (name, status, kind)
    for name, endpoint in ENDPOINTS.items()
    for status in STATUSES[endpoint.vendor]
    for kind in ("", *(kind for vendor, code, kind in SPECIAL if (vendor, code) == (endpoint.vendor, status) and kind))
]
ONCE_ONLY = "sendgrid send"  # nothing tells whether a mail was taken, so it is never handed over twice
# A permit of a day's rate is good for the whole lease (20 s): on a busy machine one of a second's would lapse unused, rightly.
BY_THE_DAY = Rates(day=100_000)
LIVELY = {"breaker": None, "caches": False, "attempts": 1}


@pytest.mark.parametrize("name", ENDPOINTS)
async def test_what_a_client_sends_and_gets_is_what_the_vendor_describes(name, wire, client_of, database, specs):
    endpoint = ENDPOINTS[name]
    client = client_of(endpoint.vendor, rates=BY_THE_DAY)
    prepared(client, endpoint, wire)
    assert await outcome(client, endpoint) == ("ok", "")
    assert [(row.status, row.http_status, row.reason) for row in ledger(database)] == [("ok", endpoint.done, None)]
    [exchange] = wire.seen
    WIRE[name][str(exchange[5])] = "ok"
    if endpoint.template:
        spec = specs(endpoint.spec)
        case = sent_case(spec, endpoint, exchange)
        assert spec.request_problems(case) == []
        assert spec.response_problems(case, exchange[6]) == []


@pytest.mark.parametrize(("name", "status", "kind"), CELLS, ids=[f"{n}-{s}{k and '-' + k}" for n, s, k in CELLS])
async def test_a_refusal_has_one_meaning_in_the_client_and_in_the_ledger(
    name, status, kind, wire, client_of, database, specs
):
    endpoint = ENDPOINTS[name]
    client = client_of(endpoint.vendor, rates=BY_THE_DAY)
    prepared(client, endpoint, wire)
    wire.script = refusal(endpoint.vendor, status, kind)
    verdict, reason, again = SPECIAL.get((endpoint.vendor, status, kind), MEANING[status])
    told = await outcome(client, endpoint)
    rows = ledger(database)
    assert told[0] == verdict
    assert {(row.status, row.http_status, row.reason) for row in rows} == {(verdict, status, reason)}
    # one that may be repeated is; how often is the policy's to say
    assert (len(wire.seen) > 1) == (again and name != ONCE_ONLY and "rate_limited" not in told)
    assert len(rows) == len(wire.seen)
    WIRE[name][f"{status} {kind}".strip()] = f"{reason}{' (again)' if len(rows) > 1 else ''}"
    if endpoint.template:
        spec, body = specs(endpoint.spec), wire.seen[0][6]
        described = spec.operation(endpoint.method, endpoint.template)["responses"]
        if str(status) in described or "default" in described or endpoint.error_schema:
            case = dataclasses.replace(_case(endpoint, status), undocumented=bool(endpoint.error_schema))
            assert spec.response_problems(case, body) == []


# A key check that takes an error for an answer has meanings of its own: each client's unit tests hold them.
ASKS_AS_ANOTHER = {("yelp", "ping"), ("places", "ping"), ("pagespeed", "ping"), ("stripe", "ping")}


@dataclasses.dataclass
class Named:
    """A client that only notes which of its calls was made."""

    known: dict[str, str] = dataclasses.field(default_factory=lambda: collections.defaultdict(str))
    made: list[str] = dataclasses.field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[None]]:
        async def call(*_: Any, **__: Any) -> None:
            self.made.append(name)

        return call


@pytest.mark.parametrize("vendor", CLIENTS)
async def test_every_call_of_a_client_is_in_the_table(vendor):
    client = Named()
    for endpoint in ENDPOINTS.values():
        if endpoint.vendor == vendor:
            await endpoint.call(client)
    calls = {
        name
        for name, member in vars(CLIENTS[vendor]).items()
        if not name.startswith("_") and inspect.iscoroutinefunction(member)
    }
    assert calls - set(client.made) == {name for of, name in ASKS_AS_ANOTHER if of == vendor}


@pytest.mark.parametrize("name", [name for name, endpoint in ENDPOINTS.items() if endpoint.template])
def test_every_described_status_is_in_the_table(name, specs):
    endpoint = ENDPOINTS[name]
    described = {
        int(code)
        for code in specs(endpoint.spec).operation(endpoint.method, endpoint.template)["responses"]
        if code.isdigit()
    }
    assert described - {endpoint.done, *STATUSES[endpoint.vendor]} == set()


async def _megabytes() -> AsyncIterator[bytes]:
    yield b'{"a": "'
    for _ in range(50):
        yield b"x" * 2**20
    yield b'"}'


async def _drip() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.02)


async def _bomb() -> AsyncIterator[bytes]:
    yield gzip.compress(b'{"a": "' + b"0" * (200 * 2**20), compresslevel=1)


async def _not_gzip() -> AsyncIterator[bytes]:
    yield b'{"a": 1}'


HOSTILE = {
    "50 MB": (_megabytes, {}, "answer_too_large"),
    "a bomb of zeros": (_bomb, {"content-encoding": "gzip"}, "answer_too_large"),
    "a slow drip": (_drip, {}, "timeout"),
    "said to be compressed": (_not_gzip, {"content-encoding": "gzip"}, "malformed_answer"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", ["yelp search", "openai parse", "sendgrid ping", "stripe checkout"])
async def test_an_answer_without_measure_is_given_up_with_its_reason(name, kind, wire, client_of, database):
    make, headers, reason = HOSTILE[kind]
    endpoint = ENDPOINTS[name]
    client = client_of(endpoint.vendor, timeout_s=0.5 if reason == "timeout" else 20.0, **LIVELY)
    wire.script = StreamingResponse(make(), 200, headers, "application/json")
    assert await outcome(client, endpoint) == ("unavailable", reason)
    # the vendor had the request and may have acted on it: what it cost is the worst case
    assert [(row.status, row.reason) for row in ledger(database)] == [("unknown", reason)]


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every field of an answer; of a list, to the fields of its first item."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*at, key)
        yield from paths(each, (*at, key))


def changed(answer: Any, path: tuple[Any, ...], how: str) -> Any:
    """A copy of ``answer`` with one field gone, null, of another kind or of a value nobody has heard of."""
    copy = json.loads(json.dumps(answer))
    at = copy
    for key in path[:-1]:
        at = at[key]
    if how == "gone":
        del at[path[-1]]
    else:
        at[path[-1]] = {
            "null": None,
            "unknown": "SOMETHING_NEW",
            "another kind": {"x": [1]},
            "huge": 10**400,
            "large": 2**40,
        }[how]
    return copy


# What may be said of an answer that is not what was described.
SAID = {"malformed_answer", "invalid_output", "incomplete", "refusal", "missing_scope", "response_unknown"}


@pytest.mark.parametrize("name", [name for name in ENDPOINTS if name != ONCE_ONLY])
async def test_a_field_that_is_gone_null_or_new_is_taken_or_refused_but_never_trips_us(name, wire, client_of, database):
    endpoint = ENDPOINTS[name]
    client = client_of(endpoint.vendor, **LIVELY)
    prepared(client, endpoint, wire)
    assert await outcome(client, endpoint) == ("ok", "")
    answer = json.loads(wire.seen[-1][6])
    cases = [
        (path, how) for path in paths(answer) for how in ("gone", "null", "unknown", "another kind", "huge", "large")
    ]
    random.Random(name).shuffle(cases)
    told: dict[str, int] = {}
    for path, how in cases[:40]:
        wire.script = JSONResponse(changed(answer, path, how))
        verdict, reason = await outcome(client, endpoint)
        told[verdict] = told.get(verdict, 0) + 1
        assert verdict == "ok" or reason in SAID, (path, how, reason)
    rows = [row for row in ledger(database) if row.status != "not_sent"]  # permits that lapsed on a busy machine
    assert len(rows) == 1 + len(cases[:40])
    assert all((row.status == "ok") == (row.reason is None) for row in rows)
