"""DAGSTER_HOME under our home, so that the repository root stays clean."""

from __future__ import annotations

import os
import re

from leadfactory.settings import ROOT, Settings

CELERY = """run_launcher:
  module: resources.celery_runs
  class: LeadFactoryCeleryLauncher
"""
EVENT_BATCH_SIZE = "50"  # events of one step that reach the database in one statement


def prepare(settings: Settings) -> dict[str, str]:
    """Writes our dagster.yaml into DAGSTER_HOME and returns the variables that Dagster's processes need.

    Raises:
        OSError: when the folder cannot be written.
    """
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    beside = home / f"dagster.yaml.{os.getpid()}"
    beside.write_text(instance_yaml(settings))
    beside.replace(home / "dagster.yaml")  # whole at any moment: a running daemon may read it
    return {
        "DAGSTER_HOME": str(home),
        "LEADFACTORY_HOME": str(settings.home),
        "DAGSTER_EVENT_BATCH_SIZE": EVENT_BATCH_SIZE,
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }


def instance_yaml(settings: Settings) -> str:
    """dagster.yaml as this installation runs it: the launcher is the setting's.

    Raises:
        ValueError: when dagster.yaml has no launcher to replace.
    """
    text = (ROOT / "dagster.yaml").read_text()
    if settings.run_launcher == "default":
        return text
    # A run may wait in the broker's queue for a free worker, so it has an hour to start.
    text, launchers = re.subn(r"^run_launcher:\n(?:  .*\n)+", CELERY, text, flags=re.MULTILINE)
    text, waits = re.subn(r"^  start_timeout_seconds: \d+$", "  start_timeout_seconds: 3600", text, flags=re.MULTILINE)
    if (launchers, waits) != (1, 1):
        raise ValueError(
            "dagster.yaml: run_launcher and run_monitoring.start_timeout_seconds are to be there once each"
        )
    return text
