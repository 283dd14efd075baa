"""Mail that came back: only the signed address it came to is believed, and it becomes an event like SendGrid's."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from leadfactory import mail_tokens
from leadfactory.d09_delivery import dsn
from leadfactory.tokens import TokenError, Tokens

TOKENS = Tokens("key-one")
SEND = uuid.UUID(int=7)
NOW = dt.datetime(2026, 10, 6, 15, 0, tzinfo=dt.UTC)
OURS = mail_tokens.address(TOKENS, "bounce", SEND, "reply.leadfactory.example")


def report(action: str = "failed", status: str = "5.1.1", *, to: str = OURS, date: str = "Tue, 06 Oct 2026 14:59:00 +0000") -> bytes:  # fmt: skip
    return f"""From: MAILER-DAEMON@mx.example.net
To: {to}
Date: {date}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I am sorry to have to inform you.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; somebody@else.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} no such user here

--b--
""".replace("\n", "\r\n").encode()


def read(raw: bytes, **options):
    return dsn.read(raw, TOKENS, received_at=NOW, **options)


def test_a_hard_bounce_names_its_send_and_no_address():
    event = read(report())
    assert event is not None
    assert (event["event"], event["type"], event["send_id"], event["status"]) == (
        "bounce",
        "bounce",
        str(SEND),
        "5.1.1",
    )
    assert event["timestamp"] == int(NOW.timestamp()) - 60
    assert "somebody@else.example" not in str(event)


@pytest.mark.parametrize(
    ("action", "status", "kind", "type_"),
    [
        ("failed", "5.1.10", "bounce", "bounce"),
        ("failed", "5.0.0", "bounce", "bounce"),
        ("failed", "4.4.7", "bounce", "blocked"),  # given up after days of trying
        ("failed", "5.2.2", "bounce", "blocked"),  # mailbox full
        ("failed", "5.2.1", "bounce", "bounce"),  # mailbox disabled
        ("failed", "5.7.26", "bounce", "blocked"),  # our authentication, not their address
        ("delayed", "4.4.1", "deferred", None),
        ("delivered", "2.1.5", "delivered", None),
        ("relayed", "2.1.9", "delivered", None),
    ],
)
def test_action_and_status_decide_what_it_means(action, status, kind, type_):
    event = read(report(action, status))
    assert event is not None
    assert (event["event"], event.get("type")) == (kind, type_)


@pytest.mark.parametrize("address", [OURS.upper(), f"<{OURS}>", OURS.replace("reply.leadfactory", "another")])
def test_the_address_may_change_case_and_domain_on_its_way(address):
    event = read(report(to="nobody@here.example"), recipient=address)
    assert event is not None
    assert event["send_id"] == str(SEND)


def test_a_forged_address_or_one_for_answers_is_no_bounce():
    forged = OURS[:-40] + ("a" if OURS[-40] != "a" else "b") + OURS[-39:]
    reply = mail_tokens.address(TOKENS, "reply", SEND, "reply.leadfactory.example")
    assert read(report(to=forged)) is None
    assert read(report(to=reply)) is None
    with pytest.raises(TokenError):
        mail_tokens.read(TOKENS, "bounce", "b-@x.example")


def test_the_local_part_fits_an_address():
    assert len(OURS.split("@", 1)[0]) <= 64


def test_the_same_mail_is_the_same_event_and_another_is_another():
    assert read(report()) == read(report())
    assert read(report())["sg_event_id"] != read(report("delayed", "4.4.1"))["sg_event_id"]  # type: ignore[index]


@pytest.mark.parametrize("date", ["Tue, 06 Oct 2026 15:01:00 +0000", "Mon, 01 Jan 2001 00:00:00 +0000", "nonsense"])
def test_a_date_that_cannot_be_is_replaced_by_when_it_came(date):
    assert read(report(date=date))["timestamp"] == int(NOW.timestamp())  # type: ignore[index]


@pytest.mark.parametrize(
    ("line", "kind", "status", "type_"),
    [
        ("Remote host said: 550 sorry, no mailbox here by that name", "bounce", "5.1.1", "bounce"),
        ("<<< 552 mailbox is full", "bounce", "5.2.2", "blocked"),
        ("554-your address 192.0.2.1 is listed", "bounce", "5.7.0", "blocked"),
        ("421 try again", "deferred", "4.0.0", None),
    ],
)
def test_an_old_servers_prose_counts_by_the_reply_that_it_repeats(line, kind, status, type_):
    raw = f"From: MAILER-DAEMON@old.example\nTo: {OURS}\nSubject: failure notice\n\nHi. This is the qmail-send program.\n{line}\n"
    event = read(raw.encode())
    assert event is not None
    assert (event["event"], event["status"], event.get("type")) == (kind, status, type_)


def test_a_servers_own_prose_counts_when_it_has_a_status():
    raw = f"From: Mail Delivery System <mailer-daemon@old.example>\nTo: {OURS}\nSubject: failure\n\n550 5.1.1 unknown user\n"
    event = read(raw.encode())
    assert event is not None
    assert (event["event"], event["type"], event["reason"]) == ("bounce", "bounce", "550 5.1.1 unknown user")


@pytest.mark.parametrize(
    "raw",
    [
        f"From: Joe <joe@shop.example>\nTo: {OURS}\nSubject: Out of office\nAuto-Submitted: auto-replied\n\n5.1.1 is my street\n",
        f"From: Joe <joe@shop.example>\nTo: {OURS}\nSubject: hello\n\nerror 5.1.1\n",
        f"From: mailer-daemon@old.example\nTo: {OURS}\n\nsomething went wrong\n",
        "",
        "\x00\xff",
    ],
)
def test_what_is_no_bounce_is_none(raw):
    assert read(raw.encode("latin-1")) is None


def test_a_report_cut_anywhere_never_raises():
    raw = report()
    for end in range(0, len(raw), 7):
        read(raw[:end])
