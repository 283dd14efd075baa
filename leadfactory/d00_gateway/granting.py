"""Who of the waiting calls may leave now: permits of every rate, room in every budget, else when to look again. No I/O."""

from __future__ import annotations

import datetime as dt
import math
import time
import uuid
from typing import TYPE_CHECKING

from leadfactory.d00_gateway import budget, ledger, limiter
from leadfactory.d00_gateway.errors import VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.ledger import Permit
from leadfactory.d00_gateway.limiter import Lease, Quota

if TYPE_CHECKING:
    from leadfactory.d00_gateway.batch import Batch
    from leadfactory.d00_gateway.held import Start

BUDGET_WAIT_S = 2.0  # how long a call waits for reservations of calls under way to turn into smaller costs
BUDGET_LOOK_S = 0.05
PERMIT_LOOK_S = 0.25  # how often a call looks again while other processes hold the last permits of a day


def grant(batch: Batch, vendor: str, starts: list[Start]) -> None:
    """Sorts ``starts`` of one vendor into the batch's granted, waiting and refused."""
    starts.sort(key=lambda start: start.asked_at)
    if not batch.policies.of(vendor).rates.limits():
        for start in starts:
            _reserve(batch, start, None)
        return
    usable = [lease for lease in batch.held.usable(vendor, batch.began) if lease.lease_id in batch.alive]
    lacking = [start for start in starts if not _place(batch, start, usable)]
    if not lacking:
        return
    if vendor not in batch.quotas:  # a lease we counted on has expired: look again with the rows locked
        batch.held.leases[vendor] = [lease for lease in batch.held.leases[vendor] if lease.lease_id in batch.alive]
        batch.waiting += [(start, batch.began) for start in lacking]
        return
    fresh = _lease(batch, vendor, sum(start.call.spec.units for start in lacking))
    for start in lacking:
        if not _place(batch, start, fresh):
            _put_off(batch, start, batch.quotas[vendor])


def _place(batch: Batch, start: Start, leases: list[Lease]) -> bool:
    for lease in leases:
        if lease.left - batch.taken[lease.lease_id] >= start.call.spec.units:
            _reserve(batch, start, lease)
            return True
    return False


def _lease(batch: Batch, vendor: str, lacking: int) -> list[Lease]:
    quotas = batch.quotas[vendor]
    units = limiter.lease_size(quotas, lacking, batch.policies.of(vendor).concurrency)
    if units <= 0:
        return []
    for quota in quotas:
        quota.take(units)
    usable_s = min(quota.usable_for_s(batch.now) for quota in quotas)
    lease = Lease(
        uuid.uuid4(), vendor, units, units, batch.began + min(limiter.LEASE_USE_S, usable_s),
        {quota.rate: quota.window_started_at.isoformat() for quota in quotas},
    )  # fmt: skip
    batch.new_leases.append(lease)
    return [lease]


def _reserve(batch: Batch, start: Start, lease: Lease | None) -> None:
    """Grants the call when every budget has room; without it the permit stays in the lease for the next call."""
    call, worst = start.call, max(0, start.call.spec.worst_case_microusd)
    budgets = [batch.budgets[key] for key in call.budget_keys]
    full = next((one for one in budgets if not one.has_room_for(worst)), None)
    if full is not None:
        until = time.monotonic() + BUDGET_LOOK_S
        hope = all(one.might_have_room_for(worst) for one in budgets)
        if hope and until < min(call.deadline, start.asked_at + BUDGET_WAIT_S):
            batch.waiting.append((start, until))
        else:
            batch.refused.append((start, budget.refusal(full, call)))
        return
    for one in budgets:
        one.reserve(worst)
    call_id = uuid.uuid4()
    if lease is not None:
        batch.taken[lease.lease_id] += call.spec.units
    lease_id = None if lease is None else lease.lease_id
    row = ledger.insert_row(call, call_id, attempt=start.attempt, reserved=worst, hit=False, lease_id=lease_id)
    batch.rows.append(row)
    use_before = math.inf if lease is None else lease.use_before
    batch.granted.append((start, Permit(call_id, start.attempt, worst, use_before, start.probe_id)))


def _put_off(batch: Batch, start: Start, quotas: list[Quota]) -> None:
    """No permit now: wait for it if the deadline allows, else refuse with the moment when it is worth asking again."""
    call, units = start.call, start.call.spec.units
    short = [quota for quota in quotas if quota.available() < units]
    for quota in short:
        if units > quota.limit:
            batch.refused.append((start, _too_large(start, quota)))  # type: ignore[arg-type]
            return
    day = next((quota for quota in short if quota.rate == "day"), None)
    if day is None:
        until = max((quota.free_at(units) for quota in short), default=batch.now)
        due = batch.began + max(0.0, (until - batch.now).total_seconds())
        reason, retry_at = "rate_limited", until
    elif day.blocked_until is None and day.used + day.leased > batch.sent.get(call.vendor, 0):
        due = batch.began + PERMIT_LOOK_S  # other processes hold permits that may come back unused
        reason, retry_at = "daily_limit", day.resets_at
    else:
        due, reason, retry_at = math.inf, "daily_limit", day.blocked_until or day.resets_at
    if due < call.deadline:
        for quota in short:
            quota.waited += 1
        batch.waiting.append((start, due))
        return
    for quota in short:
        quota.refused += 1
    batch.refused.append((start, _limited(start, reason, retry_at, short)))


def _limited(start: Start, reason: str, retry_at: dt.datetime, short: list[Quota]) -> VendorUnavailable:
    spent = ", ".join(f"{quota.limit} a {quota.rate}" for quota in short)
    return VendorUnavailable(
        start.call.vendor, start.call.spec.endpoint, reason, retry_at=retry_at, left_the_house=False,
        detail=f"the limit of {spent} is used up until {retry_at:%Y-%m-%d %H:%M:%S} UTC; rates are in config/vendors.yaml",
    )  # fmt: skip


def _too_large(start: Start, quota: Quota) -> VendorRejected:
    return VendorRejected(
        start.call.vendor, start.call.spec.endpoint, "over_limit",
        detail=f"the call takes {start.call.spec.units} units and the limit is {quota.limit} a {quota.rate}",
    )  # fmt: skip
