"""The verticals that a campaign may aim at, from config/verticals.yaml."""

from __future__ import annotations

import datetime as dt
import difflib
import functools
from typing import Literal

import pydantic

from leadfactory import yaml_config

Level = Literal["low", "medium", "high"]


class Vertical(pydantic.BaseModel):
    """One vertical: where vendors file it, and what its customers are like."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    yelp: tuple[str, ...] = pydantic.Field(min_length=1)
    places: tuple[str, ...] = pydantic.Field(min_length=1)
    ticket: Level
    urgency: Level
    maturity: Level
    season: tuple[int, ...] = ()
    aliases: tuple[str, ...] = ()


class _File(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    as_of: dt.date
    verticals: dict[str, Vertical]


@functools.lru_cache(maxsize=1)
def verticals() -> dict[str, Vertical]:
    """All verticals by slug."""
    return yaml_config.load("verticals", _File).verticals


def find(name: str) -> str:
    """The slug that ``name`` or one of its aliases stands for.

    Raises:
        ValueError: names the vertical and the nearest three that exist.
    """
    wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
    known = verticals()
    if wanted in known:
        return wanted
    for slug, vertical in known.items():
        if wanted in vertical.aliases:
            return slug
    names = {alias: slug for slug, vertical in known.items() for alias in (slug, *vertical.aliases)}
    near = list(dict.fromkeys(names[n] for n in difflib.get_close_matches(wanted, names, n=6, cutoff=0.3)))[:3]
    near += [slug for slug in known if slug not in near][: 3 - len(near)]
    raise ValueError(
        f"vertical {name!r} is unknown: did you mean {', '.join(near)}? config/verticals.yaml lists all {len(known)}"
    )
