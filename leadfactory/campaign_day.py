"""The campaign-day: the cohort that is the partition key of every domain asset.

The only place that parses, prints and validates partition keys.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def check_campaign_slug(slug: str) -> str:
    """``slug`` itself when it can be half of a partition key.

    Raises:
        ValueError: names the slug and what is allowed. A ``|`` above all: Dagster accepts it and then drops the
            partition without a word.
    """
    if not _SLUG.fullmatch(slug):
        raise ValueError(
            f"campaign {slug!r} cannot be a partition key: use 1 to 63 lower-case letters, digits and inner hyphens, "
            "for example restaurant-nyc"
        )
    return slug


@dataclasses.dataclass(frozen=True, order=True)
class CampaignDay:
    """The businesses that one campaign sourced on one UTC day of the factory's clock; printed ``campaign|YYYY-MM-DD``."""

    campaign: str
    day: dt.date

    def __post_init__(self) -> None:
        check_campaign_slug(self.campaign)

    @property
    def key(self) -> str:
        """The partition key, ``campaign|YYYY-MM-DD``."""
        return f"{self.campaign}|{self.day.isoformat()}"

    def __str__(self) -> str:
        return self.key

    @classmethod
    def from_key(cls, key: str) -> CampaignDay:
        """Parses a partition key.

        Raises:
            ValueError: names the key when it is not ``campaign|YYYY-MM-DD``.
        """
        parts = key.split("|")
        if len(parts) != 2:
            raise ValueError(f"campaign-day {key!r} is not of the form campaign|YYYY-MM-DD")
        try:
            day = dt.date.fromisoformat(parts[1])
        except ValueError:
            raise ValueError(f"campaign-day {key!r}: {parts[1]!r} is not a date of the form YYYY-MM-DD") from None
        return cls(parts[0], day)
