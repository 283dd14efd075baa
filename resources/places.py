"""Google Places as a resource; the protocol lives in ``leadfactory.d00_gateway.places``."""

from __future__ import annotations

import dagster as dg

from leadfactory.d00_gateway.gateway import shared
from leadfactory.d00_gateway.places import PlacesClient
from leadfactory.settings import settings


class PlacesResource(dg.ConfigurableResource[PlacesClient]):
    """Places API (New): PLACES_BASE_URL and GOOGLE_API_KEY, or the vendor sandbox."""

    def create_resource(self, context: dg.InitResourceContext) -> PlacesClient:
        """A plain client over this process's gateway."""
        return PlacesClient(shared(settings()), settings())
