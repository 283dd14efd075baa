"""PageSpeed Insights as a resource; the protocol lives in ``leadfactory.d00_gateway.pagespeed``."""

from __future__ import annotations

import dagster as dg

from leadfactory.d00_gateway.gateway import shared
from leadfactory.d00_gateway.pagespeed import PagespeedClient
from leadfactory.settings import settings


class PagespeedResource(dg.ConfigurableResource[PagespeedClient]):
    """PageSpeed Insights v5: PAGESPEED_BASE_URL and GOOGLE_API_KEY, or the vendor sandbox."""

    def create_resource(self, context: dg.InitResourceContext) -> PagespeedClient:
        """A plain client over this process's gateway."""
        return PagespeedClient(shared(settings()), settings())
