"""The factory's clock as a resource: LEADFACTORY_CLOCK, or the wall's time when it is unset."""

from __future__ import annotations

import dagster as dg

from leadfactory.clock import Clock
from leadfactory.settings import settings


class ClockResource(dg.ConfigurableResource[Clock]):
    """Yields the plain :class:`leadfactory.clock.Clock` that every decision is handed."""

    def create_resource(self, context: dg.InitResourceContext) -> Clock:
        """The clock of this process."""
        return settings().clock
