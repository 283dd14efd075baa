"""Who sells and answers: the typed form of config/seller.yaml or of the file that LEADFACTORY_SELLER names."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path

import pydantic

from leadfactory import yaml_config
from leadfactory.settings import settings


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, str_min_length=1)


class Processor(_Strict):
    """Somebody who handles data for the seller."""

    name: str
    does: str
    where: str


class Seller(_Strict):
    """The identity behind every page; ``invented`` marks the one of development, which production refuses."""

    as_of: dt.date
    invented: bool
    brand: str
    legal_name: str
    represented_by: str
    postal_address: tuple[str, ...] = pydantic.Field(min_length=1)
    email: str = pydantic.Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    phone: str | None
    registered_at: str | None
    tax_id: str | None
    responsible: str
    governing_law: str
    refund_days: pydantic.NonNegativeInt
    refund_paid_within_days: pydantic.PositiveInt
    answers_within_days: pydantic.PositiveInt
    processors: tuple[Processor, ...]
    terms_version: str

    @property
    def address(self) -> str:
        """The postal address on one line."""
        return ", ".join(self.postal_address)


@functools.lru_cache(maxsize=4)
def seller(path: Path | None = None) -> Seller:
    """The checked identity, read once a process; ``path`` is what LEADFACTORY_SELLER names.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("seller", Seller, path)


def current() -> Seller:
    """The seller of this process's settings."""
    return seller(settings().seller_file)


def problem(path: Path | None) -> str | None:
    """Why production cannot sell or mail under this identity; None when it can."""
    try:
        invented = seller(path).invented
    except yaml_config.ConfigError as error:
        return f"LEADFACTORY_SELLER: {error}"
    if not invented:
        return None
    return (
        "LEADFACTORY_SELLER is missing: copy config/seller.yaml, fill in who you are, set invented: false, and name the copy"
        if path is None
        else f"LEADFACTORY_SELLER={path} says invented: true: fill in who you are and set it to false"
    )
