"""The typed form of config/sourcing.yaml: splitting of searches, chains, imported files."""

from __future__ import annotations

import datetime as dt
import functools

import pydantic

from leadfactory import yaml_config


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Splitting(_Strict):
    """Metres, the most parts of one target, and the days before one that had nothing new is searched again on our own count."""

    zip_half_side_m: float = pydantic.Field(gt=0, le=28_000)
    least_half_side_m: float = pydantic.Field(gt=0)
    most_parts: int = pydantic.Field(ge=5)
    look_again_days: int = pydantic.Field(ge=1)


class Chains(_Strict):
    """``places``: how many doors under one name make a chain; ``known`` and ``not_chains`` decide by name."""

    places: int = pydantic.Field(ge=2)
    known: tuple[str, ...]
    not_chains: tuple[str, ...]


class Imports(_Strict):
    """Limits of files, and headings that need no ``--map``."""

    most_rows: int = pydantic.Field(ge=1)
    most_bytes: int = pydantic.Field(ge=1)
    longest_field: int = pydantic.Field(ge=100)
    errors_shown: int = pydantic.Field(ge=1)
    headings: dict[str, tuple[str, ...]]


class SourcingRules(_Strict):
    """config/sourcing.yaml."""

    as_of: dt.date
    splitting: Splitting
    chains: Chains
    imports: Imports


@functools.lru_cache(maxsize=1)
def rules() -> SourcingRules:
    """The checked content of the file.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("sourcing", SourcingRules)
