"""The system of record as a resource: yields a plain :class:`leadfactory.database.Database`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from leadfactory import logs
from leadfactory.database import Database
from leadfactory.settings import settings


class DatabaseResource(dg.ConfigurableResource[Database]):
    """Postgres, schema ``leadfactory``: LEADFACTORY_DATABASE_URL, or the embedded server when it is unset."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Database]:
        """One engine for the run, closed with it."""
        run = context.dagster_run if context.run_id else None
        if run is not None:
            facts = {"run_id": run.run_id, "job": run.job_name, "campaign_day": run.tags.get("dagster/partition")}
            logs.configure("run", settings(), main=logs.PIPELINE, stdout=False, facts=facts)
        database = Database.from_settings(settings())
        try:
            yield database
        finally:
            database.dispose()
