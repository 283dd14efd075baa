"""A critical alert climbs by how long it fires, a warning does not; messages are grouped, limited, remembered and link onward."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller

from cli import services, stack
from leadfactory.monitoring import contacts, escalating, wording
from leadfactory.monitoring.escalation import Escalation, Firing, heard
from leadfactory.monitoring.tables import alerts
from leadfactory.settings import ROOT, Settings, settings
from tests.postgres import settings_for_tests

NOON = dt.datetime(2026, 10, 6, 12, tzinfo=dt.UTC)
KNOWN = contacts.contacts(None)
SHIPPED = (ROOT / "config" / "contacts.yaml").read_text()


def fires(name: str = "DatabaseDown", severity: str = "critical", **labels: str) -> Firing:
    marks = {"alertname": name, "severity": severity, "contact": "database", **labels}
    return Firing(name, name, severity, marks, {"summary": f"{name} is so", "section": "database-down"}, NOON)


def at(minutes: float) -> dt.datetime:
    return NOON + dt.timedelta(minutes=minutes)


def climbed(escalation: Escalation, *minutes: float) -> list[tuple[str, ...]]:
    """Who is told at these minutes; nobody is an empty tuple."""
    found = []
    for minute in minutes:
        message = escalation.due(at(minute))
        found.append(message.roles if message else ())
        if message:
            escalation.told(message, at(minute))
    return found


def test_a_critical_alert_climbs_at_once_after_15_and_60_minutes_and_to_the_vendor():
    escalation = Escalation(KNOWN, [fires()])
    assert climbed(escalation, 0, 14.9, 15, 59.9, 60, 119.9, 120, 600) == [
        ("on_call", "database"), (), ("senior", "devops"), (), ("cto", "product"), (), ("on_call", "cto"), (),
    ]  # fmt: skip


def test_a_warning_stays_on_the_first_level():
    assert climbed(Escalation(KNOWN, [fires(severity="warning")]), 0, 15, 60, 600) == [
        ("on_call", "database"),
        (),
        (),
        (),
    ]


def test_who_was_down_for_an_hour_catches_up_with_every_level_in_one_message():
    (told,) = climbed(Escalation(KNOWN, [fires()]), 60)
    assert set(told) == {"on_call", "database", "senior", "devops", "cto", "product"}


def test_hearing_an_alert_again_tells_nobody_again():
    escalation = Escalation(KNOWN, [fires()])
    climbed(escalation, 0)
    escalation.hear([fires()])
    assert climbed(escalation, 1) == [()]


def test_the_end_of_an_alert_is_told_once_to_those_who_heard_of_it():
    escalation = Escalation(KNOWN, [fires()])
    climbed(escalation, 0)
    over = fires()
    over.ended_at = at(5)
    escalation.hear([over])
    assert climbed(escalation, 5, 6) == [("on_call", "database"), ()]


def test_an_alert_that_ended_before_anybody_was_told_is_not_told_of():
    escalation = Escalation(KNOWN)
    over = fires()
    over.ended_at = at(0)
    escalation.hear([over])
    assert climbed(escalation, 1) == [()]


def test_an_alert_that_fires_again_begins_on_the_first_level():
    escalation = Escalation(KNOWN, [fires()])
    climbed(escalation, 0, 15)
    over = fires()
    over.ended_at = at(20)
    again = fires()
    again.since = at(30)
    escalation.hear([over])
    escalation.hear([again])
    assert climbed(escalation, 30) == [("on_call", "database")]


def test_what_fires_together_is_one_message_the_critical_first():
    escalation = Escalation(KNOWN, [fires("RunFailed", "warning"), fires()])
    message = escalation.due(NOON)
    assert message is not None
    assert [alert.name for alert, _ in message.rising] == ["DatabaseDown", "RunFailed"]
    assert wording.subject(message) == "[LeadFactory] CRITICAL: DatabaseDown and 1 more"


def test_more_messages_than_the_limit_wait_and_go_out_together():
    escalation = Escalation(KNOWN)
    limit = KNOWN.messages_per_ten_minutes
    for number in range(limit + 3):
        escalation.hear([fires(f"A{number}")])
        message = escalation.due(at(number / 10))
        if message:
            escalation.told(message, at(number / 10))
    assert len(escalation.sent) == limit
    waiting = escalation.due(at(11))
    assert waiting is not None
    assert {alert.name for alert, _ in waiting.rising} == {f"A{number}" for number in range(limit, limit + 3)}


def test_a_message_links_to_run_and_page_and_names_the_vendors_support(tmp_path: Path):
    config = settings_for_tests(tmp_path, LEADFACTORY_DAGSTER_URL="https://ops.example", LEADFACTORY_ALERTS_PAGE_URL="https://docs.example/alerts")  # fmt: skip
    alert = fires("RunFailed", vendor="stripe")
    alert.annotations |= {"run": "r-17", "summary": "failed for owner@joes.example"}
    message = Escalation(KNOWN, [alert]).due(NOON)
    assert message is not None
    text = wording.text(message, KNOWN, config, NOON)
    assert "https://ops.example/runs/r-17" in text
    assert "https://docs.example/alerts#database-down" in text
    assert "support@stripe.com" in text
    assert "owner@joes.example" not in text


def test_an_unknown_post_is_refused_with_a_reason():
    with pytest.raises(ValueError, match="no post of Alertmanager's"):
        heard({"alerts": [{"labels": {}}]})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Sink:
    """A Slack-compatible webhook and a mail server that keep what they get; ``broken`` makes the webhook answer 500."""

    def __init__(self) -> None:
        said = self.said = []  # type: ignore[var-annotated]
        mails = self.mails = []  # type: ignore[var-annotated]
        self.broken = False
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(500 if sink.broken else 200)
                self.end_headers()
                if not sink.broken:
                    said.append(body["text"])

            def log_message(self, *_: object) -> None:
                """Quiet."""

        class Mailbox:
            async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
                mails.append((envelope.rcpt_tos, envelope.content.decode()))
                return "250 ok"

        self._web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._web.serve_forever, daemon=True).start()
        self._mail = Controller(Mailbox(), hostname="127.0.0.1", port=free_port())
        self._mail.start()
        self.webhook = f"http://127.0.0.1:{self._web.server_port}/services/T0/B0/secret"
        self.smtp = f"smtp://127.0.0.1:{self._mail.port}"

    def close(self) -> None:
        self._web.shutdown()
        self._web.server_close()
        self._mail.stop()


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


def filled(folder: Path) -> Path:
    path = folder / "contacts.yaml"
    lines = []
    for line in SHIPPED.splitlines():
        role = line.split(":")[0].strip()
        lines.append(line.replace('mail: "[Contact]"', f"mail: {role}@our.example").replace('"[Contact]"', "null"))
    path.write_text("\n".join(lines))
    return path


def configured(tmp_path: Path, sink: Sink, database: Any) -> Settings:
    return settings_for_tests(
        tmp_path, LEADFACTORY_ALERT_WEBHOOK_URL=sink.webhook, LEADFACTORY_ALERT_SMTP_URL=sink.smtp, LEADFACTORY_ALERT_FROM="alerts@our.example",
        LEADFACTORY_CONTACTS=str(filled(tmp_path)),
        LEADFACTORY_DATABASE_URL=database.url.set(drivername="postgresql").render_as_string(hide_password=False),
    )  # fmt: skip


def posted(name: str = "DatabaseDown", *, resolved: bool = False) -> dict[str, Any]:
    return {"alerts": [{
        "status": "resolved" if resolved else "firing", "labels": {"alertname": name, "severity": "critical", "contact": "database"},
        "annotations": {"summary": "it does not answer", "section": "database-down"}, "startsAt": NOON.isoformat(),
        "endsAt": at(20).isoformat(), "fingerprint": name,
    }]}  # fmt: skip


def test_a_post_reaches_slack_and_the_mailboxes_of_its_level_and_is_a_row(tmp_path, sink, database):
    moment = [NOON]
    desk = escalating.Desk(configured(tmp_path, sink, database), lambda: moment[0])
    serving = escalating.server(desk, "127.0.0.1", 0)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{serving.server_port}"
    assert httpx.post(f"{url}/alerts", json=posted()).status_code == 200
    assert httpx.post(f"{url}/alerts", json={"what": 1}).status_code == 400
    desk.turn()
    moment[0] = at(15)
    desk.turn()
    serving.shutdown()
    serving.server_close()
    assert [("level 1" in text, "level 2" in text) for text in sink.said] == [(True, False), (False, True)]
    assert [sorted(to) for to, _ in sink.mails] == [["database@our.example", "on_call@our.example"], ["devops@our.example", "senior@our.example"]]  # fmt: skip
    assert "docs/alerts.md#database-down" in sink.mails[0][1]
    with database.begin() as tx:
        row = tx.execute(sa.select(alerts)).mappings().one()
    assert (row["name"], row["levels_told"], row["ended_at"]) == ("DatabaseDown", 2, None)


def test_a_message_that_no_channel_took_is_tried_again(tmp_path, sink, database):
    config = settings_for_tests(
        tmp_path, LEADFACTORY_ALERT_WEBHOOK_URL=sink.webhook, LEADFACTORY_DATABASE_URL="postgresql://x@127.0.0.1:9/x"
    )
    desk = escalating.Desk(config, lambda: NOON)
    desk.hear(heard(posted()))
    sink.broken = True
    assert desk.turn() is None
    sink.broken = False
    assert desk.turn() is not None  # though the database does not answer either
    assert len(sink.said) == 1


def test_a_restart_remembers_who_was_told(tmp_path, sink, database):
    config = configured(tmp_path, sink, database)
    first = escalating.Desk(config, lambda: NOON)
    first.hear(heard(posted()))
    first.turn()
    second = escalating.Desk(config, lambda: at(1))
    second.hear(heard(posted()))
    assert second.turn() is None
    assert len(sink.said) == 1


def test_a_placeholder_is_named_and_production_refuses_it(tmp_path):
    assert "on_call.mail" in KNOWN.placeholders
    assert "copy config/contacts.yaml" in str(contacts.problem(None))
    path = tmp_path / "contacts.yaml"
    path.write_text(SHIPPED)
    assert "leaves on_call.mail" in str(contacts.problem(path))
    contacts.contacts.cache_clear()  # a process reads its file once
    assert contacts.problem(filled(tmp_path)) is None


@pytest.mark.parametrize(
    ("was", "wrong", "said"),
    [
        ("people: [on_call]}", "people: [nobody]}", "levels name nobody"),
        ("after_minutes: 0,", "after_minutes: 5,", "levels begin at [5"),
        ("messages_per_ten_minutes: 6", "messages_per_ten_minutes: 0", "messages_per_ten_minutes = 0"),
    ],
)
def test_a_wrong_file_is_told(tmp_path, was, wrong, said):
    path = tmp_path / "contacts.yaml"
    path.write_text(SHIPPED.replace(was, wrong))
    assert said in str(contacts.problem(path))


def test_the_stack_of_one_machine_starts_it_as_a_process_that_is_listed_and_takes_it_along(tmp_path, monkeypatch):
    monkeypatch.setenv("LEADFACTORY_HOME", str(tmp_path))
    monkeypatch.setenv(
        "LEADFACTORY_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none"
    )  # it tells people without one
    settings.cache_clear()
    port = free_port()
    with stack.escalating(lambda line: None, port):
        assert stack.answers(f"http://127.0.0.1:{port}/health")
        assert [card.service for card in services.cards(tmp_path)] == ["escalating"]
    assert not stack.answers(f"http://127.0.0.1:{port}/health")
    settings.cache_clear()
