"""The typed form of config/delivery.yaml: whom the mailer's terms allow, when mail may leave, and how much of it."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from collections.abc import Collection, Iterable

import pydantic

from leadfactory import yaml_config


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Adapter(_Strict):
    """What the terms of one mailer accept, and what they do not unless a named person takes the risk."""

    accepts: tuple[str, ...]
    at_own_risk: tuple[str, ...] = ()


class Window(_Strict):
    """ISO weekdays and hours of the recipient's local time; ``before_hour`` is outside."""

    weekdays: tuple[int, ...]
    from_hour: int
    before_hour: int

    @pydantic.model_validator(mode="after")
    def _within_a_day(self) -> Window:
        if not 0 <= self.from_hour < self.before_hour <= 24 or not set(self.weekdays) <= set(range(1, 8)):
            raise ValueError("weekdays are 1 (Monday) to 7, hours 0 to 24, from_hour below before_hour")
        return self

    def is_open(self, timezone: str | None, now: dt.datetime) -> bool:
        """Whether ``now`` lies in the window where ``timezone`` is the local time. An unknown zone is never open."""
        if not timezone:
            return False
        try:
            local = now.astimezone(zoneinfo.ZoneInfo(timezone))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            return False
        return local.isoweekday() in self.weekdays and self.from_hour <= local.hour < self.before_hour

    def open_among(self, timezones: Iterable[str | None], now: dt.datetime) -> list[str]:
        """The zones in which the window is open now."""
        return sorted({zone for zone in timezones if zone and self.is_open(zone, now)})

    def next_open(self, timezone: str | None, moment: dt.datetime) -> dt.datetime | None:
        """``moment`` when the window is open then, else when it opens next where ``timezone`` is the local time; None where it never does."""
        if self.is_open(timezone, moment):
            return moment
        if not timezone or not self.weekdays:
            return None
        try:
            zone = zoneinfo.ZoneInfo(timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            return None
        local = moment.astimezone(zone)
        for days in range(9):  # one more than a week: a day on which clocks change has an hour that may not exist
            day = local.date() + dt.timedelta(days=days)
            opens = dt.datetime.combine(day, dt.time(self.from_hour), zone).astimezone(dt.UTC)
            if opens > moment and self.is_open(timezone, opens):
                return opens
        return None


class Hours(_Strict):
    """A part of the window's day."""

    from_hour: int
    before_hour: int


class Expiry(_Strict):
    """Hours after which a planned step is not sent any more."""

    first_touch: pydantic.PositiveInt
    follow_up: pydantic.PositiveInt

    def of(self, step: int) -> dt.timedelta:
        """The life of a step."""
        return dt.timedelta(hours=self.first_touch if step == 1 else self.follow_up)


class AutoPause(_Strict):
    """When a sender or a campaign is stopped; see ``halting.broken`` and config/delivery.yaml."""

    complaints: pydantic.PositiveInt
    complaints_of_last: pydantic.PositiveInt
    complaints_of_first: pydantic.PositiveInt
    first_delivered: pydantic.PositiveInt
    bounces: pydantic.PositiveInt
    bounce_share: pydantic.PositiveFloat
    bounces_of_last: pydantic.PositiveInt
    hour_share: pydantic.PositiveFloat
    hour_at_least: pydantic.PositiveInt


class WarmUp(_Strict):
    """How much a sender may send on its first day, its second, and so on; see config/delivery.yaml."""

    per_day: tuple[pydantic.PositiveInt, ...]
    of_last_days: pydantic.PositiveInt

    @pydantic.model_validator(mode="after")
    def _a_ramp(self) -> WarmUp:
        if list(self.per_day) != sorted(self.per_day) or len(self.per_day) > self.of_last_days:
            raise ValueError("warm_up.per_day never falls, and has no more days than of_last_days")
        return self


class DomainCaps(_Strict):
    """Most mails to one recipient domain on one day."""

    mail_provider: pydantic.PositiveInt
    own_domain: pydantic.PositiveInt


class DeliveryPolicy(_Strict):
    """config/delivery.yaml."""

    as_of: dt.date
    adapters: dict[str, Adapter]
    outside_production_accepts: tuple[str, ...]
    countries: tuple[str, ...]
    window: Window
    send_times: dict[str, Hours] = {}
    expires_after_hours: Expiry
    follow_up_after_days: tuple[pydantic.PositiveInt, ...]
    auto_pause: AutoPause
    suppression_lists_stale_after_hours: pydantic.PositiveInt
    sender_cap_per_day: pydantic.PositiveInt
    warm_up: WarmUp
    recipient_domain_cap_per_day: DomainCaps
    recontact_cooldown_days: pydantic.PositiveInt
    claim_lease_minutes: pydantic.PositiveInt
    unknown_quarantine_after_hours: pydantic.PositiveInt
    claim_batch: pydantic.PositiveInt
    calls_at_once: pydantic.PositiveInt
    settle_batch: pydantic.PositiveInt

    @pydantic.model_validator(mode="after")
    def _within_the_window(self) -> DeliveryPolicy:
        for arm, hours in self.send_times.items():
            if not self.window.from_hour <= hours.from_hour < hours.before_hour <= self.window.before_hour:
                raise ValueError(
                    f"send_times.{arm}: {hours.from_hour} to {hours.before_hour} is no part of the window's "
                    f"{self.window.from_hour} to {self.window.before_hour}"
                )
        return self

    def window_of(self, arm: str | None) -> Window:
        """The window of an arm of the send time; of none, and of one that is gone, the whole."""
        hours = None if arm is None else self.send_times.get(arm)
        return self.window if hours is None else self.window.model_copy(update=hours.model_dump())

    @property
    def last_step(self) -> int:
        """The step after which a conversation is over: 1 when there are no follow-ups."""
        return 1 + len(self.follow_up_after_days)

    @property
    def follow_up_delays(self) -> tuple[dt.timedelta, ...]:
        """How long after its predecessor each follow-up is due."""
        return tuple(dt.timedelta(days=days) for days in self.follow_up_after_days)

    def follow_up_delay(self, step: int) -> dt.timedelta:
        """How long after its predecessor a follow-up is due."""
        return dt.timedelta(days=self.follow_up_after_days[step - 2])

    def accepted_bases(self, adapter: str, env: str) -> Collection[str]:
        """The consent bases that may leave through ``adapter`` in ``env``; an unknown adapter accepts none."""
        known = self.adapters.get(adapter)
        return [*known.accepts, *self.simulated_bases(env)] if known else []

    def simulated_bases(self, env: str) -> Collection[str]:
        """The bases of recipients that do not exist; none in production."""
        return () if env == "production" else self.outside_production_accepts

    def risky_bases(self, adapter: str) -> Collection[str]:
        """Those that leave only when a named person has acknowledged the risk; of an unknown adapter none."""
        known = self.adapters.get(adapter)
        return known.at_own_risk if known else ()


@functools.lru_cache(maxsize=1)
def policy() -> DeliveryPolicy:
    """The checked content of config/delivery.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("delivery", DeliveryPolicy)
