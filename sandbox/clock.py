"""The sandbox's own clock: real time, one fixed moment, a moment that moves faster since an anchor, or one that is moved by hand."""

from __future__ import annotations

import dataclasses
import datetime as dt


@dataclasses.dataclass(frozen=True)
class Clock:
    """``start`` None is real time; ``anchor`` None is a fixed moment.

    Under a fixed moment all that is planned for later happens at once; one that is ``moved`` by hand is waited for.
    """

    start: dt.datetime | None = None
    anchor: dt.datetime | None = None
    speed: float = 1.0
    moved: bool = False

    @classmethod
    def parse(cls, spec: str | None) -> Clock:
        """``2026-10-06T15:00:00+00:00``, or ``<start>@<real anchor>*<speed>``; raises ValueError for anything else."""
        if not spec:
            return cls()
        start, _, moving = spec.partition("@")
        if not moving:
            return cls(dt.datetime.fromisoformat(start))
        anchor, _, speed = moving.partition("*")
        return cls(dt.datetime.fromisoformat(start), dt.datetime.fromisoformat(anchor), float(speed))

    @property
    def is_past_everything(self) -> bool:
        """Whether every planned moment has come."""
        return self.start is not None and self.anchor is None and not self.moved

    def now(self) -> dt.datetime:
        """The current moment, aware, in UTC."""
        real = dt.datetime.now(dt.UTC)
        if self.start is None:
            return real
        if self.anchor is None:
            return self.start
        return self.start + (real - self.anchor) * self.speed
