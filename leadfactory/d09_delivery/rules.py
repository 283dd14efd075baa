"""The rules of delivery, from config/delivery.yaml: who accepts what, windows, caps and terms."""

from __future__ import annotations

import datetime as dt
import functools
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pydantic

from leadfactory import yaml_config


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Adapter(_Strict):
    """The consent bases that a mailer's terms accept."""

    accepts: tuple[str, ...]


class Window(_Strict):
    """Local weekdays (1 is Monday) and hours in which mail may arrive."""

    weekdays: tuple[int, ...]
    from_hour: int = pydantic.Field(ge=0, le=23)
    to_hour: int = pydantic.Field(ge=1, le=24)

    def open_at(self, moment: dt.datetime, timezone: str | None) -> bool:
        """Whether the window is open for somebody in ``timezone``; an unknown zone is never open."""
        try:
            local = moment.astimezone(ZoneInfo(timezone or ""))
        except (ZoneInfoNotFoundError, ValueError):
            return False
        return local.isoweekday() in self.weekdays and self.from_hour <= local.hour < self.to_hour


class DeliveryRules(_Strict):
    """config/delivery.yaml."""

    as_of: dt.date
    adapters: dict[str, Adapter]
    jurisdictions: tuple[str, ...]
    window: Window
    first_touch_expires_hours: int
    contact_held_days: int
    audit_not_older_days: int
    sender_daily_cap: int
    claim_batch: int
    at_once: int
    claim_lease_minutes: int

    def accepted(self, adapter: str, *, production: bool) -> tuple[str, ...]:
        """The consent bases that ``adapter`` may send under here; ``simulated`` never in production."""
        bases = self.adapters[adapter].accepts
        return tuple(basis for basis in bases if not (production and basis == "simulated"))


@functools.lru_cache(maxsize=1)
def rules() -> DeliveryRules:
    """The checked content of config/delivery.yaml."""
    return yaml_config.load("delivery", DeliveryRules)
