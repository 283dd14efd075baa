"""What enrichment goes by: the typed form of config/enrichment.yaml."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Literal

import pydantic
from pydantic import Field, PositiveFloat, PositiveInt

from leadfactory import yaml_config

EVIDENCE = (
    "phone_same", "phone_differs", "domain_same", "domain_differs", "name_same", "name_close", "name_inside", "name_differs",
    "door_same", "door_differs", "near", "close", "around", "category_same", "category_differs",
)  # fmt: skip
Group = Literal["import", "own_role", "own_person", "free_mail", "claimed"]


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Area(_Strict):
    """When searches of an area are bought, and how large one is."""

    least_businesses: PositiveInt
    businesses_per_tile: PositiveInt
    margin_m: PositiveFloat
    pages: int = Field(ge=1, le=3)
    places_per_km2: PositiveFloat
    guess_most: float = Field(gt=0, le=1)
    guess_weighs: PositiveFloat
    pays: float = Field(ge=1)


class Single(_Strict):
    """How one business is looked up."""

    radius_m: float = Field(gt=0, le=50_000)
    candidates: int = Field(ge=1, le=20)


class Places(_Strict):
    """How Google is asked."""

    area: Area
    single: Single


class Match(_Strict):
    """The calibrated judgement of a place: log-odds by evidence, and what vetoes."""

    accept: float = Field(gt=0, lt=1)
    near_m: PositiveFloat
    close_m: PositiveFloat
    far_m: PositiveFloat
    vetoed_most: float = Field(ge=0, lt=1)
    calibrated_on: dt.date
    set: str
    pairs: int
    brier: float
    ece: float
    intercept: float
    coefficients: dict[str, float]

    @pydantic.field_validator("coefficients")
    @classmethod
    def _whole(cls, given: dict[str, float]) -> dict[str, float]:
        wrong = sorted(set(EVIDENCE) ^ set(given))
        if wrong:
            raise ValueError(
                f"lacks or does not know {', '.join(wrong)}: give exactly {', '.join(EVIDENCE)}, 0 for no weight"
            )
        return given


class OwnSite(_Strict):
    """How sure a field of the own site is by what the listing says of it."""

    agrees: float = Field(ge=0, le=1)
    alone: float = Field(ge=0, le=1)
    differs: float = Field(ge=0, le=1)


class Survivorship(_Strict):
    """How sure a field is by its source."""

    website: dict[Literal["import", "yelp", "places"], float]
    own_site: OwnSite
    unverified: float = Field(ge=0, le=1)
    target_place: float = Field(ge=0, le=1)


class ContactRules(_Strict):
    """Which published address is the one to write to."""

    pages: int = Field(ge=0, le=2)
    order: tuple[Group, ...]
    confidence: dict[Literal["import", "mailto", "json_ld", "text", "decoded"], float]
    no_mx_but_address: float = Field(ge=0, le=1)
    roles: tuple[str, ...]
    refused_locals: frozenset[str]
    refused_domains: frozenset[str]
    designer_words: tuple[str, ...]


class MailCheck(_Strict):
    """How long a name server is waited for."""

    timeout_s: PositiveFloat
    attempts: PositiveInt
    exchangers: PositiveInt


class Policy(_Strict):
    """config/enrichment.yaml."""

    as_of: dt.date
    places: Places
    match: Match
    survivorship: Survivorship
    contact: ContactRules
    mail_check: MailCheck


@functools.lru_cache(maxsize=1)
def policy() -> Policy:
    """The checked file.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("enrichment", Policy)
