"""Every number that a report shows passes through here, so that each one's source can be told and tested."""

from __future__ import annotations

import decimal
from collections import defaultdict
from collections.abc import Mapping
from typing import Any


class Numbers:
    """Collects what was shown: ``say`` gives the text back and remembers where the number comes from."""

    def __init__(self) -> None:
        self._told: dict[str, set[str]] = defaultdict(set)

    def say(self, number: Any, source: str, decimals: int = 0) -> str:
        """A number with its thousands apart, rounded half up; ``source`` is table.column, a config key or how it is reckoned."""
        text = rounded(number, decimals)
        self._told[text].add(source)
        return text

    def keep(self, text: str, source: str) -> str:
        """A text that holds numbers as they are stored (an evidence value, a version, a hash)."""
        self._told[text].add(source)
        return text

    @property
    def told(self) -> Mapping[str, tuple[str, ...]]:
        """Text → its sources, in order."""
        return {text: tuple(sorted(sources)) for text, sources in sorted(self._told.items())}


def rounded(number: Any, decimals: int = 0) -> str:
    """``number`` rounded half up to ``decimals``, thousands apart."""
    exact = decimal.Decimal(str(number)).quantize(decimal.Decimal(1).scaleb(-decimals), rounding=decimal.ROUND_HALF_UP)
    return f"{exact:,.{decimals}f}"


def scaled(number: Any, divide: float) -> decimal.Decimal:
    """A stored number in the unit that is shown."""
    return decimal.Decimal(str(number)) / decimal.Decimal(str(divide))
