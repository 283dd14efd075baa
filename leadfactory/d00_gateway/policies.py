"""What each vendor allows, charges and means: the typed form of config/vendors.yaml."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pydantic
import yaml
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from leadfactory import yaml_config
from leadfactory.d00_gateway.meanings import (
    NOT_RETRIED,
    VendorWord,
    fault_of_status,
    limit_fault,
    retry_after,
    vendor_word,
)
from leadfactory.settings import ROOT, Settings
from leadfactory.vendor_terms import VendorTerms

__all__ = [
    "NOT_RETRIED", "BreakerPolicy", "BudgetCaps", "Policies", "PoliciesError", "Price", "RateName", "VendorPolicy", "VendorWord",
    "fault_of_status", "limit_fault", "retry_after", "vendor_word",
]  # fmt: skip
RateName = Literal["second", "minute", "day"]
SECONDS: dict[RateName, int] = {"second": 1, "minute": 60}


class PoliciesError(ValueError):
    """config/vendors.yaml is wrong; the message names file, key, value and what is expected."""


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Rates(_Strict):
    """Calls a vendor allows: per second and per minute in any sliding window, per day from midnight of ``reset_zone``."""

    second: PositiveInt | None = None
    minute: PositiveInt | None = None
    day: PositiveInt | None = None
    reset_zone: str = "UTC"

    @pydantic.field_validator("reset_zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError("is not an IANA time zone such as UTC or America/Los_Angeles") from None
        return zone

    def limits(self) -> dict[RateName, int]:
        """The rates that are set, shortest first."""
        found: dict[RateName, int] = {}
        if self.second:
            found["second"] = self.second
        if self.minute:
            found["minute"] = self.minute
        if self.day:
            found["day"] = self.day
        return found


class BreakerPolicy(_Strict):
    """``faults`` faults in a row open the breaker for ``open_s`` seconds; then one probe decides."""

    faults: PositiveInt
    open_s: PositiveFloat


class RetryPolicy(_Strict):
    """Attempts in all, and the exponential backoff between them (seconds, full jitter)."""

    attempts: PositiveInt = 3
    base_s: PositiveFloat = 0.5
    cap_s: PositiveFloat = 8.0


class Bills(_Strict):
    """Whether the vendor charges for answers it refuses (4xx) or fails (5xx); an unknown outcome is always charged."""

    rejected: bool
    unavailable: bool
    source: str


class Price(_Strict):
    """``microusd`` (millionths of a dollar) for one ``per``; where it was read and when."""

    microusd: NonNegativeInt
    per: Literal["call", "million_tokens", "mail"]
    source: str
    as_of: dt.date


class VendorPolicy(_Strict):
    """One vendor's row of config/vendors.yaml."""

    rates: Rates = Rates()
    sandbox_rates: Rates | None = None
    concurrency: PositiveInt
    timeout_s: PositiveFloat
    connect_timeout_s: PositiveFloat = 5.0
    deadline_s: PositiveFloat
    breaker: BreakerPolicy | None = None
    retry: RetryPolicy = RetryPolicy()
    bills: Bills
    caches: bool = False
    json_answers: bool = True
    most_answer_bytes: PositiveInt = (
        16 * 2**20
    )  # a PageSpeed report with its pictures, the largest we get, is about 2 MB
    rate_headers: Literal["yelp", "sendgrid", "openai"] | None = None
    prices: dict[str, Price] = Field(default_factory=dict)

    @property
    def dead_after_s(self) -> float:
        """Seconds after which a started attempt without an end belonged to a process that died."""
        return self.timeout_s + 60.0


class BudgetCaps(_Strict):
    """Spend caps in cents where no row says otherwise: per vendor and month, campaign, day of the factory, lead."""

    vendor_month_cents: dict[str, NonNegativeInt]
    campaign_cents: NonNegativeInt
    day_cents: NonNegativeInt
    lead_cents: NonNegativeInt
    qualified_lead_cents: NonNegativeInt


class Policies(_Strict):
    """config/vendors.yaml, checked, with the storage terms that bound the cache."""

    vendors: dict[str, VendorPolicy]
    budgets: BudgetCaps
    sandbox_budgets: BudgetCaps | None = None
    terms: VendorTerms | None = None

    @classmethod
    def load(cls, path: Path = ROOT / "config" / "vendors.yaml", *, terms: Path | None = None) -> Policies:
        """Reads and checks the file.

        Raises:
            PoliciesError: names file, key and value.
        """
        try:
            content = yaml_config.parse(path.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise PoliciesError(f"{path} cannot be read ({error}): restore it from the repository") from None
        return cls.parse(content, str(path)).model_copy(
            update={"terms": VendorTerms.load(terms) if terms else VendorTerms.load()}
        )

    @classmethod
    def parse(cls, content: Any, origin: str) -> Policies:
        """Checks plain data.

        Raises:
            PoliciesError: names ``origin``, key and value of every problem.
        """
        try:
            return cls.model_validate(content)
        except pydantic.ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in found['loc'])} = {found['input']!r}: {found['msg']}"
                for found in error.errors()
            )
            raise PoliciesError(f"{origin}: {problems}") from None

    @classmethod
    def for_settings(cls, settings: Settings) -> Policies:
        """The policies of this installation: against the sandbox its own rates and budgets apply."""
        loaded = _loaded()
        if not settings.uses_sandbox:
            return loaded
        vendors = {
            name: vendor.model_copy(update={"rates": vendor.sandbox_rates or vendor.rates})
            for name, vendor in loaded.vendors.items()
        }
        return loaded.model_copy(update={"vendors": vendors, "budgets": loaded.sandbox_budgets or loaded.budgets})

    def of(self, vendor: str) -> VendorPolicy:
        """The vendor's policy.

        Raises:
            PoliciesError: the vendor has no row.
        """
        if vendor not in self.vendors:
            raise PoliciesError(
                f"vendor {vendor!r} has no row in config/vendors.yaml (known: {', '.join(self.vendors)})"
            )
        return self.vendors[vendor]

    def price(self, vendor: str, item: str) -> Price:
        """What ``item`` of ``vendor`` costs, such as ``("places", "text_search_enterprise")``.

        Raises:
            PoliciesError: there is no such price.
        """
        prices = self.of(vendor).prices
        if item not in prices:
            raise PoliciesError(
                f"config/vendors.yaml: vendors.{vendor}.prices has no {item!r} (known: {', '.join(prices) or 'none'})"
            )
        return prices[item]

    def longest_storage(self, vendor: str) -> dt.timedelta | None:
        """How long a whole answer of ``vendor`` may be kept; None when its terms set no end."""
        return None if self.terms is None else self.terms.answer_life(vendor)


@functools.lru_cache(maxsize=1)
def _loaded() -> Policies:
    return Policies.load()
