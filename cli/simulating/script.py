"""What a simulated quarter is: sandbox/quarter.yaml, checked. Numbers only; who plays it is days.py."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import pydantic

from leadfactory import yaml_config
from leadfactory.settings import ROOT

PATH = ROOT / "sandbox" / "quarter.yaml"
Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Range = tuple[Share, Share]


class _Checked(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Sender(_Checked):
    """Who signs."""

    email: str
    name: str


class Campaign(_Checked):
    """What one campaign aims at; its recipients are simulated, and its consent basis says so."""

    vertical: str
    zips: tuple[str, ...] = pydantic.Field(min_length=1)
    quota: pydantic.PositiveInt
    sender: str


class Event(_Checked):
    """Something out of the ordinary, from the start of one day to the end of its last."""

    kind: Literal["vendor_outage", "bounce_spike", "refund_wave"]
    from_day: pydantic.PositiveInt
    days: pydantic.PositiveInt = 1
    vendor: str = ""
    rate: Share = 0.0
    share: Share = 0.0
    of_last_days: int = 0

    def holds(self, day: int) -> bool:
        """Whether it goes on at this day of the quarter."""
        return self.from_day <= day < self.from_day + self.days

    @property
    def last_day(self) -> int:
        """The day on which it ends."""
        return self.from_day + self.days - 1


class Believable(_Checked):
    """Ranges that the whole must lie in, and the letters below which they say nothing."""

    delivered: Range
    bounced: Range
    clicked: Range
    purchased: Range
    least_letters: pydantic.PositiveInt


class Quarter(_Checked):
    """The whole script."""

    starts_on: dt.date
    campaigns: dict[str, Campaign] = pydantic.Field(min_length=1)
    senders: dict[str, Sender]
    postal_address: str
    rates: dict[str, Share]
    events: tuple[Event, ...] = ()
    believable: Believable

    @pydantic.model_validator(mode="after")
    def _signed(self) -> Quarter:
        for name, each in self.campaigns.items():
            if each.sender not in self.senders:
                raise ValueError(f"campaign {name} is signed by {each.sender!r}: name one of {sorted(self.senders)}")
        return self

    def now(self, kind: str, day: int) -> list[Event]:
        """The events of a kind that go on at a day."""
        return [each for each in self.events if each.kind == kind and each.holds(day)]


def read() -> Quarter:
    """The script.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("quarter", Quarter, PATH)
