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
from urllib.parse import unquote, urlsplit

import httpx

from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.mail import SMTP, Mail
from leadfactory.d00_gateway.redaction import redact
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.settings import Settings, SettingsError

_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
# One line a header: folding List-Unsubscribe broke DKIM signatures at Gmail.
_LEADING_DOT = re.compile(rb"(?m)^\.")
_POLICY = email.policy.SMTP.clone(max_line_length=998)


@dataclasses.dataclass(frozen=True)
class Relay:
    """Where mail is handed over. TLS from the start (smtps), else STARTTLS, which only a loopback address may do without."""

    host: str
    port: int
    user: str | None
    password: str | None
    implicit_tls: bool

    @classmethod
    def of(cls, url: str) -> Relay:
        """The relay that SMTP_URL names.

        Raises:
            SettingsError: it names none.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in _PORTS or not parts.hostname or port == -1:
            raise SettingsError(
                "SMTP_URL is no address of a relay: write smtps://user:password@host:465, or smtp://… for STARTTLS"
            )
        user, password = (unquote(text) if text else None for text in (parts.username, parts.password))
        return cls(parts.hostname, port or _PORTS[parts.scheme], user, password, parts.scheme == "smtps")


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


class _Wire(httpx.AsyncBaseTransport):
    """Speaks SMTP for one request: its body is the message, its extension ``envelope`` sender and recipient; none: login only."""

    def __init__(self, relay: Relay, timeout_s: float) -> None:
        self._relay, self._timeout_s = relay, timeout_s

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        envelope, message = request.extensions.get("envelope"), await request.aread()
        code, said = await asyncio.to_thread(self._conversation, envelope, message)
        status = 202 if 200 <= code < 300 else 422 if code >= 500 else 425
        return httpx.Response(status, json={"code": code, "message": redact(said)[:200]}, request=request)

    def _conversation(self, envelope: tuple[str, str] | None, message: bytes) -> tuple[int, str]:
        """The reply that counts; errors before the message was handed over are told as such.

        Raises:
            VendorUnavailable: nothing can have been accepted.
            httpx.ReadError: the connection was lost after the message was handed over.
        """
        handed_over = False
        try:
            with self._connected() as server:
                if envelope is None:
                    return 250, "ok"
                for reply in (lambda: server.mail(envelope[0]), lambda: server.rcpt(envelope[1])):
                    code, said = reply()
                    if code >= 300:
                        return code, said.decode(errors="replace")
                server.putcmd("data")
                code, said = server.getreply()
                if code != 354:
                    return (code if code >= 400 else 451), said.decode(errors="replace")
                handed_over = True
                server.send(_LEADING_DOT.sub(b"..", message.rstrip(b"\r\n")) + b"\r\n.\r\n")
                code, said = server.getreply()
                return code, said.decode(errors="replace")
        except smtplib.SMTPResponseException as error:  # greeting, EHLO, STARTTLS or login refused
            detail = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)  # fmt: skip
            raise VendorUnavailable(
                SMTP, "message", "login_refused" if error.smtp_code in (530, 534, 535) else "relay_refused",
                status=error.smtp_code, detail=redact(detail)[:200], left_the_house=False,
            ) from None  # fmt: skip
        except (smtplib.SMTPException, OSError) as error:
            if handed_over:
                raise httpx.ReadError(str(error)) from error
            reason = "tls_error" if isinstance(error, ssl.SSLError) else "connect_failed"
            raise VendorUnavailable(
                SMTP, "message", reason, detail=redact(str(error))[:200], left_the_house=False
            ) from None

    def _connected(self) -> Session:
        return Session(self._relay, self._timeout_s)


class Session:
    """An open, logged-in connection, closed without waiting for an answer: what was accepted stays accepted."""

    def __init__(self, relay: Relay, timeout_s: float) -> None:
        self._relay, self._timeout_s = relay, timeout_s
        self._server: smtplib.SMTP | None = None

    def __enter__(self) -> smtplib.SMTP:
        relay, trusted = self._relay, ssl.create_default_context()
        if relay.implicit_tls:
            self._server = smtplib.SMTP_SSL(relay.host, relay.port, timeout=self._timeout_s, context=trusted)
        else:
            self._server = smtplib.SMTP(relay.host, relay.port, timeout=self._timeout_s)
        try:
            self._server.ehlo_or_helo_if_needed()
            if not relay.implicit_tls and relay.host not in _LOOPBACK:
                self._server.starttls(context=trusted)
                self._server.ehlo()
            if relay.user:
                self._server.login(relay.user, relay.password or "")
        except BaseException:
            self._server.close()
            raise
        return self._server

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()


def _fault(response: httpx.Response) -> VendorError | None:
    """A permanent refusal is for ever; a passing one accepted nothing."""
    if response.status_code == 202:
        return None
    told = response.json()
    code, detail = int(told["code"]), str(told["message"])
    if response.status_code == 422:
        return VendorRejected(SMTP, "message", "refused", status=code, detail=detail)
    return VendorUnavailable(SMTP, "message", "refused_for_now", status=code, detail=detail, left_the_house=False)
