"""SMTP: an own mailbox or relay behind the same gateway, so that each attempt has its permit, its cost and its ledger row.

The wire below the gateway's transport speaks SMTP where the other vendors' speaks HTTP: a reply of 2xx becomes 202, a permanent
refusal 422, a passing one 425: it is about one recipient and says nothing of the relay's health. What is lost after the message was handed over is unknown.
"""

from __future__ import annotations

import asyncio
import dataclasses
import email.message
import email.policy
import email.utils
import re
import smtplib
import ssl
from email.headerregistry import Address

import httpx

from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.mail import SMTP, Mail
from leadfactory.d00_gateway.redaction import redact
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.d00_gateway.smtp_sessions import Relay, Session, Sessions
from leadfactory.keyed_hashes import ascii_domain
from leadfactory.settings import Settings

_CLOSING, _DONE = 421, 250
# One line a header: folding List-Unsubscribe broke DKIM signatures at Gmail.
_LEADING_DOT = re.compile(rb"(?m)^\.")
_POLICY = email.policy.SMTP.clone(max_line_length=998)


class SmtpClient:
    """One relay over the gateway; holds nothing that belongs to an event loop."""

    name = SMTP

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        """
        Raises:
            SettingsError: SMTP_URL names no relay.
        """
        self.gateway = gateway
        self._relay = Relay.of(settings.smtp_url.get_secret_value())
        self._price = gateway.policies.price(SMTP, "mail").microusd
        timeout = gateway.policies.of(SMTP).timeout_s
        self._wire = lambda: _Wire(self._relay, timeout)

    async def send(self, mail: Mail) -> str:
        """Hands one mail over, once; its Message-ID.

        Raises:
            VendorRejected: refused; it was not sent.
            VendorUnavailable: ``left_the_house`` False: it provably was not sent; True: nobody knows.
        """
        spec = CallSpec("message", worst_case_microusd=self._price, safe_to_retry=False, fault_of=_fault)
        mail = dataclasses.replace(mail, to_email=_sayable(mail.to_email))
        built = mime(mail)
        with self.gateway.calling(spec):
            await self.gateway.http(SMTP, wire=self._wire).post(
                f"http://{self._relay.host}:{self._relay.port}/",
                content=built.as_bytes(policy=_POLICY),
                extensions={"envelope": (mail.bounce_to or mail.from_email, mail.to_email)},
            )
        return str(built["Message-ID"])

    async def ping(self) -> str:
        """Logs in and sends nothing.

        Raises:
            VendorRejected, VendorUnavailable: as ``send``.
        """
        with self.gateway.calling(CallSpec("login", fault_of=_fault)):
            await self.gateway.http(SMTP, wire=self._wire).post(f"http://{self._relay.host}:{self._relay.port}/")
        return "ok"


def mime(mail: Mail) -> email.message.EmailMessage:
    """The message as it goes over the wire: text before HTML, every header on one line, its id from the send's."""
    built = email.message.EmailMessage(policy=_POLICY)
    local, _, domain = mail.from_email.rpartition("@")
    built["From"] = Address(mail.from_name, local, domain)
    built["To"] = mail.to_email
    built["Reply-To"] = mail.reply_to
    built["Subject"] = mail.subject
    built["Message-ID"] = f"<{mail.send_id}@{domain}>"
    built["Date"] = email.utils.localtime()
    for name, value in mail.headers.items():
        built[name] = value
    built.set_content(mail.text, cte="quoted-printable")
    built.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return built


def _sayable(address: str) -> str:
    """The address in ASCII, as every relay takes it.

    Raises:
        VendorRejected: its local part has none, or it has no place in a header.
    """
    local, _, domain = address.rpartition("@")
    said = f"{local}@{ascii_domain(domain)}"
    if not said.isascii() or not said.isprintable():
        raise VendorRejected(SMTP, "message", "address_not_ascii", detail="a relay without SMTPUTF8 cannot be told it")
    return said


class _Wire(httpx.AsyncBaseTransport):
    """Speaks SMTP for one request: its body is the message, its extension ``envelope`` sender and recipient; none: login only.

    Connections are kept between requests. One that is found gone before the message was handed over is replaced, once: nothing can
    have been accepted on it.
    """

    def __init__(self, relay: Relay, timeout_s: float) -> None:
        self._sessions = Sessions(relay, timeout_s)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        envelope, message = request.extensions.get("envelope"), await request.aread()
        code, said = await asyncio.to_thread(self._conversation, envelope, message)
        status = 202 if 200 <= code < 300 else 422 if code >= 500 else 425
        return httpx.Response(status, json={"code": code, "message": redact(said)[:200]}, request=request)

    async def aclose(self) -> None:
        self._sessions.close()

    def _conversation(self, envelope: tuple[str, str] | None, message: bytes) -> tuple[int, str]:
        """The reply that counts; errors before the message was handed over are told as such.

        Raises:
            VendorUnavailable: nothing can have been accepted.
            httpx.ReadError: the connection was lost after the message was handed over.
        """
        kept = None if envelope is None else self._sessions.kept()
        if kept is not None and envelope is not None:
            try:
                return self._exchange(kept, envelope, message)
            except _Gone:
                pass  # the relay had hung up meanwhile
        try:
            fresh = self._sessions.fresh()
            if envelope is None:
                self._sessions.keep(fresh)
                return 250, "ok"
            return self._exchange(fresh, envelope, message)
        except smtplib.SMTPResponseException as error:  # greeting, EHLO, STARTTLS or login refused
            detail = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)  # fmt: skip
            raise VendorUnavailable(
                SMTP, "message", "login_refused" if error.smtp_code in (530, 534, 535) else "relay_refused",
                status=error.smtp_code, detail=redact(detail)[:200], left_the_house=False,
            ) from None  # fmt: skip
        except (smtplib.SMTPException, OSError) as error:
            reason = "tls_error" if isinstance(error, ssl.SSLError) else "connect_failed"
            raise VendorUnavailable(
                SMTP, "message", reason, detail=redact(str(error))[:200], left_the_house=False
            ) from None

    def _exchange(self, session: Session, envelope: tuple[str, str], message: bytes) -> tuple[int, str]:
        """One message over an open session, which is kept when it is fit for the next.

        Raises:
            _Gone: nothing was handed over. httpx.ReadError: lost after that.
        """
        server, handed_over = session.server, False
        try:
            for reply in (lambda: server.mail(envelope[0]), lambda: server.rcpt(envelope[1])):
                code, said = reply()
                if code >= 300:
                    return self._refused(session, code, said)
            server.putcmd("data")
            code, said = server.getreply()
            if code != 354:
                return self._refused(session, code if code >= 400 else 451, said)
            handed_over = True
            server.send(_LEADING_DOT.sub(b"..", message.rstrip(b"\r\n")) + b"\r\n.\r\n")
            code, said = server.getreply()
        except (smtplib.SMTPException, OSError) as error:
            session.close()
            if handed_over:
                raise httpx.ReadError(str(error)) from error
            raise _Gone(str(error)) from error
        if 200 <= code < 300:
            self._sessions.keep(session)
        else:
            session.close()
        return code, said.decode(errors="replace")

    def _refused(self, session: Session, code: int, said: bytes) -> tuple[int, str]:
        """A refusal before the message; the session forgets the envelope, or is not used again.

        Raises:
            _Gone: 421 on a session that served before: the relay ends it, and says nothing of this mail.
        """
        if code == _CLOSING and session.served:
            session.close()
            raise _Gone(said.decode(errors="replace"))
        try:
            fit = code != _CLOSING and session.server.rset()[0] == _DONE
        except (smtplib.SMTPException, OSError):
            fit = False
        if fit:
            self._sessions.keep(session)
        else:
            session.close()
        return code, said.decode(errors="replace")


class _Gone(smtplib.SMTPServerDisconnected):
    """The connection ended, or is ended by the relay, before anything was handed over."""


def _fault(response: httpx.Response) -> VendorError | None:
    """A permanent refusal is for ever; a passing one accepted nothing."""
    if response.status_code == 202:
        return None
    told = response.json()
    code, detail = int(told["code"]), str(told["message"])
    if response.status_code == 422:
        return VendorRejected(SMTP, "message", "refused", status=code, detail=detail)
    return VendorUnavailable(SMTP, "message", "refused_for_now", status=code, detail=detail, left_the_house=False)
