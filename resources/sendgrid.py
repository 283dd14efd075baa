"""SendGrid as a resource; the protocol lives in ``leadfactory.d00_gateway.sendgrid``."""

from __future__ import annotations

import dagster as dg

from leadfactory.d00_gateway.gateway import shared
from leadfactory.d00_gateway.sendgrid import SendGridClient
from leadfactory.settings import settings


class SendGridResource(dg.ConfigurableResource[SendGridClient]):
    """SendGrid v3: SENDGRID_BASE_URL and SENDGRID_API_KEY, or the vendor sandbox."""

    def create_resource(self, context: dg.InitResourceContext) -> SendGridClient:
        """A plain client over this process's gateway."""
        return SendGridClient(shared(settings()), settings())
