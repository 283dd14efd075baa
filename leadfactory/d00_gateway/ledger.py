"""The ledger's rows: one per attempt, written before the attempt leaves and settled after; and what happens to dead ones."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from leadfactory import pauses
from leadfactory.d00_gateway.meanings import VendorWord
from leadfactory.d00_gateway.scope import CallScope, CallSpec
from leadfactory.pauses import Pause

BudgetKey = tuple[str, str]


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """One call with all its attempts: what, for whom, until when (``deadline`` in ``time.monotonic`` seconds)."""

    vendor: str
    spec: CallSpec
    scope: CallScope | None
    business_id: UUID | None
    occurred_on: dt.date
    request_hash: bytes
    cache_for: dt.timedelta | None
    deadline: float

    @property
    def campaign(self) -> str | None:
        """The campaign that pays, if a campaign-day runs."""
        return self.scope.unit.campaign if self.scope is not None and self.scope.unit is not None else None

    @property
    def cohort_on(self) -> dt.date | None:
        """The campaign-day's date."""
        return self.scope.unit.day if self.scope is not None and self.scope.unit is not None else None

    def held_by(self, found: Sequence[Pause]) -> Pause | None:
        """The pause that holds it back."""
        return pauses.of_call(found, self.vendor, self.campaign, None if self.scope is None else self.scope.asset)

    @property
    def budget_keys(self) -> tuple[BudgetKey, ...]:
        """The budgets that an attempt draws on; none when it cannot cost anything."""
        if self.spec.worst_case_microusd <= 0:
            return ()
        return budget_keys(self.vendor, self.occurred_on, self.campaign, self.business_id)


def budget_keys(
    vendor: str, occurred_on: dt.date, campaign: str | None, business_id: UUID | None
) -> tuple[BudgetKey, ...]:
    """All budgets of an attempt, in the order in which rows are locked."""
    keys = [("vendor", f"{vendor}|{occurred_on:%Y-%m}"), ("day", occurred_on.isoformat())]
    if campaign is not None:
        keys.append(("campaign", campaign))
    if business_id is not None:
        keys.append(("lead", str(business_id)))
    return tuple(sorted(keys))


@dataclasses.dataclass(frozen=True)
class Permit:
    """Leave for one attempt: its ledger row is stored. It lapses at ``use_before`` (``time.monotonic`` seconds)."""

    call_id: UUID
    attempt: int
    reserved_microusd: int
    use_before: float
    probe_id: UUID | None = None


@dataclasses.dataclass(frozen=True)
class Hit:
    """A stored answer that serves instead of a call; its ledger row has ``cache_hit``."""

    call_id: UUID
    content: Any
    fetched_at: dt.datetime
    expires_at: dt.datetime


@dataclasses.dataclass(frozen=True, eq=False)
class Ending:
    """How one attempt ended. ``cost`` None is the worst case; ``breaker`` is its vote: ok, fault or neutral."""

    call: Call
    permit: Permit
    status: str
    reason: str | None = None
    http_status: int | None = None
    cost: int | None = 0
    latency_ms: int | None = None
    breaker: str = "neutral"
    word: VendorWord | None = None
    content: Any = None
    fetched_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None

    @property
    def cost_microusd(self) -> int:
        """What is charged, in millionths of a dollar."""
        return self.permit.reserved_microusd if self.cost is None else self.cost


# The SQL below runs inside the writer's transactions; arrays are parallel. The database's clock dates attempts.
INSERT = """
INSERT INTO vendor_calls (call_id, vendor, endpoint, campaign, cohort_on, asset, business_id, attempt, units, status,
                          reserved_microusd, cost_microusd, cache_hit, request_hash, lease_id, started_at, occurred_on, settled_at)
SELECT call_id, vendor, endpoint, campaign, cohort_on, asset, business_id, attempt, units,
       CASE WHEN hit THEN 'ok' ELSE 'started' END, reserved, CASE WHEN hit THEN 0 END, hit, request_hash, lease_id,
       clock_timestamp(), occurred_on, CASE WHEN hit THEN clock_timestamp() END
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::date[], %s::text[], %s::uuid[], %s::int[], %s::int[],
            %s::bigint[], %s::bool[], %s::bytea[], %s::uuid[], %s::date[])
  AS row (call_id, vendor, endpoint, campaign, cohort_on, asset, business_id, attempt, units, reserved, hit, request_hash,
          lease_id, occurred_on)
"""
# settled_at IS NULL is status = 'started' in words that do not lead the planner to the partial index of open attempts, whose
# dead entries a busy hour leaves behind; the primary key finds the rows.
SETTLE = """
UPDATE vendor_calls c
SET status = e.status, http_status = e.http_status, reason = e.reason, cost_microusd = e.cost, latency_ms = e.latency_ms,
    settled_at = clock_timestamp()
FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::text[], %s::bigint[], %s::int[])
  AS e (call_id, status, http_status, reason, cost, latency_ms)
WHERE c.call_id = e.call_id AND c.settled_at IS NULL
RETURNING c.call_id
"""
# Attempts whose process died: nobody knows whether the vendor acted, so they cost their worst case. SKIP LOCKED leaves
# a row to the process that is settling it or reaping it just now.
REAP = """
WITH dead AS (
  SELECT c.call_id FROM vendor_calls c
  JOIN unnest(%s::text[], %s::float8[]) AS p (vendor, dead_after_s) ON p.vendor = c.vendor
  WHERE c.status = 'started' AND c.started_at < clock_timestamp() - make_interval(secs => p.dead_after_s)
  ORDER BY c.call_id FOR UPDATE OF c SKIP LOCKED
)
UPDATE vendor_calls c
SET status = 'unknown', reason = 'process_died', cost_microusd = c.reserved_microusd, settled_at = clock_timestamp()
FROM dead WHERE c.call_id = dead.call_id
RETURNING c.vendor, c.occurred_on, c.campaign, c.business_id, c.reserved_microusd
"""


def insert_row(call: Call, call_id: UUID, *, attempt: int, reserved: int, hit: bool, lease_id: UUID | None) -> tuple:
    """The values of one row of ``INSERT``, in its order of columns."""
    return (
        call_id, call.vendor, call.spec.endpoint, call.campaign, call.cohort_on,
        call.scope.asset if call.scope is not None else None, call.business_id, attempt, call.spec.units, reserved, hit,
        call.request_hash, lease_id, call.occurred_on,
    )  # fmt: skip


def settle_row(ending: Ending) -> tuple:
    """The values of one row of ``SETTLE``, in its order of columns."""
    permit = ending.permit
    return permit.call_id, ending.status, ending.http_status, ending.reason, ending.cost_microusd, ending.latency_ms
