"""The usual transaction of the writer as one statement: leases cover every start, budgets have room, nothing is wrong.

Whatever else is going on (permits to take, an answer to look up or keep, a breaker to read or move, a budget that is full)
is left to batch.py: then nothing was written here.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg

from leadfactory.d00_gateway import breaker, limiter
from leadfactory.d00_gateway.batch import BREAKERS_STALE_S, Batch
from leadfactory.d00_gateway.breaker import Breaker
from leadfactory.d00_gateway.held import Start
from leadfactory.d00_gateway.ledger import Call, Ending, Permit
from leadfactory.d00_gateway.limiter import Lease

# Locks in the order of batch.py: ledger rows, leases, budgets. A lease that was reaped inserts no row; a row that was reaped
# settles nothing and books nothing; a budget without room breaks the table's CHECK and with it the whole statement.
_STATEMENT = """
WITH settled AS (
  UPDATE vendor_calls c
  SET status = e.status, http_status = e.http_status, reason = e.reason, cost_microusd = e.cost, latency_ms = e.latency_ms,
      settled_at = clock_timestamp()
  FROM json_to_recordset(%(endings)s::json)
    AS e (call_id uuid, status text, http_status int, reason text, cost bigint, latency_ms int)
  WHERE c.call_id = e.call_id AND c.settled_at IS NULL
  RETURNING c.call_id
), held AS MATERIALIZED (
  SELECT lease_id FROM vendor_leases WHERE lease_id = ANY(%(leases)s::uuid[]) ORDER BY lease_id FOR KEY SHARE
), started AS (
  INSERT INTO vendor_calls (call_id, vendor, endpoint, campaign, cohort_on, asset, business_id, attempt, units, status,
                            reserved_microusd, request_hash, lease_id, started_at, occurred_on)
  SELECT call_id, vendor, endpoint, campaign, cohort_on, asset, business_id, attempt, units, 'started', reserved,
         decode(request_hash, 'hex'), lease_id, clock_timestamp(), occurred_on
  FROM json_to_recordset(%(starts)s::json)
    AS s (call_id uuid, vendor text, endpoint text, campaign text, cohort_on date, asset text, business_id uuid,
          attempt int, units int, reserved bigint, request_hash text, lease_id uuid, occurred_on date)
  WHERE lease_id IS NULL OR lease_id IN (SELECT lease_id FROM held)
  RETURNING call_id
), owed AS MATERIALIZED (
  SELECT scope, key, sum(reserved) AS reserved, sum(spent) AS spent
  FROM json_to_recordset(%(money)s::json) AS m (call_id uuid, scope text, key text, reserved bigint, spent bigint)
  WHERE call_id IN (SELECT call_id FROM settled UNION ALL SELECT call_id FROM started)
  GROUP BY scope, key
), locked AS MATERIALIZED (
  SELECT b.scope, b.key FROM budgets b JOIN owed o ON o.scope = b.scope AND o.key = b.key
  ORDER BY b.scope, b.key FOR UPDATE OF b
), booked AS (
  UPDATE budgets b SET reserved_microusd = b.reserved_microusd + o.reserved, spent_microusd = b.spent_microusd + o.spent
  FROM owed o JOIN locked l ON l.scope = o.scope AND l.key = o.key
  WHERE b.scope = o.scope AND b.key = o.key
)
SELECT call_id, set_config('synchronous_commit', %(commit)s, true) FROM started
"""


async def commit(conn: psycopg.AsyncConnection, batch: Batch) -> bool:
    """Commits the batch in one round trip; False when it is not of the usual kind, and then nothing has changed."""
    if not _is_usual(batch):
        return False
    placed = list(_place(batch))
    if len(placed) != len(batch.starts):
        return False
    begun = [(start, lease, uuid.uuid4()) for start, lease in placed]
    money = [line for start, _, call_id in begun for line in _reserves(start.call, call_id)]
    values = {
        "endings": json.dumps([
            {"call_id": str(e.permit.call_id), "status": e.status, "http_status": e.http_status, "reason": e.reason,
             "cost": e.cost_microusd, "latency_ms": e.latency_ms} for e in batch.endings
        ]),
        "starts": json.dumps([_row(start, lease, call_id) for start, lease, call_id in begun]),
        "leases": [str(lease_id) for lease_id in {lease.lease_id for _, lease in placed if lease is not None}],
        "money": json.dumps(money + [line for ending in batch.endings for line in _books(ending)]),
        "commit": "on" if money else "off",  # why: see Batch._write
    }  # fmt: skip
    try:
        started = {row[0] for row in await (await conn.execute(_STATEMENT, values, prepare=True)).fetchall()}
    except (psycopg.errors.CheckViolation, psycopg.errors.DeadlockDetected):
        return False
    for start, lease, call_id in begun:
        if call_id in started:
            reserved = max(0, start.call.spec.worst_case_microusd)
            until = math.inf if lease is None else lease.use_before
            batch.granted.append((start, Permit(call_id, start.attempt, reserved, until)))
            if lease is not None:
                batch.taken[lease.lease_id] += start.call.spec.units
        elif lease is not None:
            batch.ended.add(lease.lease_id)
            batch.waiting.append((start, batch.began))
    return True


def _is_usual(batch: Batch) -> bool:
    if any(start.call.cache_for is not None for start in batch.starts):
        return False
    if any(ending.content is not None or ending.status == "not_sent" for ending in batch.endings):
        return False
    if any(limiter.is_news(word, batch.policies.of(one), batch.held.counted.get(one)) for one, word in batch.words()):
        return False
    return _breakers_are_quiet(batch)


def _breakers_are_quiet(batch: Batch) -> bool:
    if batch.starts and batch.held.pauses:
        return False
    if batch.starts and batch.began - batch.held.breakers_read_at > BREAKERS_STALE_S:
        return False
    known = batch.held.breakers
    if any(
        known.get(vendor, Breaker(vendor)).verdict(batch.now) != "pass"
        for vendor in {s.call.vendor for s in batch.starts}
    ):
        return False
    for vendor, endings in batch.votes().items():
        policy = batch.policies.of(vendor).breaker
        if policy is not None and breaker.verdicts(known.get(vendor, Breaker(vendor)), policy, endings):
            return False
    return True


def _place(batch: Batch) -> Iterator[tuple[Start, Lease | None]]:
    """Each start with the lease that pays for it; ends early when one finds none."""
    taken: dict[uuid.UUID, int] = {}
    for start in batch.starts:
        vendor, units = start.call.vendor, start.call.spec.units
        if not batch.policies.of(vendor).rates.limits():
            yield start, None
            continue
        usable = batch.held.usable(vendor, batch.began)
        lease = next((one for one in usable if one.left - taken.get(one.lease_id, 0) >= units), None)
        if lease is None:
            return
        taken[lease.lease_id] = taken.get(lease.lease_id, 0) + units
        yield start, lease


def _row(start: Start, lease: Lease | None, call_id: uuid.UUID) -> dict[str, Any]:
    call = start.call
    return {
        "call_id": str(call_id), "vendor": call.vendor, "endpoint": call.spec.endpoint, "campaign": call.campaign,
        "cohort_on": None if call.cohort_on is None else call.cohort_on.isoformat(),
        "asset": None if call.scope is None else call.scope.asset,
        "business_id": None if call.business_id is None else str(call.business_id), "attempt": start.attempt,
        "units": call.spec.units, "reserved": max(0, call.spec.worst_case_microusd), "request_hash": call.request_hash.hex(),
        "lease_id": None if lease is None else str(lease.lease_id), "occurred_on": call.occurred_on.isoformat(),
    }  # fmt: skip


def _reserves(call: Call, call_id: uuid.UUID) -> list[dict[str, Any]]:
    worst = call.spec.worst_case_microusd
    return [
        {"call_id": str(call_id), "scope": scope, "key": key, "reserved": worst, "spent": 0}
        for scope, key in call.budget_keys
    ]


def _books(ending: Ending) -> list[dict[str, Any]]:
    permit = ending.permit
    return [
        {"call_id": str(permit.call_id), "scope": scope, "key": key, "reserved": -permit.reserved_microusd,
         "spent": ending.cost_microusd} for scope, key in ending.call.budget_keys
    ]  # fmt: skip
