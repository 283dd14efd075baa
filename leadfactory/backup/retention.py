"""The typed form of config/retention.yaml: how long things stay."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path

import pydantic

from leadfactory import yaml_config


class Retention(pydantic.BaseModel):
    """config/retention.yaml; days."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    version: str
    as_of: dt.date
    backup_days: pydantic.PositiveInt


@functools.lru_cache(maxsize=4)
def rules(path: Path | None = None) -> Retention:
    """The checked content of config/retention.yaml, read once a process.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("retention", Retention, path)


def backup_days() -> int:
    """For how many days every moment can be restored."""
    return rules().backup_days
