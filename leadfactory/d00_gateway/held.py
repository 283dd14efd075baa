"""What waits for leave to start, and what a writer remembers between its transactions."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import math
import uuid
from collections import defaultdict

from leadfactory.d00_gateway import cache
from leadfactory.d00_gateway.breaker import Breaker
from leadfactory.d00_gateway.ledger import BudgetKey, Call, Hit, Permit
from leadfactory.d00_gateway.limiter import Lease
from leadfactory.pauses import Pause


@dataclasses.dataclass(eq=False)
class Start:
    """A call that waits for leave to make an attempt; ``due`` and ``asked_at`` in ``time.monotonic`` seconds."""

    call: Call
    attempt: int
    future: asyncio.Future[Permit | Hit]
    asked_at: float
    due: float
    now: dt.datetime  # of the factory's clock, for the cache
    probe_id: uuid.UUID | None = None

    @property
    def look_up(self) -> int | None:
        """The lock of a look-up that may be answered from storage; None for other calls."""
        return look_up(self.call)


def look_up(call: Call) -> int | None:
    """The lock of a call that may be answered from storage; None for other calls."""
    return None if call.cache_for is None else cache.lock_key(call.vendor, call.request_hash)


@dataclasses.dataclass
class Held:
    """What a writer remembers between transactions: leases, breakers as last read, and what it knows of others' counts."""

    leases: dict[str, list[Lease]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    breakers: dict[str, Breaker] = dataclasses.field(default_factory=dict)
    pauses: list[Pause] = dataclasses.field(default_factory=list)  # read with the breakers
    reload_id: int = 0  # of the configuration, read with the breakers
    breakers_read_at: float = -math.inf
    counted: dict[str, int] = dataclasses.field(default_factory=dict)  # units of the vendor's day known to be sent
    budgets: set[BudgetKey] = dataclasses.field(default_factory=set)
    locked: set[int] = dataclasses.field(default_factory=set)  # look-ups that this session has locked
    aloft: set[int] = dataclasses.field(default_factory=set)  # those of them whose attempt has left

    def usable(self, vendor: str, now: float) -> list[Lease]:
        """The leases that still hold permits."""
        return [lease for lease in self.leases[vendor] if lease.left > 0 and lease.use_before > now]

    def over(self, vendor: str, now: float) -> list[Lease]:
        """The leases that are used up or lapsed."""
        return [lease for lease in self.leases[vendor] if lease.left <= 0 or lease.use_before <= now]

    def change_leases(self, new: list[Lease], taken: dict[uuid.UUID, int], ended: set[uuid.UUID]) -> None:
        """Takes a committed transaction into the leases: new ones, units ``taken`` from them, ended ones."""
        for lease in new:
            self.leases[lease.vendor].append(lease)
        for vendor, leases in self.leases.items():
            for lease in leases:
                lease.left -= taken.get(lease.lease_id, 0)
            self.leases[vendor] = [lease for lease in leases if lease.lease_id not in ended]
