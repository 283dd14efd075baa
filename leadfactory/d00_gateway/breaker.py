"""The circuit breaker that all processes share: one row per vendor, opened by faults in a row, closed by one probe.

Every writer reads the rows at most once a second; an operator's word (``forced``) wins over the state.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal, LiteralString

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d00_gateway.errors import VendorUnavailable
from leadfactory.d00_gateway.ledger import Call, Ending
from leadfactory.d00_gateway.policies import BreakerPolicy
from leadfactory.d00_gateway.tables import vendor_breakers


@dataclasses.dataclass(frozen=True)
class Breaker:
    """A vendor's row as last read."""

    vendor: str
    state: str = "closed"
    forced: str | None = None
    failures: int = 0
    retry_at: dt.datetime | None = None
    probe_expires_at: dt.datetime | None = None
    reason: str | None = None

    def verdict(self, now: dt.datetime) -> Literal["pass", "probe", "refuse"]:
        """Whether calls pass, one of them may try to become the probe, or none leaves."""
        if self.forced is not None:
            return "pass" if self.forced == "closed" else "refuse"
        if self.state == "closed":
            return "pass"
        waits_until = self.retry_at if self.state == "open" else self.probe_expires_at
        return "refuse" if waits_until is not None and waits_until > now else "probe"

    def refusal(self, call: Call) -> VendorUnavailable:
        """The error of a call that an open breaker holds back."""
        why = (
            f"forced open by an operator ({self.reason})"
            if self.forced == "open"
            else f"after {self.reason or 'faults'}"
        )
        retry_at = None if self.forced else (self.retry_at if self.state == "open" else self.probe_expires_at)
        return VendorUnavailable(
            call.vendor, call.spec.endpoint, "breaker_open", detail=why, retry_at=retry_at, left_the_house=False
        )


def force(tx: sa.Connection, vendor: str, state: Literal["open", "closed"] | None, reason: str) -> None:
    """An operator's word for all processes: hold every call back, let every call pass, or (None) let the breaker decide.

    It is heard within a second. Letting go starts from a closed breaker.
    """
    values: dict[str, Any] = {
        "vendor": vendor,
        "forced": state,
        "reason": reason,
        "changed_at": sa.func.clock_timestamp(),
    }
    if state is None:
        values |= {"state": "closed", "failures": 0, "opened_at": None, "retry_at": None, "probe_id": None}
    statement = insert(vendor_breakers).values(**values)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["vendor"], set_={name: statement.excluded[name] for name in values if name != "vendor"}
        )
    )


def run_of_faults(votes: Sequence[str]) -> tuple[bool, int]:
    """Of votes in order: whether an ok was among them, and how many faults followed the last one."""
    faults, any_ok = 0, False
    for vote in votes:
        if vote == "ok":
            faults, any_ok = 0, True
        elif vote == "fault":
            faults += 1
    return any_ok, faults


def verdicts(
    row: Breaker, policy: BreakerPolicy, endings: Sequence[Ending]
) -> list[tuple[LiteralString, dict[str, Any]]]:
    """The statements (with parameters, ``vendor`` apart) that take the votes of ``endings``, in order, to the row."""
    found: list[tuple[LiteralString, dict[str, Any]]] = []
    for ending in endings:
        probe = ending.permit.probe_id
        if probe is None:
            continue
        if (
            ending.breaker == "neutral" and ending.http_status is None
        ):  # it never got an answer: somebody else shall ask
            found.append((RELEASE, {"probe": probe}))
        else:
            fault = ending.breaker == "fault"
            found.append((PROBED, {"probe": probe, "fault": fault, "open_s": policy.open_s, "reason": ending.reason}))
    plain = [ending for ending in endings if ending.permit.probe_id is None]
    any_ok, faults = run_of_faults([ending.breaker for ending in plain])
    if faults or (any_ok and row.failures):
        reason = next((ending.reason for ending in reversed(plain) if ending.breaker == "fault"), None)
        values = {"any_ok": any_ok, "faults": faults, "most": policy.faults, "open_s": policy.open_s, "reason": reason}
        found.append((COUNT, values))
    return found


# Parameters are named; every statement that changes a row returns it as READ does.
_ROW = "vendor, state, forced, failures, retry_at, probe_expires_at, reason"
# A clock that was set back must not keep a vendor away until it is right again.
SET_BACK = """
UPDATE vendor_breakers
SET retry_at = least(retry_at, clock_timestamp()), probe_expires_at = least(probe_expires_at, clock_timestamp()),
    changed_at = clock_timestamp()
WHERE changed_at > clock_timestamp() + interval '5 s'
"""
ENSURE = """
INSERT INTO vendor_breakers (vendor) SELECT n.vendor FROM unnest(%s::text[]) AS n (vendor)
WHERE NOT EXISTS (SELECT FROM vendor_breakers v WHERE v.vendor = n.vendor) ORDER BY 1 ON CONFLICT DO NOTHING
"""
READ = f"SELECT {_ROW} FROM vendor_breakers"  # noqa: S608
CLAIM = f"""
UPDATE vendor_breakers
SET state = 'half_open', probe_id = %(probe)s, probe_expires_at = clock_timestamp() + make_interval(secs => %(for_s)s),
    changed_at = clock_timestamp()
WHERE vendor = %(vendor)s AND forced IS NULL
  AND (state = 'open' AND retry_at <= clock_timestamp() OR state = 'half_open' AND probe_expires_at <= clock_timestamp())
RETURNING {_ROW}
"""  # noqa: S608
RELEASE = f"""
UPDATE vendor_breakers SET probe_expires_at = clock_timestamp()
WHERE vendor = %(vendor)s AND probe_id = %(probe)s RETURNING {_ROW}
"""  # noqa: S608
PROBED = f"""
UPDATE vendor_breakers
SET state = CASE WHEN %(fault)s THEN 'open' ELSE 'closed' END, failures = CASE WHEN %(fault)s THEN failures + 1 ELSE 0 END,
    retry_at = CASE WHEN %(fault)s THEN clock_timestamp() + make_interval(secs => %(open_s)s) END,
    opened_at = CASE WHEN %(fault)s THEN clock_timestamp() END, probe_id = NULL, probe_expires_at = NULL,
    reason = CASE WHEN %(fault)s THEN %(reason)s END, changed_at = clock_timestamp()
WHERE vendor = %(vendor)s AND probe_id = %(probe)s AND forced IS NULL
RETURNING {_ROW}
"""  # noqa: S608
COUNT = """
UPDATE vendor_breakers
SET failures = n.failures, state = CASE WHEN n.failures >= %(most)s THEN 'open' ELSE 'closed' END,
    opened_at = CASE WHEN n.failures >= %(most)s THEN clock_timestamp() END,
    retry_at = CASE WHEN n.failures >= %(most)s THEN clock_timestamp() + make_interval(secs => %(open_s)s) END,
    reason = CASE WHEN n.failures >= %(most)s THEN n.failures || ' faults in a row, last ' || %(reason)s END,
    changed_at = clock_timestamp()
FROM (SELECT b.vendor, CASE WHEN %(any_ok)s THEN 0 ELSE b.failures END + %(faults)s AS failures
      FROM vendor_breakers b WHERE b.vendor = %(vendor)s FOR UPDATE) AS n
WHERE vendor_breakers.vendor = n.vendor AND vendor_breakers.state = 'closed' AND vendor_breakers.forced IS NULL
RETURNING vendor_breakers.vendor, state, forced, vendor_breakers.failures, retry_at, probe_expires_at, reason
"""
