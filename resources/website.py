"""Businesses' own websites as a resource; the protocol lives in ``leadfactory.d00_gateway.website.client``."""

from __future__ import annotations

import dagster as dg

from leadfactory.d00_gateway.gateway import shared
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.settings import settings


class WebsiteResource(dg.ConfigurableResource[WebsiteClient]):
    """Fetches a business's own site under the SSRF guard; sandbox sites outside production."""

    def create_resource(self, context: dg.InitResourceContext) -> WebsiteClient:
        """A plain client over this process's gateway."""
        return WebsiteClient(shared(settings()), settings())
