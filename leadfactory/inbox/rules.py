"""The typed form of config/webhooks.yaml: what the edge takes, how long it keeps it, and which visitors are machines."""

from __future__ import annotations

import datetime as dt
import functools

import pydantic

from leadfactory import yaml_config


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Bots(_Strict):
    """When an open or a click is a machine's. ``agents`` are parts of user agents in lower case."""

    after_delivery_s: pydantic.NonNegativeInt
    burst_links: pydantic.PositiveInt
    burst_s: pydantic.NonNegativeInt
    agents: tuple[str, ...]

    def is_machine(self, agent: str | None) -> bool:
        """Whether a user agent is a known scanner's or proxy's."""
        lower = (agent or "").lower()
        return any(part in lower for part in self.agents)


class WebhookRules(_Strict):
    """config/webhooks.yaml."""

    as_of: dt.date
    body_limit_bytes: int = pydantic.Field(ge=2 * 1024 * 1024)
    future_limit_s: pydantic.PositiveInt
    stale_after_s: pydantic.PositiveInt
    stripe_tolerance_s: pydantic.PositiveInt
    visitor_days: pydantic.PositiveInt
    settle_ticks: pydantic.PositiveInt
    drain_batch: pydantic.PositiveInt
    suppressing_events: frozenset[str]
    suppressing_drops: frozenset[str]
    bots: Bots


@functools.lru_cache(maxsize=1)
def rules() -> WebhookRules:
    """The checked content of config/webhooks.yaml.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("webhooks", WebhookRules)
