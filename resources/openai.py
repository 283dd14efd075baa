"""OpenAI as a resource; the protocol lives in ``leadfactory.d00_gateway.openai``."""

from __future__ import annotations

import dagster as dg

from leadfactory.d00_gateway.gateway import shared
from leadfactory.d00_gateway.openai import OpenAIClient
from leadfactory.settings import settings


class OpenAIResource(dg.ConfigurableResource[OpenAIClient]):
    """OpenAI: OPENAI_BASE_URL and OPENAI_API_KEY, or the vendor sandbox."""

    def create_resource(self, context: dg.InitResourceContext) -> OpenAIClient:
        """A plain client over this process's gateway."""
        return OpenAIClient(shared(settings()), settings())
