"""Yelp as a resource; the protocol lives in ``leadfactory.d00_gateway.yelp``."""

from __future__ import annotations

import dagster as dg

from leadfactory.d00_gateway.gateway import shared
from leadfactory.d00_gateway.yelp import YelpClient
from leadfactory.settings import settings


class YelpResource(dg.ConfigurableResource[YelpClient]):
    """Yelp Places API: YELP_BASE_URL and YELP_API_KEY, or the vendor sandbox."""

    def create_resource(self, context: dg.InitResourceContext) -> YelpClient:
        """A plain client over this process's gateway."""
        return YelpClient(shared(settings()), settings())
