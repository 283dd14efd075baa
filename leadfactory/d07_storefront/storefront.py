"""The typed form of config/storefront.yaml."""

from __future__ import annotations

import datetime as dt
import functools

import pydantic

from leadfactory import yaml_config


class Storefront(pydantic.BaseModel):
    """config/storefront.yaml."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    as_of: dt.date
    product_name: str = pydantic.Field(min_length=1, max_length=120)
    terms_version: str
    invoice: bool
    automatic_tax: bool
    claim_hours: int = pydantic.Field(ge=1, le=23)
    least_minutes: pydantic.PositiveInt
    fresh_days: pydantic.PositiveInt


@functools.lru_cache(maxsize=1)
def storefront() -> Storefront:
    """The checked content of config/storefront.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("storefront", Storefront)
