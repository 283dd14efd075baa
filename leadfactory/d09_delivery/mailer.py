"""The port that every mail leaves by, and who stands behind it: the adapter that the mail names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway, shared
from leadfactory.d00_gateway.mail import SENDGRID, SMTP, Mail
from leadfactory.settings import Settings


class Mailer(Protocol):
    """Hands mails over, each once.

    ``send`` gives the id under which the mailer speaks of the mail. It raises VendorRejected (refused for ever), or
    VendorUnavailable: with ``left_the_house=False`` the mail provably did not leave, else nobody knows.
    """

    name: str
    gateway: Gateway

    async def send(self, mail: Mail) -> str: ...


class PostOffice:
    """All mailers of a process: each mail goes to the one it names. One that is not set up takes nothing."""

    name = "post office"

    def __init__(self, gateway: Gateway, mailers: Mapping[str, Mailer]) -> None:
        self.gateway, self._mailers = gateway, dict(mailers)

    @classmethod
    def of(cls, settings: Settings, gateway: Gateway | None = None) -> PostOffice:
        """SendGrid, and SMTP when SMTP_URL is set.

        Raises:
            SettingsError: SMTP_URL names no relay.
        """
        from leadfactory.d00_gateway.sendgrid import SendGridClient
        from leadfactory.d00_gateway.smtp import SmtpClient

        gateway = gateway or shared(settings)
        mailers: dict[str, Mailer] = {SENDGRID: SendGridClient(gateway, settings)}
        if settings.smtp_url.get_secret_value():
            mailers[SMTP] = SmtpClient(gateway, settings)
        return cls(gateway, mailers)

    async def send(self, mail: Mail) -> str:
        """Hands the mail to the adapter that it names.

        Raises:
            VendorRejected, VendorUnavailable: as the adapter; ``not_configured`` when there is no such adapter here.
        """
        mailer = self._mailers.get(mail.mailer)
        if mailer is None:
            raise VendorUnavailable(
                mail.mailer, "mail", "not_configured", detail="set SMTP_URL, or give the campaign another mailer", left_the_house=False
            )  # fmt: skip
        return await mailer.send(mail)
