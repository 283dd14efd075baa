"""DAGSTER_HOME under our home, so that the repository root stays clean."""

from __future__ import annotations

import shutil

from leadfactory.settings import ROOT, Settings


def prepare(settings: Settings) -> dict[str, str]:
    """Writes our dagster.yaml into DAGSTER_HOME and returns the variables that Dagster's processes need."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "dagster.yaml", home / "dagster.yaml")
    return {
        "DAGSTER_HOME": str(home),
        "LEADFACTORY_HOME": str(settings.home),
        "DAGSTER_EVENT_BATCH_SIZE": "50",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
