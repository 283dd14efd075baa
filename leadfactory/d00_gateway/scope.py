"""Who a call is made for: the run's scope, the business and the call's own description, carried by context variables.

Context variables, because an SDK's frames lie between the client that knows and the transport that must know.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar
from uuid import UUID

import httpx

from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.errors import VendorError

Value = TypeVar("Value")


@dataclasses.dataclass(frozen=True)
class CallSpec:
    """What the client knows of one call and the wire does not say.

    Attributes:
        endpoint: the ledger's name of it, such as ``businesses/search``; never holds a parameter's value.
        units: permits that one attempt takes from every rate of the vendor.
        worst_case_microusd: the most that one attempt can cost, in millionths of a dollar; reserved before it leaves.
        safe_to_retry: True for reads and for writes under an idempotency key; False makes one attempt only.
        cache_for: how long an answer may serve again; None is never. The vendor's storage term bounds it.
        subject: the vendor's id of what the answer is about, kept with cached content.
        cost_of: actual cost of a 2xx answer in millionths of a dollar; without it the worst case.
        fault_of: the vendor's meaning of an answer. An error is raised (VendorUnavailable is retried where that is safe
            and worth it); **None means that the answer is usable and comes back, whatever its status**. Call
            ``policies.fault_of_status`` inside for the statuses you do not interpret. Vendor-wide limits (429, spent
            quotas) are judged before it. Without it ``policies.fault_of_status`` decides.
        deadline_s: seconds for all attempts together, waiting included; None takes the vendor's.
    """

    endpoint: str
    units: int = 1
    worst_case_microusd: int = 0
    safe_to_retry: bool = True
    cache_for: dt.timedelta | None = None
    subject: str | None = None
    cost_of: Callable[[httpx.Response], int] | None = None
    fault_of: Callable[[httpx.Response], VendorError | None] | None = None
    deadline_s: float | None = None


@dataclasses.dataclass
class CallScope:
    """What one stage's run asked of vendors: attempts, cached answers and money (millionths of a dollar)."""

    unit: CampaignDay | None = None
    asset: str | None = None
    calls: int = 0
    cache_hits: int = 0
    spend_microusd: int = 0
    by_vendor: Counter[str] = dataclasses.field(default_factory=Counter)
    outer: CallScope | None = None

    def count_attempt(self, vendor: str) -> None:
        """One attempt with a permit."""
        self.calls += 1
        self.by_vendor[vendor] += 1
        if self.outer is not None:
            self.outer.count_attempt(vendor)

    def count_hit(self) -> None:
        """One answer from the cache."""
        self.cache_hits += 1
        if self.outer is not None:
            self.outer.count_hit()

    def count_spend(self, microusd: int) -> None:
        """What an attempt turned out to cost."""
        self.spend_microusd += microusd
        if self.outer is not None:
            self.outer.count_spend(microusd)


def no_calls(unit: CampaignDay, asset: str) -> contextlib.AbstractAsyncContextManager[CallScope]:
    """In place of ``Gateway.running`` when nothing is left to ask for: to open the ledger takes as long as all else that is done."""
    return contextlib.nullcontext(CallScope(unit, asset))


SCOPE: contextvars.ContextVar[CallScope | None] = contextvars.ContextVar("call_scope", default=None)
BUSINESS: contextvars.ContextVar[UUID | None] = contextvars.ContextVar("business_id", default=None)
SPEC: contextvars.ContextVar[CallSpec | None] = contextvars.ContextVar("call_spec", default=None)


@contextlib.contextmanager
def within(variable: contextvars.ContextVar[Value], value: Value) -> Iterator[None]:
    """``variable`` holds ``value`` inside the block.

    A coroutine whose event loop is gone is closed where the collector finds it, in another context: the one that held the value
    went with its task, so nothing is put back there.
    """
    token = variable.set(value)
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException:
        variable.reset(token)
        raise
    variable.reset(token)
