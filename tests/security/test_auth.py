"""Who is let in: keys, sessions, what ends them, and what a refusal leaves behind."""

from __future__ import annotations

import datetime as dt
import logging
import re

import pytest
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from edge import auth
from leadfactory import api_keys
from leadfactory.api_keys import KeyRefused
from leadfactory.audit_log import audit_log
from leadfactory.auth_failures import MOST, auth_failures
from leadfactory.clock import Clock
from leadfactory.keyed_hashes import KeyedHashes
from tests.leads import TUESDAY

DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def guarded(world):
    """Routes behind each scope, as handlers of ours ask for them; they tell who asked."""

    def behind(scope):
        def handler(request: Request) -> PlainTextResponse:
            return PlainTextResponse(auth.operator(request, scope).name)

        return handler

    routes = world.client.app.router.routes
    mine = [Route(f"/behind/{scope}/{{token}}", behind(scope)) for scope in auth.SCOPES]
    routes[:0] = mine
    yield
    for route in mine:
        routes.remove(route)


def at(world, moment):
    """The edge's clock stands at ``moment``."""
    desk = world.client.app.state.desk
    object.__setattr__(desk, "clock", Clock(start=moment))


def ask(world, key, scope="dashboards", **headers):
    return world.client.get(f"/behind/{scope}/x", headers={"authorization": f"Bearer {key}", **headers})


def signed_in(browser, key):
    answer = browser.post("/login", data={"key": key, "next": "/behind/dashboards/x"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/behind/dashboards/x")
    return answer


def test_a_key_opens_what_its_scopes_name_and_nothing_else(world, key):
    secret = key("dashboards", "metrics")
    assert [ask(world, secret, scope).status_code for scope in auth.SCOPES] == [200, 200, 403, 403]


def test_an_administrators_key_opens_everything(world, key):
    secret = key("admin")
    assert {ask(world, secret, scope).text for scope in auth.SCOPES} == {"ana"}


def test_a_key_may_come_in_either_header(world, key):
    secret = key("dashboards")
    assert world.client.get("/behind/dashboards/x", headers={"x-api-key": secret}).text == "ana"


@pytest.mark.parametrize("wrong", ["", "lfk_", "lfk_" + "A" * 43, "Bearer", "lfk_é", "lfk_" + "x" * 5000])
def test_what_is_no_key_is_refused_alike(world, key, wrong):
    key("dashboards")
    answer = world.client.get("/behind/dashboards/x", headers={"x-api-key": wrong.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert set(answer.json()) == {"error"}


def test_only_a_hash_of_the_key_is_stored(world, key):
    secret = key("dashboards")
    row = str(world.all(api_keys.api_keys))
    assert secret not in row
    assert secret.removeprefix("lfk_") not in row


def test_a_key_ends_at_its_time(world, key):
    secret = key("dashboards", days=1)
    at(world, TUESDAY + DAY - dt.timedelta(seconds=1))
    assert ask(world, secret).status_code == 200
    at(world, TUESDAY + DAY)
    assert ask(world, secret).status_code == 401


def test_while_a_key_is_rotated_both_values_are_good_and_then_only_the_new_one(world, key):
    old = key("dashboards")
    with world.db.begin() as tx:
        new = api_keys.rotate(tx, "ana", TUESDAY, overlap=DAY)
    assert [ask(world, each).status_code for each in (old, new)] == [200, 200]
    at(world, TUESDAY + DAY)
    assert [ask(world, each).status_code for each in (old, new)] == [401, 200]


def test_a_third_live_value_is_not_made(world, key):
    key("dashboards")
    with world.db.begin() as tx:
        api_keys.rotate(tx, "ana", TUESDAY, overlap=DAY)
        with pytest.raises(KeyRefused, match="is being rotated"):
            api_keys.rotate(tx, "ana", TUESDAY, overlap=DAY)


def test_a_revoked_key_takes_its_sessions_with_it(world, key, browser):
    secret = key("dashboards")
    signed_in(browser, secret)
    assert browser.get("/behind/dashboards/x").status_code == 200
    with world.db.begin() as tx:
        api_keys.revoke(tx, "ana", TUESDAY)
    assert browser.get("/behind/dashboards/x").status_code == 401
    assert ask(world, secret).status_code == 401


def test_a_session_ends_after_twelve_hours(world, key, browser):
    signed_in(browser, key("dashboards"))
    at(world, TUESDAY + dt.timedelta(hours=12) - dt.timedelta(seconds=1))
    assert browser.get("/behind/dashboards/x").status_code == 200
    at(world, TUESDAY + dt.timedelta(hours=12))
    assert browser.get("/behind/dashboards/x").status_code == 401


def test_the_session_is_a_cookie_that_no_script_reads_and_is_not_the_key(world, key, browser):
    secret = key("dashboards")
    cookie = signed_in(browser, secret).headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", "path=/", "max-age=43200"} <= {part.strip() for part in cookie.split(";")}
    assert secret.lower() not in cookie


def test_over_tls_the_cookie_is_bound_to_this_host(world, key, browser):
    desk = world.client.app.state.desk
    object.__setattr__(desk, "public_url", "https://leadfactory.example")
    cookie = browser.post("/login", data={"key": key("dashboards")}).headers["set-cookie"]
    assert cookie.startswith("__Host-lf_session=")
    assert "Secure" in cookie


@pytest.mark.parametrize("next_", ["//evil.example", "https://evil.example", "/\\evil.example", "/a?next=//b", "javascript:alert(1)", "/a\r\nX: y"])  # fmt: skip
def test_signing_in_leads_nowhere_else(world, key, browser, next_):
    answer = browser.post("/login", data={"key": key("dashboards"), "next": next_})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_a_post_from_another_website_does_not_sign_in(world, key, browser):
    answer = browser.post("/login", data={"key": key("dashboards")}, headers={"origin": "https://evil.example"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_signing_out_needs_the_form_that_was_shown_in_this_session(world, key, browser):
    signed_in(browser, key("dashboards"))
    assert browser.post("/logout", data={"proof": "0" * 64}).status_code == 403
    assert browser.get("/behind/dashboards/x").status_code == 200
    proof = re.search(r'name="proof" value="([0-9a-f]{64})"', browser.get("/login").text)
    assert proof is not None
    cookie = dict(browser.cookies)
    assert browser.post("/logout", data={"proof": proof[1]}).status_code == 303
    browser.cookies.update(cookie)  # who kept the cookie has nothing from it
    assert browser.get("/behind/dashboards/x").status_code == 401


def test_people_are_shown_where_to_sign_in_and_programs_get_json(world, browser):
    page = browser.get("/behind/dashboards/x")
    assert page.status_code == 401
    assert 'href="/login?next=/behind/dashboards/x"' in page.text
    assert world.client.get("/behind/dashboards/x").json()["error"].startswith("sign in")


def test_the_metrics_are_open_to_this_machine_alone(world):
    local = TestClient(world.client.app, client=("127.0.0.1", 5000))
    assert local.get("/behind/metrics/x").text == "loopback"
    assert local.get("/behind/dashboards/x").status_code == 401
    assert TestClient(world.client.app, client=("203.0.113.9", 5000)).get("/behind/metrics/x").status_code == 401


def test_a_proxy_on_this_machine_does_not_make_its_clients_local(world):
    local = TestClient(world.client.app, client=("127.0.0.1", 5000))
    for mark in ("x-forwarded-for", "forwarded", "via"):
        assert local.get("/behind/metrics/x", headers={mark: "203.0.113.9"}).status_code == 401


def test_every_request_that_was_let_in_is_in_the_audit_log_without_its_token(world, key):
    ask(world, key("dashboards"))
    (row,) = world.all(audit_log)
    assert (row.actor, row.action, row.subject) == ("operator ana", "request", "GET /behind/dashboards/{token}")
    assert row.detail == {"scope": "dashboards", "via": "key", "key_id": 1}


def test_a_refused_request_is_counted_and_told_without_what_was_presented(world, caplog):
    with caplog.at_level(logging.WARNING, "leadfactory.security"):
        ask(world, "lfk_" + "S" * 43)
    (row,) = world.all(auth_failures)
    assert (row.reason, row.attempts) == ("bad_key", 1)
    assert [record.getMessage() for record in caplog.records] == [
        "AUTH_FAILED bad_key client=testclient at=GET /behind/dashboards/{token}"
    ]


def test_a_guesser_is_not_listened_to_even_when_he_guesses_right(world, key):
    secret = key("dashboards")
    for _ in range(MOST):
        assert ask(world, "lfk_wrong").status_code == 401
    answer = ask(world, secret)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "300")
    at(world, TUESDAY + dt.timedelta(minutes=5))
    assert ask(world, secret).status_code == 200


def test_guesses_at_the_sign_in_count_too(world, key, browser):
    secret = key("dashboards")
    for _ in range(MOST):
        assert browser.post("/login", data={"key": "lfk_wrong"}).status_code == 401
    assert browser.post("/login", data={"key": secret}).status_code == 429


def test_a_guesser_keeps_nobody_out_who_is_signed_in_or_somewhere_else(world, key, browser):
    secret = key("dashboards")
    signed_in(browser, secret)
    for _ in range(MOST + 1):
        ask(world, "lfk_wrong")
    assert browser.get("/behind/dashboards/x").status_code == 200
    elsewhere = TestClient(world.client.app, client=("203.0.113.9", 5000))
    assert elsewhere.get("/behind/dashboards/x", headers={"x-api-key": secret}).status_code == 200


def test_a_client_cannot_change_who_he_is_by_a_header_of_his_own(world, key):
    secret = key("dashboards")
    for number in range(MOST):
        ask(world, "lfk_wrong", **{"x-forwarded-for": f"198.51.100.{number}"})
    assert ask(world, secret, **{"x-forwarded-for": "198.51.100.99"}).status_code == 429


def test_a_proxy_that_is_trusted_names_the_client(world, key):
    secret = key("dashboards")
    desk = world.client.app.state.desk
    object.__setattr__(desk, "settings", desk.settings.model_copy(update={"trusted_proxies": "10.0.0.0/8"}))
    proxied = TestClient(world.client.app, client=("10.0.0.2", 5000))

    def through(client, presented):  # a forged entry stands left of what our proxies wrote
        headers = {"x-forwarded-for": f"1.2.3.4, {client}, 10.0.0.7", "x-api-key": presented}
        return proxied.get("/behind/dashboards/x", headers=headers).status_code

    for _ in range(MOST):
        assert through("203.0.113.1", "lfk_wrong") == 401
    assert [through("203.0.113.1", secret), through("203.0.113.2", secret)] == [429, 200]


def test_a_key_with_a_bad_name_scope_or_end_is_not_made(database):
    with database.begin() as tx:
        for name, scopes, end, told in (
            ("Ana Ruiz", ["review"], TUESDAY + DAY, "name='Ana Ruiz'"),
            ("ana", ["root"], TUESDAY + DAY, "scopes="),
            ("ana", [], TUESDAY + DAY, "scopes="),
            ("ana", ["review"], TUESDAY, "expires_at="),
        ):
            with pytest.raises(KeyRefused, match=re.escape(told)):
                api_keys.create(tx, name, scopes, end, TUESDAY)
        assert tx.scalar(sa.select(sa.func.count()).select_from(api_keys.api_keys)) == 0


def test_clients_are_counted_by_a_keyed_hash(world):
    ask(world, "lfk_wrong")
    (row,) = world.all(auth_failures)
    assert b"testclient" not in bytes(row.client_hmac)
    assert bytes(row.client_hmac) != KeyedHashes("x").of("client", "testclient")[:16]
