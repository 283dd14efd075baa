"""The typed form of config/letters.yaml: phrases, subject patterns, tones and limits, and the choice among them by business."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import string
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import pydantic

from leadfactory import guard, yaml_config

Span = tuple[int, int]
Letter = Literal["first_touch", "follow_up"]
Choice = TypeVar("Choice")
TEMPLATES = Path(__file__).resolve().parent / "templates"


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


def _phrases(*fields: str, least: int = 2) -> object:
    """A slot: at least ``least`` phrases that use no other {field} than these, no digit, no spam word, no absolute claim."""

    def fit(phrases: tuple[str, ...]) -> tuple[str, ...]:
        for phrase in phrases:
            _check(phrase, fields)
        return phrases

    return Annotated[tuple[str, ...], pydantic.Field(min_length=least), pydantic.AfterValidator(fit)]


def _check(phrase: str, fields: Sequence[str]) -> None:
    try:
        used = {name for _, name, _, _ in string.Formatter().parse(phrase) if name is not None}
    except ValueError as error:
        raise ValueError(f"{phrase!r} is no pattern ({error}): close every brace") from None
    if used - set(fields):
        known = ", ".join(f"{{{name}}}" for name in fields) or "none"
        raise ValueError(f"{phrase!r} uses the unknown field {{{min(used - set(fields))}}}: known here: {known}")
    if any(character.isdigit() for character in phrase):
        raise ValueError(f"{phrase!r} holds a number that nobody measured: take it out")
    if guard.lexicon().spam(phrase):
        raise ValueError(f"{phrase!r} holds a word of the spam lexicon (config/guard.yaml): say it otherwise")
    claim = guard.matches(guard.lexicon().absolute_claims).search(phrase.casefold())
    if claim:
        raise ValueError(f"{phrase!r} makes the absolute claim {claim[0]!r} (config/guard.yaml): say it otherwise")


class Limits(_Strict):
    """Lengths a mail must keep, and the spam score at which it is refused."""

    subject_characters: Span
    preview_characters: Span
    sentence_characters: Span
    body_words: dict[Letter, Span]
    exclamation_marks: pydantic.NonNegativeInt
    spam_score: pydantic.PositiveInt

    @pydantic.field_validator("subject_characters", "preview_characters", "sentence_characters")
    @classmethod
    def _ordered(cls, span: Span) -> Span:
        if not 0 < span[0] <= span[1]:
            raise ValueError(f"{list(span)} is no span: give the least and the most, above zero")
        return span


class Phrases(_Strict):
    """Our own sentences, by slot."""

    named: _phrases("name")  # type: ignore[valid-type]
    unnamed: _phrases("domain")  # type: ignore[valid-type]
    opening: _phrases("domain", "measured_on", "people")  # type: ignore[valid-type]
    quick: _phrases()  # type: ignore[valid-type]
    hook: _phrases()  # type: ignore[valid-type]
    second: _phrases()  # type: ignore[valid-type]
    rest_one: _phrases()  # type: ignore[valid-type]
    rest_many: _phrases("count")  # type: ignore[valid-type]
    call: _phrases("domain")  # type: ignore[valid-type]
    offer: _phrases("price")  # type: ignore[valid-type]
    closing: _phrases()  # type: ignore[valid-type]
    preview: _phrases("domain", "measured_on", "people", least=1)  # type: ignore[valid-type]
    follow_up: _phrases("domain", "first_on")  # type: ignore[valid-type]
    last: _phrases("domain", "first_on")  # type: ignore[valid-type]
    follow_up_head: _phrases()  # type: ignore[valid-type]
    follow_up_preview: _phrases("domain")  # type: ignore[valid-type]


Subjects = _phrases("domain", "hook", "people", least=1)


class SubjectsByArm(_Strict):
    """Subject patterns by arm of the subject experiment, and those of the follow-ups; what is left out is the default's."""

    measured: Subjects = ()  # type: ignore[valid-type]
    plain: Subjects = ()  # type: ignore[valid-type]
    follow_up: Subjects = ()  # type: ignore[valid-type]
    last: Subjects = ()  # type: ignore[valid-type]

    def every(self) -> Iterator[tuple[str, str]]:
        """Arm and pattern of each."""
        for name in type(self).model_fields:
            yield from ((name, pattern) for pattern in getattr(self, name))


class Tone(_Strict):
    """How a vertical is written to."""

    people: str
    style: str
    avoid: tuple[str, ...] = ()
    subjects: SubjectsByArm = SubjectsByArm()


class LettersConfig(_Strict):
    """config/letters.yaml."""

    as_of: dt.date
    template_version: str
    guard_version: str
    limits: Limits
    review_sample_percent: int = pydantic.Field(ge=1, le=100)
    phrases: Phrases
    templates: dict[str, str] = pydantic.Field(min_length=1)
    default_template: str
    footer: str
    unsubscribe: str
    subject_hooks: dict[str, str]
    short_subjects: _phrases()  # type: ignore[valid-type]
    tones: dict[str, Tone]

    @pydantic.model_validator(mode="after")
    def _whole(self) -> LettersConfig:
        default = self.tones.get("default")
        if default is None or not all(getattr(default.subjects, arm) for arm in SubjectsByArm.model_fields):
            raise ValueError(
                "tones.default needs subjects for measured, plain, follow_up and last: others fall back to it"
            )
        _check(self.footer, ("sender", "postal_address", "domain"))
        if self.default_template not in self.templates:
            raise ValueError(
                f"default_template={self.default_template!r} is none of {', '.join(sorted(self.templates))}"
            )
        missing = [
            f"templates.{arm}={name!r}" for arm, name in self.templates.items() if not (TEMPLATES / name).is_file()
        ]
        if missing:
            raise ValueError(f"{missing[0]} is no file in {TEMPLATES}: name one, or write it")
        for unit, hook in self.subject_hooks.items():
            if "{measured}" not in hook:
                raise ValueError(f"subject_hooks.{unit}={hook!r} does not say {{measured}}: it is what the hook is for")
        for vertical, tone in self.tones.items():
            for arm, pattern in tone.subjects.every():
                if ("{hook}" in pattern) != (arm == "measured"):
                    raise ValueError(
                        f"tones.{vertical}.subjects.{arm}={pattern!r}: {{hook}} belongs to the patterns of measured alone"
                    )
                avoided = tone.avoid and guard.matches(tone.avoid).search(pattern.casefold())
                if avoided:
                    raise ValueError(
                        f"tones.{vertical}.subjects.{arm}={pattern!r} uses {avoided[0]!r}, which this vertical avoids"
                    )
        for arm, pattern in ((a, p) for t in self.tones.values() for a, p in t.subjects.every()):
            if ("{hook}" in pattern) != (arm == "measured"):
                raise ValueError(
                    f"subjects.{arm}={pattern!r}: {{hook}} belongs to the patterns of measured, and to them only"
                )
        return self

    def tone_of(self, vertical: str) -> Tone:
        """The tone of a vertical."""
        return self.tones.get(vertical, self.tones["default"])

    def template_of(self, arm: str | None) -> str:
        """The template of an arm that is known here; of none, and of one that is gone, the default's name."""
        return arm if arm in self.templates else self.default_template

    def subjects_of(self, vertical: str, arm: str) -> tuple[str, ...]:
        """The subject patterns of a vertical for an arm; of an arm that nobody knows, the plain ones."""
        name = arm if arm in SubjectsByArm.model_fields else "plain"
        own: tuple[str, ...] = getattr(self.tone_of(vertical).subjects, name)
        return own or getattr(self.tones["default"].subjects, name)


@functools.lru_cache(maxsize=4)
def config(path: Path | None = None) -> LettersConfig:
    """The checked content of config/letters.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("letters", LettersConfig, path)


def in_order(options: Sequence[Choice], seed: str, slot: str) -> list[Choice]:
    """The options beginning with the one that ``seed`` gives in ``slot``: the same on every machine and at every repetition."""
    at = int.from_bytes(hashlib.sha256(f"{seed}:{slot}".encode()).digest()[:8], "big") % len(options)
    return [*options[at:], *options[:at]]


def pick(options: Sequence[Choice], seed: str, slot: str) -> Choice:
    """The option that ``seed`` gives in ``slot``."""
    return in_order(options, seed, slot)[0]
