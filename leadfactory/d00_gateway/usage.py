"""What the gateway has used and still may: rates, budgets, breakers and the cache, read from their rows. Changes nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math

import sqlalchemy as sa

from leadfactory.d00_gateway.limiter import Quota
from leadfactory.d00_gateway.policies import Policies, RateName
from leadfactory.d00_gateway.tables import budgets, vendor_breakers, vendor_calls, vendor_content, vendor_quotas

PACE_OVER = dt.timedelta(hours=1)  # the forecast goes on at the pace of the last hour
REFUSALS_OVER = dt.timedelta(days=7)
LOWER_TO = 0.8  # share of a limit that a vendor did not honour
WAITS_WORTH_A_RAISE = 0.05  # share of the granted units of a week


@dataclasses.dataclass(frozen=True)
class RateUse:
    """One rate of one vendor; units as the vendor counts them, times of the database's clock."""

    vendor: str
    rate: RateName
    limit: int
    used: int  # counted in this window
    leased: int  # set aside by running processes
    share: float  # (used + leased) / limit
    resets_at: dt.datetime
    blocked_until: dt.datetime | None
    exhausted_at: (
        dt.datetime | None
    )  # day only: when it is used up at the pace of the last hour; None: not in this window


@dataclasses.dataclass(frozen=True)
class RateAdvice:
    """How a rate did: units granted and 429s of the last seven days, waits and refusals since the row exists."""

    vendor: str
    rate: RateName
    limit: int
    granted: int
    waited: int
    refused: int
    vendor_said_no: int
    proposed: int
    because: str


@dataclasses.dataclass(frozen=True)
class BudgetUse:
    """One budget; millionths of a dollar."""

    scope: str
    key: str
    cap: int
    spent: int
    reserved: int
    share: float


def rates(tx: sa.Connection, policies: Policies) -> list[RateUse]:
    """Every configured rate, whether or not it was ever used, brought to this moment without writing."""
    now: dt.datetime = tx.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    paces = _units_since(tx, now - PACE_OVER)
    stored = {(quota.vendor, quota.rate): quota for quota in _quotas(tx)}
    found = []
    for vendor, policy in sorted(policies.vendors.items()):
        for rate, limit in policy.rates.limits().items():
            quota = stored.get((vendor, rate)) or _unused(vendor, rate, limit)
            quota.roll(now, policy)
            taken = quota.used + quota.leased
            per_s = paces.get(vendor, 0) / PACE_OVER.total_seconds()
            ends = None
            if rate == "day" and per_s > 0 and taken < limit:
                ends = now + dt.timedelta(seconds=(limit - taken) / per_s)
            elif rate == "day" and taken >= limit:
                ends = now
            found.append(
                RateUse(
                    vendor, rate, limit, quota.used, quota.leased, taken / limit, quota.resets_at, quota.blocked_until,
                    ends if ends is not None and ends < quota.resets_at else None,
                )
            )  # fmt: skip
    return found


def advice(tx: sa.Connection, policies: Policies) -> list[RateAdvice]:
    """What each rate granted, held back and was refused, with the value that would fit better.

    A vendor that answered 429 below our limit allows less than we believe: the limit goes to four fifths. Where more than
    5 % of what was granted had to wait and the vendor never complained, the limit may rise by the share that waited, at
    most twofold, if the plan that was bought allows it.
    """
    now: dt.datetime = tx.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    granted = _units_since(tx, now - REFUSALS_OVER)
    c = vendor_calls.c
    complaints: dict[str, int] = dict(
        tx.execute(
            sa.select(c.vendor, sa.func.count())
            .where(c.started_at > now - REFUSALS_OVER, c.http_status == 429)
            .group_by(c.vendor)
        )
        .tuples()
        .all()
    )
    q = vendor_quotas.c
    counted = {
        (row.vendor, row.rate): (row.waited, row.refused)
        for row in tx.execute(sa.select(q.vendor, q.rate, q.waited, q.refused))
    }
    found = []
    for vendor, policy in sorted(policies.vendors.items()):
        for rate, limit in policy.rates.limits().items():
            waited, refused = counted.get((vendor, rate), (0, 0))
            units, no = int(granted.get(vendor, 0)), int(complaints.get(vendor, 0))
            proposed, because = _proposal(limit, units, waited, no)
            found.append(RateAdvice(vendor, rate, limit, units, waited, refused, no, proposed, because))
    return found


def spending(tx: sa.Connection, *, leads: bool = False) -> list[BudgetUse]:
    """Every budget that was drawn on, the fullest first; those of single leads only when asked for."""
    b = budgets.c
    query = sa.select(b.scope, b.key, b.cap_microusd, b.spent_microusd, b.reserved_microusd)
    if not leads:
        query = query.where(b.scope != "lead")
    used = [
        BudgetUse(scope, key, cap, spent, reserved, (spent + reserved) / cap if cap else 1.0)
        for scope, key, cap, spent, reserved in tx.execute(query).tuples()
    ]
    return sorted(used, key=lambda one: (-one.share, one.scope, one.key))


def breakers(tx: sa.Connection, policies: Policies) -> list[dict[str, object]]:
    """Each vendor's breaker; one that never had a fault is closed."""
    b = vendor_breakers.c
    rows = {
        row.vendor: row._asdict()
        for row in tx.execute(
            sa.select(b.vendor, b.state, b.forced, b.failures, b.opened_at, b.retry_at, b.changed_at, b.reason)
        )
    }
    empty = {"state": "closed", "forced": None, "failures": 0, "opened_at": None, "retry_at": None, "changed_at": None}
    return [
        rows.get(vendor) or {"vendor": vendor, **empty, "reason": None}
        for vendor, policy in sorted(policies.vendors.items())
        if policy.breaker is not None
    ]


def cached(tx: sa.Connection, now: dt.datetime) -> list[dict[str, object]]:
    """Per vendor: stored answers, how many are past their term at ``now``, their size and age, and the hits of a week."""
    v, c = vendor_content.c, vendor_calls.c
    stored = {
        row.vendor: row._asdict()
        for row in tx.execute(
            sa.select(
                v.vendor,
                sa.func.count().label("answers"),
                sa.func.count().filter(v.expires_at <= now).label("expired"),
                sa.func.coalesce(sa.func.sum(sa.func.pg_column_size(v.content)), 0).label("bytes"),
                sa.func.min(v.fetched_at).label("oldest_at"),
            ).group_by(v.vendor)
        )
    }
    looked = {
        row.vendor: row
        for row in tx.execute(
            sa.select(c.vendor, sa.func.count().label("looks"), sa.func.count().filter(c.cache_hit).label("hits"))
            .where(c.started_at > sa.func.clock_timestamp() - REFUSALS_OVER)
            .group_by(c.vendor)
        )
    }
    empty = {"answers": 0, "expired": 0, "bytes": 0, "oldest_at": None}
    return [
        {
            **({"vendor": vendor} | empty | stored.get(vendor, {})),
            "calls": looked[vendor].looks if vendor in looked else 0,
            "hits": looked[vendor].hits if vendor in looked else 0,
        }
        for vendor in sorted(stored.keys() | looked.keys())
    ]


def stored(tx: sa.Connection, *, vendor: str | None, fetched_before: dt.datetime | None) -> int:
    """How many answers ``clear_cache`` would delete."""
    return tx.scalar(sa.select(sa.func.count()).select_from(vendor_content).where(*_these(vendor, fetched_before))) or 0


def clear_cache(tx: sa.Connection, *, vendor: str | None, fetched_before: dt.datetime | None) -> int:
    """Deletes stored vendor answers and says how many; limits, breakers, budgets and the ledger stay as they are.

    What is cleared is fetched, and paid for, again when a room next needs it.
    """
    return tx.execute(sa.delete(vendor_content).where(*_these(vendor, fetched_before))).rowcount


def _these(vendor: str | None, fetched_before: dt.datetime | None) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    if vendor is not None:
        where.append(vendor_content.c.vendor == vendor)
    if fetched_before is not None:
        where.append(vendor_content.c.fetched_at < fetched_before)
    return where


def _quotas(tx: sa.Connection) -> list[Quota]:
    q = vendor_quotas.c
    rows = tx.execute(
        sa.select(
            q.vendor, q.rate, q.limit_units, q.window_started_at, q.resets_at, q.used_units, q.leased_units, q.recent,
            q.blocked_until,
        )
    )  # fmt: skip
    return [Quota.of_row(tuple(row)) for row in rows]


def _unused(vendor: str, rate: RateName, limit: int) -> Quota:
    start = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return Quota(vendor, rate, limit, start, start, 0, 0, [], None)


def _units_since(tx: sa.Connection, since: dt.datetime) -> dict[str, int]:
    c = vendor_calls.c
    query = (
        sa.select(c.vendor, sa.func.sum(c.units))
        .where(c.started_at > since, c.status != "not_sent", sa.not_(c.cache_hit))
        .group_by(c.vendor)
    )
    return {vendor: int(units) for vendor, units in tx.execute(query).tuples()}


def _proposal(limit: int, granted: int, waited: int, said_no: int) -> tuple[int, str]:
    if said_no:
        return max(1, math.floor(limit * LOWER_TO)), f"the vendor answered 429 {said_no} times in 7 days"
    if granted and waited / granted > WAITS_WORTH_A_RAISE:
        raised = min(2 * limit, math.ceil(limit * (1 + waited / granted)))
        return raised, f"{waited} calls waited and the vendor never said no: raise it if your plan allows that"
    return limit, "fits"
