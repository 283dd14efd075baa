"""The gate: limits by address and key, sizes and times, one line per request, one answer to every fault, headers on all of them."""

from __future__ import annotations

import asyncio
import logging

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from edge import auth
from edge.headers import HEADERS
from edge.limits import Buckets, Limits
from leadfactory.d09_delivery.tables import suppressions
from leadfactory.edge_rules import Rate, rules

OUTSIDE = ("203.0.113.9", 5000)
TRACE = "Traceback"


@pytest.fixture
def outside(world):
    """A client from the internet; errors are answers to it."""
    return TestClient(world.client.app, client=OUTSIDE, raise_server_exceptions=False)


@pytest.fixture
def squeeze(world, monkeypatch):
    """Puts other limits in force in the running edge."""

    def put(**changes):
        limits = world.client.app.state.limits
        made = Limits(limits.config.model_copy(update=changes), clock=lambda: 0.0)
        for name in ("config", "_addresses", "_stops", "_keys"):
            monkeypatch.setattr(limits, name, getattr(made, name))

    return put


@pytest.fixture
def extra(world):
    """A route of the test's own."""
    routes, mine = world.client.app.router.routes, []

    def put(path, handler, methods=("GET",)):
        mine.append(Route(path, handler, methods=list(methods)))
        routes.insert(0, mine[-1])

    yield put
    for route in mine:
        routes.remove(route)


@pytest.fixture
def lines(caplog):
    """The access log so far: (method, route, status)."""
    caplog.set_level(logging.INFO, "leadfactory.access")
    return lambda: [
        (r.facts["method"], r.facts["route"], r.facts["status"])
        for r in caplog.records
        if r.name == "leadfactory.access"
    ]


def boom(request: Request) -> PlainTextResponse:
    raise RuntimeError("secret-of-ours")


def test_a_client_that_asks_too_much_is_told_when_to_come_again(outside, squeeze):
    squeeze(address=Rate(burst=3, a_minute=30))
    answers = [outside.get("/terms") for _ in range(5)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].headers["retry-after"] == "2"


def test_one_flood_does_not_keep_others_out(world, outside, squeeze):
    squeeze(address=Rate(burst=1, a_minute=1))
    assert [outside.get("/terms").status_code for _ in range(2)] == [200, 429]
    assert TestClient(world.client.app, client=("203.0.113.10", 1)).get("/terms").status_code == 200


def test_a_header_of_ones_own_makes_nobody_another_client(outside, squeeze):
    squeeze(address=Rate(burst=1, a_minute=1))
    answers = [outside.get("/terms", headers={"x-forwarded-for": f"198.51.100.{n}"}).status_code for n in range(3)]
    assert answers == [200, 429, 429]


def test_a_household_of_ipv6_is_one_client(world, squeeze):
    squeeze(address=Rate(burst=1, a_minute=1))
    app = world.client.app
    answers = [TestClient(app, client=(host, 1)).get("/terms").status_code for host in ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")]  # fmt: skip
    assert answers == [200, 429, 200]


def test_one_click_stops_are_taken_where_pages_no_longer_are(world, outside, squeeze):
    squeeze(address=Rate(burst=1, a_minute=1))
    links = [world.link(world.send(number)[0]) for number in (1, 2, 3)]
    outside.get("/terms")
    assert outside.get("/terms").status_code == 429
    assert [outside.post(link).status_code for link in links] == [200, 200, 200]
    assert len(world.all(suppressions)) >= 3


def test_vendors_and_watchers_are_not_held_up(world, outside, squeeze):
    squeeze(address=Rate(burst=1, a_minute=1))
    send_id, _ = world.send()
    assert {world.post([world.event("delivered", send_id, n)]).status_code for n in range(5)} == {200}
    assert {outside.get("/health").status_code for _ in range(5)} == {200}


def test_this_machine_is_not_held_up_but_its_proxys_clients_are(world, squeeze):
    squeeze(address=Rate(burst=1, a_minute=1))
    local = TestClient(world.client.app, client=("127.0.0.1", 1))
    assert {local.get("/terms").status_code for _ in range(4)} == {200}
    proxied = [local.get("/terms", headers={"x-forwarded-for": "203.0.113.1"}).status_code for _ in range(3)]
    assert proxied == [200, 429, 429]


def test_a_key_has_its_own_share(world, outside, squeeze, extra, key):
    extra("/behind", lambda request: PlainTextResponse(auth.operator(request, "dashboards").name))
    squeeze(key=Rate(burst=2, a_minute=6))
    headers = {"x-api-key": key("dashboards")}
    answers = [outside.get("/behind", headers=headers) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert answers[-1].headers["retry-after"] == "10"


def test_a_bucket_fills_again_in_time():
    now = [0.0]
    buckets = Buckets(Rate(burst=2, a_minute=60), clock=lambda: now[0])
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1]
    now[0] = 1.0
    assert [buckets.take("a") for _ in range(2)] == [0, 1]


def test_a_running_edge_takes_over_a_changed_limit_and_keeps_its_buckets_while_nothing_changed(monkeypatch):
    tight = rules().model_copy(update={"address": Rate(burst=1, a_minute=1)})
    limits = Limits(tight, clock=lambda: 0.0)
    monkeypatch.setattr("edge.limits.rules", lambda: tight)
    assert limits.public("192.0.2.1", stop=False) == 0
    limits.follow()
    assert limits.public("192.0.2.1", stop=False) == 60
    monkeypatch.setattr("edge.limits.rules", lambda: tight.model_copy(update={"address": Rate(burst=2, a_minute=1)}))
    limits.follow()
    assert [limits.public("192.0.2.1", stop=False) for _ in range(3)] == [0, 0, 60]


def test_buckets_of_a_flood_of_addresses_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("edge.limits._REMEMBERED", 100)
    buckets = Buckets(Rate(burst=1, a_minute=1))
    for number in range(1000):
        buckets.take(number)
    assert len(buckets._left) == 100


def test_every_request_has_its_line_with_the_route_and_no_token(world, outside, lines, caplog, squeeze):
    link = world.link(world.send()[0])
    outside.get(link + "?utm=a@b.example")
    outside.get("/u/" + "x" * 60)
    outside.get("/no/such/thing?key=lfk_secret")
    outside.delete("/terms")
    outside.request("BREW", "/terms")
    squeeze(address=Rate(burst=1, a_minute=1))
    outside.get("/terms")
    outside.get("/terms")
    assert lines() == [
        ("GET", "/u/{token}", 200), ("GET", "/u/{token}", 404), ("GET", "unmatched", 404), ("DELETE", "/terms", 405),
        ("other", "/terms", 405), ("GET", "/terms", 200), ("GET", "unmatched", 429),
    ]  # fmt: skip
    told = str([(r.getMessage(), r.facts) for r in caplog.records if r.name == "leadfactory.access"])
    assert not any(secret in told for secret in (link.removeprefix("/u/"), "lfk_secret", "a@b.example", "x" * 60))
    assert "'client': '203.0.113.9'" in told


def test_the_line_names_who_was_let_in(outside, extra, key, lines, caplog):
    extra("/behind", lambda request: PlainTextResponse(auth.operator(request, "dashboards").name))
    outside.get("/behind", headers={"x-api-key": key("dashboards")})
    outside.get("/behind", headers={"x-api-key": "lfk_wrong"})
    assert [r.facts["actor"] for r in caplog.records if r.name == "leadfactory.access"] == ["ana", "-"]


@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*"])
def test_a_fault_of_ours_is_one_sentence_without_a_trace(outside, extra, lines, accept):
    extra("/boom", boom)
    answer = outside.get("/boom", headers={"accept": accept})
    assert answer.status_code == 500
    assert not any(word in answer.text for word in (TRACE, "RuntimeError", "secret-of-ours", ".py"))
    assert ("text/html" in answer.headers["content-type"]) == (accept == "text/html")
    assert lines() == [("GET", "/boom", 500)]


def test_every_answer_has_the_security_headers(world, outside, extra, squeeze):
    extra("/boom", boom)
    squeeze(address=Rate(burst=7, a_minute=1), url_letters=50)
    answers = [
        outside.get("/terms"), outside.get("/no/such"), outside.get("/boom"), outside.put("/terms"), outside.get("/health"),
        outside.post("/webhooks/stripe", content=b"{}"), outside.post("/reports/lost", content=b"x" * 70_000),
        outside.get("/" + "a" * 60), outside.get("/login"), outside.get("/terms"), outside.get("/terms"),
    ]  # fmt: skip
    assert [each.status_code for each in answers] == [200, 404, 500, 405, 200, 401, 413, 414, 200, 200, 429]
    for answer in answers:
        assert {name.lower() for name in HEADERS} <= set(answer.headers)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_body_that_is_too_large_is_refused_unread(outside, extra):
    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    extra("/read", read, ("POST",))
    most = rules().body_bytes
    assert outside.post("/read", content=b"x" * most).text == str(most)
    assert outside.post("/read", content=b"x" * (most + 1)).status_code == 413
    chunks = (b"x" * 10_000 for _ in range(20))  # nothing is announced
    assert outside.post("/read", content=chunks).status_code == 413


async def drive(app, path, receive, *, method="GET"):
    """One request by hand, with a body that comes as ``receive`` says; the status."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": [(b"content-type", b"application/x-www-form-urlencoded")], "client": OUTSIDE,
        "server": ("testserver", 80), "scheme": "http", "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"]


async def test_a_body_that_drips_in_is_not_waited_for(world, squeeze):
    squeeze(body_s=0.2)

    async def drip():
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"e", "more_body": True}

    assert await drive(world.client.app, "/reports/lost", drip, method="POST") == 408


async def test_an_answer_that_does_not_begin_is_not_waited_for(world, squeeze, extra):
    async def stuck(request: Request) -> PlainTextResponse:
        await asyncio.sleep(30)
        return PlainTextResponse("late")

    extra("/stuck", stuck)
    squeeze(answer_s=0.2)

    async def nothing():
        return {"type": "http.request", "body": b"", "more_body": False}

    assert await drive(world.client.app, "/stuck", nothing) == 503


async def test_more_requests_at_once_than_allowed_are_told_to_come_again(world, squeeze, extra):
    squeeze(at_once=2)
    go = asyncio.Event()

    async def wait(request: Request) -> PlainTextResponse:
        await go.wait()
        return PlainTextResponse("done")

    async def nothing():
        return {"type": "http.request", "body": b"", "more_body": False}

    extra("/wait", wait)
    held = [asyncio.ensure_future(drive(world.client.app, "/wait", nothing)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await drive(world.client.app, "/wait", nothing) == 503
    go.set()
    assert await asyncio.gather(*held) == [200, 200]
    assert await drive(world.client.app, "/wait", nothing) == 200
