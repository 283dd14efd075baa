"""The typed form of config/retention.yaml: how long things stay."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path

import pydantic

from leadfactory import yaml_config
from leadfactory.archives import Kind


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Rows(_Strict):
    """Rows of a table that go ``days`` after the moment in ``by``; with ``empty`` only those columns of them do."""

    by: str
    days: pydantic.PositiveInt
    empty: tuple[str, ...] = ()


class Files(_Strict):
    """Files or folders below the home, by pattern, that go ``days`` after their last change."""

    what: str
    under: str
    names: tuple[str, ...]
    days: pydantic.PositiveInt


class Retention(_Strict):
    """config/retention.yaml; days."""

    version: str
    as_of: dt.date
    backup_days: pydantic.PositiveInt
    archive: dict[Kind, pydantic.PositiveInt]
    purge: dict[str, Rows]
    keep: dict[str, tuple[str, ...]]
    files: tuple[Files, ...]
    dagster_run_days: pydantic.PositiveInt
    partition_key_days: pydantic.PositiveInt


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
