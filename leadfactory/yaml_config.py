"""Reads the project's YAML files and names file, key and value when they are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml

from leadfactory.settings import ROOT

Model = TypeVar("Model", bound=pydantic.BaseModel)
# libyaml reads ten times as fast; every process reads several files before it does anything.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ConfigError(ValueError):
    """A configuration file is wrong; the message names file, key, value and what is expected."""


def parse(text: str) -> Any:
    """What a YAML text holds.

    Raises:
        yaml.YAMLError: for what is no YAML.
    """
    return yaml.load(text, Loader=_LOADER)


def load(name: str, model: type[Model], path: Path | None = None) -> Model:
    """The checked content of ``config/<name>.yaml``.

    Raises:
        ConfigError: for a file that is missing, no YAML, or does not fit ``model``.
    """
    file = path or ROOT / "config" / f"{name}.yaml"
    try:
        content = parse(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read ({error}): restore it from the repository") from None
    try:
        return model.model_validate(content)
    except pydantic.ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{file}: {problems}") from None
