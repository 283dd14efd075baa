"""The mailers as one resource: each mail leaves through the adapter that its campaign has; see ``leadfactory.d09_delivery.mailer``."""

from __future__ import annotations

import dagster as dg

from leadfactory.d09_delivery.mailer import PostOffice
from leadfactory.settings import settings


class MailerResource(dg.ConfigurableResource[PostOffice]):
    """SendGrid (SENDGRID_API_KEY, or the vendor sandbox), and SMTP when SMTP_URL is set."""

    def create_resource(self, context: dg.InitResourceContext) -> PostOffice:
        """All mailers of this process over its gateway."""
        return PostOffice.of(settings())
