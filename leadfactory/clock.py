"""The clock that every business decision is handed.

The database's own clock serves leases, locks and rate limits only. ``LEADFACTORY_CLOCK`` replaces this one in
development, tests and simulation, so that no result depends on the hour of the real day.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import zoneinfo

# Of the United States and their territories, the one where a day begins last.
_LAST_TO_BEGIN_A_DAY = zoneinfo.ZoneInfo("Pacific/Pago_Pago")
_SPEC = re.compile(r"(?P<start>[^@*]+)(?:@(?P<anchor>[^@*]+)\*(?P<speed>\d+(?:\.\d+)?))?")


def where(moment: dt.datetime, timezone: str | None) -> dt.datetime:
    """``moment`` on the clocks of ``timezone``: what a reader there calls its day and year.

    Where the zone is unknown, on those clocks of the United States where days begin last, so that nothing is called older
    than it is.
    """
    try:
        zone = zoneinfo.ZoneInfo(timezone) if timezone else _LAST_TO_BEGIN_A_DAY
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        zone = _LAST_TO_BEGIN_A_DAY
    return moment.astimezone(zone)


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: write it as 2026-10-06T15:00:00+00:00")
    return moment.astimezone(dt.UTC)


@dataclasses.dataclass(frozen=True)
class Clock:
    """Real time (no fields set), one fixed moment (``start``), or ``start`` moving ``speed`` times as fast since ``anchor``."""

    start: dt.datetime | None = None
    anchor: dt.datetime | None = None
    speed: float = 1.0

    @classmethod
    def from_spec(cls, spec: str | None) -> Clock:
        """Parses ``LEADFACTORY_CLOCK``.

        Args:
            spec: empty or None for real time; ``2026-10-06T15:00:00+00:00`` for a fixed moment;
                ``<start>@<real anchor>*<speed>`` for a clock that runs at ``speed`` since the real time ``anchor``.

        Raises:
            ValueError: names LEADFACTORY_CLOCK, the value and the accepted forms.
        """
        if not spec:
            return cls()
        match = _SPEC.fullmatch(spec.strip())
        try:
            if match is None:
                raise ValueError("unknown form")
            start = _moment(match["start"])
            if match["anchor"] is None:
                return cls(start=start)
            return cls(start=start, anchor=_moment(match["anchor"]), speed=float(match["speed"]))
        except ValueError as error:
            raise ValueError(
                f"LEADFACTORY_CLOCK={spec!r} is not a clock ({error}): write 2026-10-06T15:00:00+00:00 for a fixed one, "
                "2026-10-06T15:00:00+00:00@2026-11-23T08:00:00+00:00*60 for one sixty times as fast since the anchor, "
                "or leave it unset for real time"
            ) from None

    @property
    def is_real(self) -> bool:
        """Whether this is the time of the wall."""
        return self.start is None

    def now(self) -> dt.datetime:
        """The current moment, aware, in UTC."""
        real = dt.datetime.now(dt.UTC)
        if self.start is None:
            return real
        if self.anchor is None:
            return self.start
        return self.start + (real - self.anchor) * self.speed

    def today(self) -> dt.date:
        """The current UTC day of the factory."""
        return self.now().date()
