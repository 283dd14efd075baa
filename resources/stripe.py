"""Stripe as a resource; the protocol lives in ``leadfactory.d00_gateway.stripe``."""

from __future__ import annotations

import dagster as dg

from leadfactory.d00_gateway.gateway import shared
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.settings import settings


class StripeResource(dg.ConfigurableResource[StripeClient]):
    """Stripe: STRIPE_BASE_URL and STRIPE_API_KEY, or the vendor sandbox."""

    def create_resource(self, context: dg.InitResourceContext) -> StripeClient:
        """A plain client over this process's gateway."""
        return StripeClient(shared(settings()), settings())
