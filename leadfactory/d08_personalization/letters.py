"""The typed forms of config/email.yaml and config/prices.yaml: patterns, tones, limits, and the price book."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path

import pydantic

from leadfactory import yaml_config

Span = tuple[int, int]


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Limits(_Strict):
    """Lengths a mail must keep, and the spam score at which it is refused."""

    subject_characters: Span
    preview_characters: Span
    sentence_characters: Span
    body_words: Span
    exclamation_marks: int
    spam_score: int


class Tone(_Strict):
    """How a vertical is written to: what it calls its customers, and the style asked of the model."""

    people: str
    style: str


class EmailConfig(_Strict):
    """config/email.yaml."""

    as_of: dt.date
    template_version: str
    guard_version: str
    limits: Limits
    subjects: dict[str, str]
    subject_hooks: dict[str, str]
    tone: dict[str, Tone]

    @pydantic.model_validator(mode="after")
    def _has_defaults(self) -> EmailConfig:
        if not {"plain", "short"} <= set(self.subjects) or "default" not in self.tone:
            raise ValueError(
                "subjects.plain, subjects.short and tone.default are what everything falls back to: add them"
            )
        return self

    def tone_of(self, vertical: str) -> Tone:
        """The tone of a vertical."""
        return self.tone.get(vertical, self.tone["default"])


class PriceBook(_Strict):
    """config/prices.yaml: cents by product."""

    version: str
    as_of: dt.date
    currency: str
    prices: dict[str, pydantic.PositiveInt]
    arms: dict[str, dict[str, pydantic.PositiveInt]] = {}

    def shown(self, product: str) -> str:
        """A price for people: $199, or $199.50."""
        whole, cents = divmod(self.prices[product], 100)
        return f"${whole:,}" if cents == 0 else f"${whole:,}.{cents:02d}"


@functools.lru_cache(maxsize=1)
def config() -> EmailConfig:
    """The checked content of config/email.yaml."""
    return yaml_config.load("email", EmailConfig)


@functools.lru_cache(maxsize=1)
def prices() -> PriceBook:
    """The checked content of config/prices.yaml."""
    return yaml_config.load("prices", PriceBook)


TEMPLATES = Path(__file__).resolve().parent / "templates"
PRODUCT = "full_report"
