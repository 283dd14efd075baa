"""DAGSTER_HOME under our home, so that the repository root stays clean."""

from __future__ import annotations

import os
import shutil

from leadfactory.settings import ROOT, Settings

EVENT_BATCH_SIZE = "50"  # events of one step that reach the database in one statement


def prepare(settings: Settings) -> dict[str, str]:
    """Writes our dagster.yaml into DAGSTER_HOME and returns the variables that Dagster's processes need.

    Raises:
        OSError: when the folder cannot be written.
    """
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    beside = home / f"dagster.yaml.{os.getpid()}"
    shutil.copyfile(ROOT / "dagster.yaml", beside)
    beside.replace(home / "dagster.yaml")  # whole at any moment: a running daemon may read it
    return {
        "DAGSTER_HOME": str(home),
        "LEADFACTORY_HOME": str(settings.home),
        "DAGSTER_EVENT_BATCH_SIZE": EVENT_BATCH_SIZE,
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
