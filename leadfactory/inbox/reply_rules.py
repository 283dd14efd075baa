"""The typed form of config/replies.yaml: what is taken, how long it is kept, and the words by which an answer is understood."""

from __future__ import annotations

import datetime as dt
import functools
import re
import unicodedata

import pydantic

from leadfactory import yaml_config


def plain(text: str) -> str:
    """Lower case, without accents and apostrophes ("Don't" is "dont"), "e-mail" as "email", "opt-out" as "opt out"."""
    folded = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    joined = re.sub(r"['’‘`´]", "", folded).replace("e-mail", "email")
    return re.sub(r"(?<=\w)-(?=\w)", " ", joined)


class ReplyRules(pydantic.BaseModel):
    """config/replies.yaml. All words are in lower case there, and plain here, as what they are looked for in."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    as_of: dt.date
    body_limit_bytes: int = pydantic.Field(ge=2 * 1024 * 1024)
    old_after_s: pydantic.PositiveInt
    body_days: int = pydantic.Field(ge=1, le=30)
    kept_characters: pydantic.PositiveInt
    automatic_headers: dict[str, tuple[str, ...]]
    automatic_subjects: tuple[str, ...]
    bounce_senders: tuple[str, ...]
    stop_alone: frozenset[str]
    stop_phrases: tuple[str, ...]
    quote_lines: tuple[str, ...]

    @pydantic.field_validator("automatic_subjects", "stop_alone", "stop_phrases", "quote_lines")
    @classmethod
    def _lower(cls, words: tuple[str, ...] | frozenset[str]) -> tuple[str, ...] | frozenset[str]:
        wrong = sorted(word for word in words if word != word.lower() or not word.strip())
        if wrong:
            raise ValueError(f"{wrong[0]!r} is empty or not in lower case: write it in lower case")
        return type(words)(plain(word) for word in words)


@functools.lru_cache(maxsize=1)
def reply_rules() -> ReplyRules:
    """The checked content of config/replies.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("replies", ReplyRules)
