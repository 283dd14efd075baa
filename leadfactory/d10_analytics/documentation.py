"""The marts' documentation as one page, made by dbt from a copy of the published file."""

from __future__ import annotations

import shutil
from pathlib import Path

from leadfactory.d10_analytics import warehouse
from leadfactory.settings import Settings


def write_docs(settings: Settings, *, run: warehouse.Run = warehouse.run_dbt) -> Path:
    """The documentation of the project as one page: every model, column, test and the lineage, with the published rows' statistics.

    Raises:
        MartsError: when nothing was published yet, or dbt fails.
    """
    if not settings.warehouse.is_file():
        raise warehouse.MartsError(
            f"no marts are published at {settings.warehouse}: run the jobs lake and marts, or `make demo`"
        )
    with warehouse.building(settings) as side:
        shutil.copyfile(settings.warehouse, side)  # dbt opens it for writing
        run(["docs", "generate", "--static"], warehouse.environment(settings, side))
    return settings.home / "dbt" / "target" / "static_index.html"
