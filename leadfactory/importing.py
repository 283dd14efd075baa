"""Imports without what others bring and nobody here uses: it can be half of what an import costs, and every process pays it."""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

# Built when jsonschema is imported (by GX and by dbt), for a format, IRIs, of which no schema of ours or of theirs speaks. A second.
GRAMMAR = "rfc3987_syntax"


class Later(types.ModuleType):
    """A module that is imported when the first thing in it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def standing_in(modules: Mapping[str, types.ModuleType | None]) -> Iterator[None]:
    """What is imported in the block gets these for the modules of these names that nobody imported yet; None: it is not installed."""
    ours: dict[str, Any] = {name: each for name, each in modules.items() if name not in sys.modules}
    sys.modules.update(ours)
    try:
        yield
    finally:
        for name, each in ours.items():
            if sys.modules.get(name) is each:
                sys.modules.pop(name, None)
