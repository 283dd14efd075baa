"""What the sandbox's SendGrid takes and refuses, and what becomes of an accepted mail."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import threading
import time
import types

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sandbox.faults import Faults
from sandbox.vendors import sendgrid

KEY = {"Authorization": "Bearer key"}
TO = "owner@cafe.example"
BODY = {
    "personalizations": [{"to": [{"email": TO}], "custom_args": {"email_id": "e1"}}],
    "from": {"email": "hello@leadfactory.example"},
    "subject": "Your page",
    "content": [{"type": "text/plain", "value": "See https://leadfactory.example/r/1."}],
}


class Truth(list):
    def accepted(self, vendor, kind, vendor_id, **fields):
        self.append((kind, vendor_id, fields))

    def of(self, kind):
        return [row for row in self if row[0] == kind]


@pytest.fixture
def state():
    now = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)
    return types.SimpleNamespace(
        faults=Faults(), world=types.SimpleNamespace(seed=3), truth=Truth(), keys={"sendgrid": {"key"}},
        options={"sendgrid_rates": dict.fromkeys(("bounce", "blocked", "deferred", "machine_open", "open", "click"), 0.0)},
        clock=types.SimpleNamespace(now=lambda: now),
    )  # fmt: skip


@pytest.fixture
def client(state):
    return TestClient(Starlette(routes=sendgrid.routes(state)))


def send(client, **change):
    return client.post("/v3/mail/send", headers=KEY, json=BODY | change)


def events(state):
    return [row[2]["event"] for row in state.truth.of("event")]


def to(*addresses, **more):
    return {"to": [{"email": a} for a in addresses], **more}


def test_an_accepted_mail_has_an_id_and_no_body(client, state):
    response = send(client)
    assert (response.status_code, response.content) == (202, b"")
    ((_, message_id, fields),) = state.truth.of("mail")
    assert message_id == response.headers["x-message-id"]
    assert (fields["to"], fields["subject"], fields["custom_args"]) == ([TO], "Your page", {"email_id": "e1"})


def test_the_same_mail_twice_is_two_mails(client, state):
    assert send(client).headers["x-message-id"] != send(client).headers["x-message-id"]
    assert len(state.truth.of("mail")) == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"personalizations": []}, "personalizations"), ({"personalizations": [{"to": []}]}, "personalizations.0.to"),
        ({"personalizations": [to("no address")]}, "personalizations.0.to.0.email"),
        ({"personalizations": [to(TO, TO.upper())]}, "personalizations.0"),
        ({"personalizations": [to(*(f"a{i}@x.example" for i in range(1001)))]}, "personalizations"),
        ({"from": {}}, "from.email"), ({"subject": ""}, "subject"), ({"content": []}, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
        ({"content": [{"type": "text/html", "value": "x"}, {"type": "text/plain", "value": "x"}]}, "content"),
        ({"content": [{"type": "text/plain", "value": "x"}] * 2}, "content"), ({"categories": [str(i) for i in range(11)]}, "categories"),
        ({"categories": ["a", "a"]}, "categories"), ({"categories": ["a" * 256]}, "categories.0"),
        ({"headers": {"Subject": "x"}}, "headers.Subject"), ({"headers": {"X-A": "1\r\nBcc: all"}}, "headers.X-A"),
        ({"custom_args": {"n": 1}}, "custom_args.n"), ({"custom_args": {"n": "x" * 10_000}}, "custom_args"),
        ({"send_at": 2**40}, "send_at"), ({"asm": {}}, "asm.group_id"), ({"categories": "a"}, "categories"),
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_mail_is_refused_and_names_the_field(client, state, change, field):
    response = send(client, **change)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, field)
    assert state.truth == []


def test_an_unverified_sender_is_forbidden(client, state):
    assert send(client, **{"from": {"email": "me@elsewhere.example"}}).status_code == 403
    state.options["sendgrid_senders"] = {"elsewhere.example"}
    assert send(client, **{"from": {"email": "me@elsewhere.example"}}).status_code == 202


def test_a_rehearsal_is_checked_and_not_accepted(client, state):
    settings = {"sandbox_mode": {"enable": True}}
    assert send(client, mail_settings=settings).status_code == 200
    assert send(client, mail_settings=settings, subject="").status_code == 400
    assert state.truth == []


def test_other_methods_and_other_content_have_their_own_status(client):
    assert client.get("/v3/mail/send", headers=KEY).status_code == 405
    assert client.post("/v3/mail/send", headers=KEY, data={"a": "b"}).status_code == 415
    assert (
        client.post("/v3/mail/send", headers=KEY | {"content-type": "application/json"}, content=b"{").status_code
        == 400
    )


def test_a_wrong_key_is_refused(client):
    assert client.get("/v3/scopes").status_code == 401
    assert "mail.send" in client.get("/v3/scopes", headers=KEY).json()["scopes"]


@pytest.mark.parametrize(
    ("fate", "expected"),
    [
        ("bounce", ["processed", "bounce"]), ("blocked", ["processed", "bounce"]), ("deferred", ["processed", "deferred", "delivered"]),
        ("open", ["processed", "delivered", "open"]), ("click", ["processed", "delivered", "open", "click"]),
        ("spamreport", ["processed", "delivered", "spamreport"]), ("unsubscribe", ["processed", "delivered", "unsubscribe"]),
    ],
)  # fmt: skip
def test_a_fixed_fate_has_its_events(client, state, fate, expected):
    state.options["sendgrid_outcomes"] = {TO: fate}
    send(client)
    assert events(state) == expected


@pytest.mark.parametrize(
    ("fate", "listed", "next_time"),
    [
        ("bounce", "bounces", ["dropped"]), ("spamreport", "spam_reports", ["dropped"]),
        ("unsubscribe", "unsubscribes", ["dropped"]), ("blocked", "blocks", ["processed", "delivered"]),
    ],
)  # fmt: skip
def test_a_suppressed_address_gets_no_further_mail_unless_it_was_only_blocked(client, state, fate, listed, next_time):
    state.options["sendgrid_outcomes"] = {TO: fate}
    send(client)
    assert [e["email"] for e in client.get(f"/v3/suppression/{listed}", headers=KEY).json()] == [TO]
    state.options["sendgrid_outcomes"] = {}
    state.truth.clear()
    send(client)
    assert events(state) == next_time


def test_what_is_taken_off_a_list_gets_mail_again(client, state):
    state.options["sendgrid_outcomes"] = {TO: "bounce"}
    send(client)
    assert client.delete(f"/v3/suppression/bounces/{TO}", headers=KEY).status_code == 204
    assert client.get(f"/v3/suppression/bounces/{TO}", headers=KEY).json() == []
    state.options["sendgrid_outcomes"] = {}
    state.truth.clear()
    send(client)
    assert events(state) == ["processed", "delivered"]


def test_a_global_suppression_holds_until_it_is_lifted(client, state):
    one = f"/v3/asm/suppressions/global/{TO}"
    assert client.get(one, headers=KEY).json() == {}
    client.post("/v3/asm/suppressions/global", headers=KEY, json={"recipient_emails": [TO]})
    assert client.get(one, headers=KEY).json() == {"recipient_email": TO}
    send(client)
    assert events(state) == ["dropped"]


def test_fates_depend_on_the_seed_and_the_address_only(state):
    state.options["sendgrid_rates"] = {"bounce": 0.5}
    fates = []
    for _ in range(2):
        state.truth.clear()
        client = TestClient(Starlette(routes=sendgrid.routes(state)))
        for i in range(30):
            send(
                client,
                personalizations=[to(f"a{i}@x.example", custom_args={"email_id": f"e{i}"})],
                mail_settings={"bypass_list_management": {"enable": True}},
            )
        fates.append(events(state))
    assert fates[0] == fates[1]
    assert 5 < fates[0].count("bounce") < 25


class Endpoint:
    """A webhook endpoint that answers ``statuses`` in turn, the last one for ever, and keeps every batch."""

    def __init__(self, *statuses: int) -> None:
        self.batches: list[list[dict]] = []
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                endpoint.batches.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(statuses[min(len(endpoint.batches), len(statuses)) - 1])
                self.end_headers()

            def log_message(self, *args):
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, batches: int):
        deadline = time.monotonic() + 10
        while len(self.batches) < batches and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.batches


@pytest.fixture
def listen(state):
    opened = []

    def start(*statuses):
        opened.append(Endpoint(*statuses))
        state.options["sendgrid_webhook_url"] = opened[-1].url
        return opened[-1]

    yield start
    for endpoint in opened:
        endpoint.close()


def test_a_batch_is_posted_again_until_it_is_taken(client, state, listen):
    state.options["webhook_retry_s"] = [0.01, 0.01]
    endpoint = listen(500, 503, 200)
    send(client)
    first, second, third = endpoint.wait_for(3)
    assert first == second == third


def test_events_wait_for_an_address(client, listen):
    send(client)
    ((first, second),) = listen(200).wait_for(1)
    assert (first["event"], second["event"]) == ("processed", "delivered")


def test_duplicates_are_posted_when_asked_for(client, state, listen):
    state.faults.add(vendor="sendgrid", kind="duplicate_webhooks", rate=1.0)
    endpoint = listen(200)
    send(client)
    first, second = endpoint.wait_for(2)
    assert [e["sg_event_id"] for e in first] == [e["sg_event_id"] for e in second]


def test_a_shuffle_changes_the_order_and_loses_nothing(client, state, listen):
    for i in range(20):
        send(client, personalizations=[to(f"a{i}@x.example", custom_args={"email_id": f"e{i}"})])
    state.faults.add(vendor="*", kind="shuffled_webhooks", rate=1.0)
    (batch,) = listen(200).wait_for(1)
    sent = [row[1] for row in state.truth.of("event")]
    posted = [event["sg_event_id"] for event in batch]
    assert posted != sent
    assert sorted(posted) == sorted(sent)
