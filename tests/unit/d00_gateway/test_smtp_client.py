"""The SMTP mailer against a real server: what is accepted, refused, refused for now, and lost after it was handed over."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import email
import email.policy
import socket
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller

from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.mail import SMTP, Mail
from leadfactory.d00_gateway.smtp import SmtpClient
from leadfactory.d00_gateway.smtp_sessions import MOST_MESSAGES, Relay
from leadfactory.d00_gateway.tables import vendor_calls
from leadfactory.settings import SettingsError
from tests.leads import CLOCK
from tests.postgres import settings_for_tests

MAIL = Mail(
    send_id=uuid.UUID(int=9), to_email="info@shop.example", from_email="ana@mail.leadfactory.example", from_name="Ana Ruiz",
    reply_to="r-abc@reply.leadfactory.example", subject="Was wir auf Ihrer Seite gemessen haben: größer", text="Hello\n.dot\n",
    html="<p>Hello</p>", mailer=SMTP, bounce_to="b-abc@reply.leadfactory.example",
    headers={"List-Unsubscribe": "<https://leadfactory.example/u/" + "x" * 46 + ">", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
)  # fmt: skip


class Server:
    """A mail server that answers each command as it is told, and keeps what it accepted."""

    def __init__(self) -> None:
        self.accepted: list[tuple[str, str, bytes]] = []
        self.replies: dict[str, str] = {}
        self.drop_after_data = False
        self.greeted = 0
        self.hang_up_after = 0
        self.closing_at: set[int] = set()
        self.mails = 0

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.greeted += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.mails += 1
        if self.mails in self.closing_at:
            return "421 4.4.2 idle for too long"
        envelope.mail_from = address
        return self.replies.get("MAIL", "250 OK")

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = self.replies.get("RCPT", "250 OK")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server, session, envelope):
        reply = self.replies.get("DATA", "250 accepted")
        if reply.startswith("250"):
            self.accepted.append((envelope.mail_from, envelope.rcpt_tos[0], envelope.content))
        if self.drop_after_data:
            server.transport.abort()
        elif self.hang_up_after and len(self.accepted) % self.hang_up_after == 0:
            asyncio.get_running_loop().call_later(0.02, server.transport.close)
        return reply


@pytest.fixture
def server() -> Iterator[tuple[Server, int]]:
    handler = Server()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield handler, port
    finally:
        with contextlib.suppress(Exception):
            controller.stop()


def deliver(database, tmp_path, port: int, mail: Mail = MAIL) -> str | VendorError:
    (only,) = deliver_all(database, tmp_path, port, [mail])
    return only


def deliver_all(database, tmp_path, port: int, mails: list[Mail], pause_s: float = 0.0) -> list[str | VendorError]:
    """One mail after the other within one run."""
    settings = settings_for_tests(tmp_path, SMTP_URL=f"smtp://127.0.0.1:{port}")
    gateway = Gateway(database, clock=CLOCK, settings=settings)

    async def send() -> list[str | VendorError]:
        client = SmtpClient(gateway, settings)
        ended: list[str | VendorError] = []
        async with gateway.running():
            for mail in mails:
                try:
                    ended.append(await client.send(mail))
                except VendorError as error:
                    ended.append(error)
                await asyncio.sleep(pause_s)
        return ended

    return asyncio.run(send())


def calls(database) -> list[tuple[str, str, str | None, int]]:
    with database.begin() as tx:
        return [
            (row.vendor, row.status, row.reason, row.cost_microusd) for row in tx.execute(sa.select(vendor_calls)).all()
        ]


def test_an_accepted_mail_has_its_envelope_its_headers_on_one_line_and_its_ledger_row(database, tmp_path, server):
    handler, port = server
    assert deliver(database, tmp_path, port) == f"<{MAIL.send_id}@mail.leadfactory.example>"
    ((sender, recipient, raw),) = handler.accepted
    assert (sender, recipient) == (MAIL.bounce_to, MAIL.to_email)
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert [str(read[name]) for name in ("From", "To", "Reply-To", "Subject")] == [
        "Ana Ruiz <ana@mail.leadfactory.example>", MAIL.to_email, MAIL.reply_to, MAIL.subject,
    ]  # fmt: skip
    assert f"List-Unsubscribe: {MAIL.headers['List-Unsubscribe']}\r\n".encode() in raw
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
    assert read.get_body(("plain",)).get_content().replace("\r\n", "\n") == MAIL.text
    assert calls(database) == [(SMTP, "ok", None, 0)]


def test_an_address_that_no_relay_can_be_told_is_refused_and_the_next_mail_leaves(database, tmp_path, server):
    handler, port = server
    addresses = ("jürgen@shop.example", "jo\n@shop.example", "jo@schön.example")
    mails = [dataclasses.replace(MAIL, send_id=uuid.UUID(int=n), to_email=each) for n, each in enumerate(addresses)]
    *refused, left = deliver_all(database, tmp_path, port, mails)
    assert [each.reason for each in refused if isinstance(each, VendorRejected)] == ["address_not_ascii"] * 2
    assert left == f"<{mails[2].send_id}@mail.leadfactory.example>"
    assert [to for _, to, _ in handler.accepted] == ["jo@xn--schn-7qa.example"]


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_permanent_refusal_is_for_ever(database, tmp_path, server, command):
    handler, port = server
    handler.replies[command] = "550 5.1.1 no such user info@shop.example"
    error = deliver(database, tmp_path, port)
    assert isinstance(error, VendorRejected)
    assert (error.status, handler.accepted) == (550, [])
    assert "@" not in error.detail
    assert [row[1:3] for row in calls(database)] == [("rejected", "refused")]


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_passing_refusal_provably_accepted_nothing(database, tmp_path, server, command):
    handler, port = server
    handler.replies[command] = "451 4.7.1 greylisted, come back later"
    error = deliver(database, tmp_path, port)
    assert isinstance(error, VendorUnavailable)
    assert (error.reason, error.left_the_house) == ("refused_for_now", False)


def test_a_connection_lost_after_the_message_leaves_nobody_knowing(database, tmp_path, server):
    handler, port = server
    handler.drop_after_data = True
    error = deliver(database, tmp_path, port)
    assert isinstance(error, VendorUnavailable)
    assert error.left_the_house
    assert len(handler.accepted) == 1  # it did leave, and nobody on our side can tell
    assert [row[1] for row in calls(database)] == ["unknown"]


def mails(count: int) -> list[Mail]:
    return [dataclasses.replace(MAIL, send_id=uuid.UUID(int=n), to_email=f"info@shop{n}.example") for n in range(count)]


def test_a_batch_leaves_over_one_connection(database, tmp_path, server):
    handler, port = server
    deliver_all(database, tmp_path, port, mails(5))
    assert [recipient for _, recipient, _ in handler.accepted] == [mail.to_email for mail in mails(5)]
    assert handler.greeted == 1


def test_a_connection_serves_so_many_and_no_more(database, tmp_path, server):
    handler, port = server
    deliver_all(database, tmp_path, port, mails(MOST_MESSAGES + 1))
    assert (len(handler.accepted), handler.greeted) == (MOST_MESSAGES + 1, 2)


def test_a_relay_that_hangs_up_between_two_mails_loses_and_doubles_none(database, tmp_path, server):
    handler, port = server
    handler.hang_up_after = 2
    ended = deliver_all(database, tmp_path, port, mails(5), pause_s=0.1)
    assert not [each for each in ended if isinstance(each, VendorError)]
    assert [recipient for _, recipient, _ in handler.accepted] == [mail.to_email for mail in mails(5)]
    assert handler.greeted == 3


def test_a_relay_that_ends_a_kept_connection_in_words_is_connected_again(database, tmp_path, server):
    handler, port = server
    handler.closing_at = {2}
    ended = deliver_all(database, tmp_path, port, mails(2))
    assert not [each for each in ended if isinstance(each, VendorError)]
    assert (len(handler.accepted), handler.greeted) == (2, 2)


def test_a_refused_recipient_leaves_the_connection_to_the_next(database, tmp_path, server):
    handler, port = server
    handler.replies["RCPT"] = "550 5.1.1 no such user"
    ended = deliver_all(database, tmp_path, port, mails(3))
    assert [type(each) for each in ended] == [VendorRejected] * 3
    assert handler.greeted == 1


def test_a_connection_lost_after_a_message_is_not_tried_again_on_a_new_one(database, tmp_path, server):
    handler, port = server
    handler.drop_after_data = True
    ended = deliver_all(database, tmp_path, port, mails(3))
    assert [isinstance(each, VendorUnavailable) and each.left_the_house for each in ended] == [True] * 3
    assert len(handler.accepted) == 3


def test_a_relay_that_is_not_there_took_nothing(database, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = deliver(database, tmp_path, port)
    assert isinstance(error, VendorUnavailable)
    assert (error.reason, error.left_the_house) == ("connect_failed", False)


def test_the_relays_address_is_read_and_a_wrong_one_is_refused_without_its_password():
    found = Relay.of("smtps://ana%40x.example:s%2Fecret@mail.example")
    assert (found.host, found.port, found.user, found.password, found.implicit_tls) == ("mail.example", 465, "ana@x.example", "s/ecret", True)  # fmt: skip
    assert Relay.of("smtp://mail.example:2525").port == 2525
    for wrong in ("http://mail.example", "mail.example:25", "smtp://", "smtp://u:secret@h:port"):
        with pytest.raises(SettingsError, match="SMTP_URL") as refused:
            Relay.of(wrong)
        assert "secret" not in str(refused.value)
