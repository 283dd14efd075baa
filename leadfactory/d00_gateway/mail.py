"""One mail as every mailer takes it. Holds no vendor and no wire."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping

SENDGRID, SMTP = "sendgrid", "smtp"
MAILERS = (SENDGRID, SMTP)


@dataclasses.dataclass(frozen=True)
class Mail:
    """One mail to one recipient.

    ``custom_args`` come back with every SendGrid event: ids only, never an address. ``mailer`` names the adapter that takes it;
    ``bounce_to`` is the envelope sender under which its bounces return (SMTP only; SendGrid has its own).
    """

    send_id: uuid.UUID
    to_email: str
    from_email: str
    from_name: str
    reply_to: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    to_name: str | None = None
    custom_args: Mapping[str, str] = dataclasses.field(default_factory=dict)
    categories: tuple[str, ...] = ()
    mailer: str = SENDGRID
    bounce_to: str | None = None
