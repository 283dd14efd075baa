"""Reads the project's YAML files and names file, key and value when they are wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml

from leadfactory.settings import ROOT

Model = TypeVar("Model", bound=pydantic.BaseModel)
# libyaml reads ten times as fast; every process reads several files before it does anything.
LONGEST_VALUE = 120  # letters of a wrong value that an error repeats
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
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
        raise ConfigError(f"{file} cannot be read ({told}): {_remedy(path)}") from None
    try:
        return model.model_validate(content)
    except pydantic.ValidationError as error:
        raise ConfigError(f"{file}: {'; '.join(_problem(each) for each in error.errors())}") from None


def _remedy(path: Path | None) -> str:
    return "restore it from the repository" if path is None else "mend the place, it must be YAML in UTF-8"


def _problem(error: Mapping[str, Any]) -> str:
    """Key, value and what is expected; what is missing has no value, and a whole section is not repeated."""
    key = ".".join(map(str, error["loc"])) or "the file"
    value = "" if error["type"] == "missing" else f" = {textwrap.shorten(repr(error['input']), LONGEST_VALUE)}"
    return f"{key}{value}: {error['msg'].removeprefix('Value error, ')}"
