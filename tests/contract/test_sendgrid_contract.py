"""SendGrid: mail send, suppressions, senders and the webhook's key, against SendGrid's descriptions and its own SDK."""

from __future__ import annotations

import http.server
import json
import threading
import time

import pytest
import sendgrid
from python_http_client.exceptions import BadRequestsError, ForbiddenError, UnauthorizedError
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.mail import CustomArg, Email, Header, Mail

MAIL, SUPPRESSIONS = "sendgrid/mail_v3.json", "sendgrid/suppressions_v3.json"
WEBHOOKS, SENDERS = "sendgrid/webhooks_v3.json", "sendgrid/verified_senders_v3.json"
ERROR = "#/components/schemas/ErrorResponse"
KEY = {"Authorization": "Bearer sandbox-sendgrid-key"}
SEND, SIGNED = "/v3/mail/send", "/v3/user/webhooks/event/settings/signed/{id}"
GLOBAL, GLOBAL_ONE = "/v3/asm/suppressions/global", "/v3/asm/suppressions/global/{email}"
BODY = {
    "personalizations": [{"to": [{"email": "owner@pizza7.example", "name": "Owner"}], "custom_args": {"email_id": "e1"}}],
    "from": {"email": "hello@mail.leadfactory.example", "name": "LeadFactory"},
    "reply_to": {"email": "reply@leadfactory.example"},
    "subject": "Your page", "categories": ["first"], "asm": {"group_id": 10},
    "headers": {"List-Unsubscribe": "<https://leadfactory.example/u/1>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
    "content": [{"type": "text/plain", "value": "Hello https://leadfactory.example/r/1"}, {"type": "text/html", "value": "<p>x</p>"}],
    "tracking_settings": {"click_tracking": {"enable": True, "enable_text": False}},
}  # fmt: skip
LISTS = {"bounces": "bounce", "blocks": "blocked", "spam_reports": "spamreport", "unsubscribes": "unsubscribe"}


def _suppressed(http) -> str:
    """One address on every list that mail can put it on."""
    for fate in LISTS.values():
        http.app_state.options["sendgrid_outcomes"] = {"owner@pizza7.example": fate}
        body = {k: v for k, v in BODY.items() if k != "asm"} | {
            "mail_settings": {"bypass_list_management": {"enable": True}}
        }
        assert http.post("/sendgrid/v3/mail/send", headers=KEY, json=body).status_code == 202
    body = {**BODY, "personalizations": [{"to": [{"email": "someone@nowhere"}]}]}
    assert http.post("/sendgrid/v3/mail/send", headers=KEY, json=body).status_code == 202
    return "owner@pizza7.example"


@pytest.fixture(autouse=True)
def reachable_state(http, state):
    """Lets a case's preparation fix what becomes of its mails."""
    http.app_state = state


def _cells():
    """(method, template, status, spec, extra)."""
    yield "POST", SEND, 202, MAIL, {"json": BODY}
    yield "POST", SEND, 400, MAIL, {"json": {**BODY, "personalizations": []}, "lawful": False}
    yield "POST", SEND, 401, MAIL, {"json": BODY, "headers": {}}
    yield "POST", SEND, 403, MAIL, {"json": {**BODY, "from": {"email": "me@elsewhere.example"}}}
    for status in (404, 405, 413, 500):
        yield "POST", SEND, status, MAIL, {"json": BODY, "fault": (status, "")}
    for status in (415, 429, 503):
        yield "POST", SEND, status, MAIL, {"json": BODY, "fault": (status, ""), "undocumented": True}
    for name in (*LISTS, "invalid_emails"):
        one = f"/v3/suppression/{name}"
        query = {"query": {"limit": 5, "offset": 0, "start_time": 0}, "before": _suppressed}
        yield "GET", one, 200, SUPPRESSIONS, query
        yield "GET", one, 401, SUPPRESSIONS, {"headers": {}, "undocumented": True}
        yield "GET", one, 429, SUPPRESSIONS, {"fault": (429, ""), "undocumented": True}
        if name != "unsubscribes":
            path = one + ("/someone@nowhere" if name == "invalid_emails" else "/{made}")
            yield "GET", f"{one}/{{email}}", 200, SUPPRESSIONS, {"path": path, "before": _suppressed}
            yield "DELETE", f"{one}/{{email}}", 204, SUPPRESSIONS, {"path": path, "before": _suppressed}
            yield (
                "DELETE",
                f"{one}/{{email}}",
                404,
                SUPPRESSIONS,
                {"path": f"{one}/nobody@x.example", "undocumented": True},
            )
            yield "DELETE", one, 204, SUPPRESSIONS, {"json": {"delete_all": True}}
    yield "POST", GLOBAL, 201, SUPPRESSIONS, {"json": {"recipient_emails": ["a@x.example"]}}
    yield "POST", GLOBAL, 400, SUPPRESSIONS, {"json": {"recipient_emails": "a"}, "lawful": False, "undocumented": True}
    yield "POST", GLOBAL, 401, SUPPRESSIONS, {"json": {"recipient_emails": []}, "headers": {}, "undocumented": True}
    suppress = {"path": "/v3/asm/suppressions/global/{made}", "before": _suppressed}
    yield "GET", GLOBAL_ONE, 200, SUPPRESSIONS, suppress
    yield "DELETE", GLOBAL_ONE, 204, SUPPRESSIONS, suppress
    yield "GET", "/v3/verified_senders", 200, SENDERS, {}
    yield "GET", "/v3/verified_senders", 401, SENDERS, {"headers": {}}
    for status in (403, 404, 500):
        yield "GET", "/v3/verified_senders", status, SENDERS, {"fault": (status, "")}
    signed = "/v3/user/webhooks/event/settings/signed/sandbox-event-webhook"
    yield "GET", SIGNED, 200, WEBHOOKS, {"path": signed}
    yield "GET", SIGNED, 404, WEBHOOKS, {"path": f"{signed}x"}
    yield "PATCH", SIGNED, 200, WEBHOOKS, {"path": signed, "json": {"enabled": True}}
    yield "PATCH", SIGNED, 404, WEBHOOKS, {"path": f"{signed}x", "json": {"enabled": True}}


CELLS = list(_cells())


@pytest.mark.parametrize(
    ("method", "template", "status", "spec", "extra"), CELLS, ids=[f"{m} {t}-{s}" for m, t, s, _, _ in CELLS]
)
def test_the_answer_satisfies_the_description(exercise, Case, method, template, status, spec, extra):
    case = Case(name="", method=method, template=template, status=status, spec=spec,
                **{"headers": KEY, "path": template, "error_schema": ERROR, **extra})  # fmt: skip
    response = exercise("sendgrid", case)
    if status == 200 and template.startswith("/v3/suppression") and method == "GET":
        assert len(response.json()) == 1


def test_every_documented_status_of_mail_send_has_a_case(specs):
    documented = {int(status) for status in specs(MAIL).operation("POST", SEND)["responses"]}
    assert documented <= {status for _, template, status, _, _ in CELLS if template == SEND}


def test_every_parameter_of_a_mail_is_known(specs):
    from sandbox.vendors.sendgrid_mail import _FIELDS

    body = specs(MAIL).resolved({"$ref": "#/components/requestBodies/PostMailSend"})
    assert set(body["content"]["application/json"]["schema"]["properties"]) == set(_FIELDS)


@pytest.fixture
def posts(state):
    """What a webhook endpoint of ours receives, as [(headers, body)]."""
    kept: list[tuple[dict[str, str], bytes]] = []

    class Keep(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            kept.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keep)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.options["sendgrid_webhook_url"] = f"http://127.0.0.1:{server.server_port}/"
    yield kept
    server.shutdown()
    server.server_close()


def _events(posts, state) -> list[dict]:
    """All events of the mails accepted so far, once they have been posted."""
    expected = len(state.truth.of("sendgrid", "event"))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        events = [event for _, body in list(posts) for event in json.loads(body)]
        if len(events) >= expected:
            return events
        time.sleep(0.005)
    raise AssertionError(f"{expected} events were expected, {len(events)} came")


@pytest.mark.parametrize("fate", ["deferred", "bounce", "blocked", "open", "click", "spamreport", "unsubscribe"])
def test_events_have_the_fields_of_the_documented_samples(specs, specs_root, http, state, posts, fate):
    specs(MAIL)
    samples = {
        (s["event"], s.get("type")): s
        for s in json.loads((specs_root / "sendgrid/event-webhook-samples.json").read_text())
    }
    state.options["sendgrid_outcomes"] = {"owner@pizza7.example": fate}
    assert http.post("/sendgrid/v3/mail/send", headers=KEY, json=BODY).status_code == 202
    for event in _events(posts, state):
        sample = samples[event["event"], event.get("type")]
        assert set(sample) <= set(event), event["event"]
        assert {k: type(v) for k, v in sample.items()} == {k: type(event[k]) for k in sample}


def test_the_sdk_sends_a_mail_and_verifies_its_events(base_url, state, posts):
    client = sendgrid.SendGridAPIClient("sandbox-sendgrid-key", host=f"{base_url}/sendgrid")
    mail = Mail(Email("hello@leadfactory.example"), "owner@pizza7.example", "Your page", "Hello", "<p>Hello</p>")
    mail.add_custom_arg(CustomArg("email_id", "e42"))
    mail.add_header(Header("List-Unsubscribe", "<https://leadfactory.example/u/1>"))
    response = client.client.mail.send.post(request_body=mail.get(), timeout=10)
    assert (response.status_code, response.body) == (202, b"")
    events = _events(posts, state)
    key = json.loads(client.client.user.webhooks.event.settings.signed._("sandbox-event-webhook").get().body)[
        "public_key"
    ]
    webhook = EventWebhook()
    public_key = webhook.convert_public_key_to_ecdsa(key)
    for headers, body in posts:
        signature = headers["X-Twilio-Email-Event-Webhook-Signature"]
        at = headers["X-Twilio-Email-Event-Webhook-Timestamp"]
        assert webhook.verify_signature(body.decode(), signature, at, public_key)
        assert not webhook.verify_signature(body.decode() + " ", signature, at, public_key)
    assert {event["email_id"] for event in events} == {"e42"}
    assert {event["sg_message_id"].split(".")[0] for event in events} == {response.headers["X-Message-Id"]}


@pytest.mark.parametrize(
    ("key", "change", "raised"),
    [
        ("wrong", {}, UnauthorizedError),
        ("sandbox-sendgrid-key", {"from": {"email": "me@elsewhere.example"}}, ForbiddenError),
        ("sandbox-sendgrid-key", {"personalizations": []}, BadRequestsError),
    ],
)
def test_the_sdk_raises_what_it_raises_for_the_real_one(base_url, key, change, raised):
    client = sendgrid.SendGridAPIClient(key, host=f"{base_url}/sendgrid")
    with pytest.raises(raised) as caught:
        client.client.mail.send.post(request_body=BODY | change, timeout=10)
    assert caught.value.to_dict["errors"][0]["message"]
