"""Hands a text to people: to a Slack-compatible webhook, and by mail to those who have an address. Knows no alert and no night."""

from __future__ import annotations

import email.message
import email.utils
import logging
import smtplib
from collections.abc import Iterable

import httpx

from leadfactory.d00_gateway.redaction import redact
from leadfactory.d00_gateway.smtp_sessions import Relay, Session
from leadfactory.settings import Settings, SettingsError

log = logging.getLogger(__name__)
TIMEOUT_S = 10.0


class NobodyTold(RuntimeError):
    """No channel took the text; the message says what each answered."""


def tell(settings: Settings, subject: str, text: str, addresses: Iterable[str]) -> list[str]:
    """Sends the text on every channel that is set; the names of those that took it.

    Without any channel it is in the log, which is a channel too in development.

    Raises:
        NobodyTold: channels are set, and none took it.
    """
    took, failed = [], []
    if settings.alert_webhook_url.get_secret_value():
        try:
            _slack(settings, f"*{subject}*\n{text}")
            took.append("webhook")
        except httpx.HTTPError as error:
            failed.append(f"webhook: {type(error).__name__}")
    to = sorted(set(addresses))
    if settings.alert_smtp_url.get_secret_value() and to:
        try:
            _mail(settings, subject, text, to)
            took.append("mail")
        except (smtplib.SMTPException, OSError, SettingsError) as error:
            failed.append(f"mail: {type(error).__name__}")
    if failed and not took:
        raise NobodyTold("; ".join(failed))
    for each in failed:
        log.warning("told by %s, but not by %s", took, each)
    if not took:
        log.warning(
            "no channel is set (LEADFACTORY_ALERT_WEBHOOK_URL, LEADFACTORY_ALERT_SMTP_URL): %s\n%s", subject, text
        )
        return ["log"]
    return took


def _slack(settings: Settings, text: str) -> None:
    answer = httpx.post(settings.alert_webhook_url.get_secret_value(), json={"text": text}, timeout=TIMEOUT_S)
    answer.raise_for_status()


def _mail(settings: Settings, subject: str, text: str, to: list[str]) -> None:
    mail = email.message.EmailMessage()
    mail["From"] = settings.alert_from or to[0]
    mail["To"] = ", ".join(to)
    mail["Subject"] = redact(subject)
    mail["Date"] = email.utils.formatdate()
    mail["Message-ID"] = email.utils.make_msgid(domain=mail["From"].rpartition("@")[2] or None)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    with Session(Relay.of(settings.alert_smtp_url.get_secret_value()), TIMEOUT_S) as relay:
        relay.send_message(mail)
