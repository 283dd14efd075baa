"""The typed form of config/edge.yaml: how much of the edge one client may take. The buckets are edge/limits.py."""

from __future__ import annotations

import datetime as dt
import functools

import pydantic

from leadfactory import yaml_config


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Rate(_Strict):
    """At most ``burst`` at once, ``a_minute`` in the long run."""

    burst: pydantic.PositiveInt
    a_minute: pydantic.PositiveInt


class EdgeRules(_Strict):
    """config/edge.yaml."""

    as_of: dt.date
    address: Rate
    stops: Rate
    key: Rate
    at_once: pydantic.PositiveInt
    body_s: pydantic.PositiveFloat
    answer_s: pydantic.PositiveFloat
    body_bytes: pydantic.PositiveInt
    url_letters: pydantic.PositiveInt


@functools.lru_cache(maxsize=1)
def rules() -> EdgeRules:
    """The checked content of config/edge.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("edge", EdgeRules)
