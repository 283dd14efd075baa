"""The typed form of config/pages.yaml: what the landing page shows, how long it holds, how large a form may be."""

from __future__ import annotations

import datetime as dt
import functools

import pydantic

from leadfactory import yaml_config


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Landing(_Strict):
    """How much the landing page tells, and until when."""

    findings_in_full: pydantic.PositiveInt
    valid_days: pydantic.PositiveInt
    measured_again_after_days: pydantic.PositiveInt


class PagesConfig(_Strict):
    """config/pages.yaml."""

    as_of: dt.date
    landing: Landing
    form_bytes: pydantic.PositiveInt


@functools.lru_cache(maxsize=1)
def config() -> PagesConfig:
    """The checked content of config/pages.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("pages", PagesConfig)
