"""The typed form of config/crawl.yaml: what a crawl of one website may take."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path

import pydantic

from leadfactory import yaml_config
from leadfactory.d00_gateway.website.limits import VisitLimits


class CrawlLimits(pydantic.BaseModel):
    """config/crawl.yaml; counts, seconds, bytes and days."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    version: str
    as_of: dt.date
    requests: pydantic.PositiveInt
    seconds: pydantic.PositiveFloat
    bytes: pydantic.PositiveInt
    heavy_image_bytes: pydantic.PositiveInt
    reuse_days: pydantic.PositiveInt
    reuse_leaves_days: pydantic.NonNegativeInt

    def of_visit(self) -> VisitLimits:
        """What all requests of one site may take."""
        return VisitLimits(self.requests, self.seconds, self.bytes)


@functools.lru_cache(maxsize=4)
def limits(path: Path | None = None) -> CrawlLimits:
    """The checked content of config/crawl.yaml, read once a process.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("crawl", CrawlLimits, path)
