"""Rate limits: the arithmetic of windows and leases, exact over processes because the rows are locked while it runs.

A day's count starts at midnight of the vendor's zone. Second and minute hold in **every sliding window**: time is cut into
slices of a twentieth of the window, a permit may be used until the end of the slice after its own, so that a window touches
permits of at most 22 slices, and the sum of any 22 consecutive slices never passes the limit. The price is a sustained rate
of 20/22 of the limit; a burst of the whole limit is allowed.

Permits are taken in leases: ``leased_units`` of the day are set aside when a process takes a batch; when the lease ends (or
expires and is reaped) the ledger rows that carry its id are what was used, and the rest returns. Unused permits of second
and minute are not given back: they lapse with their slice. All times here are the database's.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from uuid import UUID
from zoneinfo import ZoneInfo

from leadfactory.d00_gateway.meanings import VendorWord
from leadfactory.d00_gateway.policies import SECONDS, RateName, VendorPolicy

SLICES = 20
_KEPT = SLICES + 2
LEASE_S = 24.0  # after this a lease belongs to whoever finds it, and somebody looks every writer.UPKEEP_S: within 30 s
LEASE_USE_S = 20.0  # its holder stops using it earlier, so that a slow commit still finds it
CLOCK_SLACK = dt.timedelta(seconds=5)  # what lies further ahead than this was written before the clock was set back
ROUNDS = 8  # a lease lasts for about as many rounds of all that may be under way at once
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def day_window(now: dt.datetime, zone: str) -> tuple[dt.datetime, dt.datetime]:
    """The day around ``now`` from midnight to midnight in ``zone``, in UTC; 23 or 25 hours when its clocks change."""
    place = ZoneInfo(zone)
    day = now.astimezone(place).date()
    start = dt.datetime.combine(day, dt.time(), place)
    end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), place)
    return start.astimezone(dt.UTC), end.astimezone(dt.UTC)


@dataclasses.dataclass
class Quota:
    """One row of vendor_quotas while its lock is held."""

    vendor: str
    rate: RateName
    limit: int
    window_started_at: dt.datetime
    resets_at: dt.datetime
    used: int
    leased: int
    recent: list[int]
    blocked_until: dt.datetime | None
    waited: int = 0
    refused: int = 0

    @classmethod
    def of_row(cls, row: tuple) -> Quota:
        """A row as ``LOCK`` returns it."""
        vendor, rate, limit, started_at, resets_at, used, leased, recent, blocked_until = row
        return cls(vendor, rate, limit, started_at, resets_at, used, leased, list(recent), blocked_until)

    @property
    def slice_s(self) -> float:
        """Length of a slice of a sliding window, in seconds."""
        return SECONDS[self.rate] / SLICES

    def roll(self, now: dt.datetime, policy: VendorPolicy) -> None:
        """Brings the row to ``now``: a new day starts at zero, old slices fall away, the limit is the configured one."""
        self.limit = policy.rates.limits().get(self.rate, self.limit)
        if self.blocked_until is not None and self.blocked_until <= now:
            self.blocked_until = None
        if self.rate == "day":
            start, end = day_window(now, policy.rates.reset_zone)
            if start > self.window_started_at:
                self.used = self.leased = 0
            if start < self.window_started_at:  # the server's clock was set back: what was counted since counts today
                self.blocked_until = None
            self.window_started_at = start
            self.resets_at = end
            return
        index = int((now - _EPOCH).total_seconds() / self.slice_s)
        before = round((self.window_started_at - _EPOCH).total_seconds() / self.slice_s)
        steps = min(max(index - before, 0), _KEPT)
        kept = ([0] * _KEPT + self.recent)[-_KEPT:]
        self.recent = (kept + [0] * steps)[-_KEPT:]
        if self.window_started_at > now + CLOCK_SLACK:
            self.blocked_until = None
        self.window_started_at = _EPOCH + dt.timedelta(seconds=index * self.slice_s)
        self.resets_at = self.window_started_at + dt.timedelta(seconds=SECONDS[self.rate] * _KEPT / SLICES)
        self.used = sum(self.recent)

    def available(self) -> int:
        """Units that may be taken now."""
        if self.blocked_until is not None:
            return 0
        return max(0, self.limit - self.used - self.leased)

    def take(self, units: int) -> None:
        """Sets ``units`` aside."""
        if self.rate == "day":
            self.leased += units
        else:
            self.recent[-1] += units
            self.used += units

    def give_back(self, window_started_at: dt.datetime, units: int, used: int) -> None:
        """Ends a lease of ``units``, of which ``used`` were; a lease of an earlier day changes nothing."""
        if self.rate == "day" and window_started_at == self.window_started_at:
            self.leased = max(0, self.leased - units)
            self.used += used

    def return_late(self, started_at: dt.datetime, units: int) -> None:
        """Returns ``units`` of an attempt that turned out not to have left when its lease had ended as if it had.

        What may have been leased the day before stays counted: a lease lives for ``LEASE_S``.
        """
        if self.rate == "day" and started_at - dt.timedelta(seconds=LEASE_S) > self.window_started_at:
            self.used = max(0, self.used - units)

    def usable_for_s(self, now: dt.datetime) -> float:
        """Seconds from ``now`` during which a permit taken now may be used."""
        if self.rate == "day":
            return (self.resets_at - now).total_seconds()
        return (self.window_started_at - now).total_seconds() + 2 * self.slice_s

    def free_at(self, units: int) -> dt.datetime:
        """When ``units`` can be available at the earliest."""
        if self.blocked_until is not None:
            return self.blocked_until
        if self.rate == "day":
            return self.resets_at
        for steps in range(1, _KEPT + 1):
            if sum(self.recent[steps:]) + units <= self.limit:
                return self.window_started_at + dt.timedelta(seconds=steps * self.slice_s)
        return self.resets_at

    def hear(self, word: VendorWord, sent: int) -> int:
        """Takes the vendor's word where it is lower than our own count; returns by how many units.

        Args:
            word: what the headers said.
            sent: units of ours that may have reached the vendor in this window; what it counted beyond was used elsewhere.
        """
        excess = 0
        stale = word.resets_at is not None and self.rate == "day" and word.resets_at <= self.window_started_at
        if word.rate == self.rate and word.remaining is not None and not stale:
            excess = max(0, self.limit - word.remaining - sent)
            self.used += excess
            if self.rate != "day":
                self.recent[-1] += excess
        return excess

    def block(self, until: dt.datetime) -> None:
        """Stops the rate until then; never shortens a stop."""
        if self.blocked_until is None or until > self.blocked_until:
            self.blocked_until = until


@dataclasses.dataclass
class Lease:
    """Permits that this process holds; usable until ``use_before`` (``time.monotonic`` seconds)."""

    lease_id: UUID
    vendor: str
    units: int
    left: int
    use_before: float
    windows: dict[str, str]


def lease_size(quotas: list[Quota], lacking: int, concurrency: int) -> int:
    """How many units to take when ``lacking`` are needed now: some rounds more while plenty is left, none near the end."""
    available = min((quota.available() for quota in quotas), default=0)
    spare = min(ROUNDS * concurrency, max(0, available - lacking) // 20)
    return min(available, lacking + spare)


def give_back(quotas: dict[str, list[Quota]], ended: list[tuple], used: dict[UUID, int]) -> None:
    """Ends leases on locked rows: ``ended`` as ``END`` returns them, ``used`` units by lease as ``USED`` counts them."""
    for lease_id, vendor, units, windows in ended:
        for quota in quotas.get(vendor, ()):
            started = windows.get(quota.rate)
            if started is not None:
                quota.give_back(dt.datetime.fromisoformat(started), units, int(used.get(lease_id, 0)))


def is_news(word: VendorWord, policy: VendorPolicy, counted: int | None) -> bool:
    """Whether a vendor's word may be lower than our own count, so that the rows are worth locking.

    ``counted`` are the units of the day that this process knows to be sent, None before its first look.
    """
    limits = policy.rates.limits()
    if word.blocked_rate is not None:
        return bool(limits)
    limit = next((number for rate, number in limits.items() if rate == word.rate), None)
    if limit is None or word.remaining is None:
        return False
    if word.rate == "day":
        return counted is None or limit - word.remaining > counted
    return (
        word.remaining < limit // 2
    )  # our sliding count differs from the vendor's window; far from the end it says nothing


def listen(quota: Quota, quotas: list[Quota], word: VendorWord, sent: int, now: dt.datetime) -> int:
    """Takes the vendor's word into a locked row; returns the units that the vendor counted beyond ours."""
    excess = quota.hear(word, sent)
    shortest = min(quotas, key=lambda one: ("second", "minute", "day").index(one.rate))
    if word.blocked_rate == quota.rate or (word.blocked_rate == "shortest" and quota is shortest):
        until = quota.resets_at if word.until_reset else word.blocked_until
        if until is not None and until > now:
            quota.block(until)
    return excess


# vendor_quotas rows are locked in the order vendor, rate by every transaction that takes or ends leases.
ENSURE = """
INSERT INTO vendor_quotas (vendor, rate, limit_units, window_started_at, resets_at)
SELECT vendor, rate, limit_units, to_timestamp(0), to_timestamp(0)
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS q (vendor, rate, limit_units)
WHERE NOT EXISTS (SELECT FROM vendor_quotas v WHERE v.vendor = q.vendor AND v.rate = q.rate)
ORDER BY vendor, rate
ON CONFLICT DO NOTHING
"""
LOCK = """
SELECT vendor, rate, limit_units, window_started_at, resets_at, used_units, leased_units, recent, blocked_until
FROM vendor_quotas WHERE vendor = ANY(%s::text[]) ORDER BY vendor, rate FOR UPDATE
"""
SAVE = """
UPDATE vendor_quotas
SET limit_units = %s, window_started_at = %s, resets_at = %s, used_units = %s, leased_units = %s, recent = %s::bigint[],
    blocked_until = %s, waited = waited + %s, refused = refused + %s
WHERE vendor = %s AND rate = %s
"""
HOLD = "SELECT lease_id FROM vendor_leases WHERE lease_id = ANY(%s::uuid[]) FOR KEY SHARE"
TAKE = """
INSERT INTO vendor_leases (lease_id, vendor, units, windows, leased_at, expires_at)
VALUES (%s, %s, %s, %s, clock_timestamp(), clock_timestamp() + make_interval(secs => %s))
"""
END = """
DELETE FROM vendor_leases WHERE lease_id = ANY(%s::uuid[]) OR vendor = ANY(%s::text[])
RETURNING lease_id, vendor, units, windows
"""
EXPIRED = """
SELECT lease_id, vendor FROM vendor_leases
WHERE expires_at < clock_timestamp() OR leased_at > clock_timestamp() + interval '5 s'
"""
# not_sent attempts provably never reached the vendor, so their permit returns with the lease.
USED = """
SELECT lease_id, sum(units) FROM vendor_calls
WHERE lease_id = ANY(%s::uuid[]) AND status <> 'not_sent' GROUP BY lease_id
"""
# Attempts that this transaction settles as not sent (a repeated one settles nothing) and whose lease has ended.
LATE = """
SELECT c.vendor, c.started_at, c.units FROM vendor_calls c
WHERE c.call_id = ANY(%s::uuid[]) AND c.status = 'not_sent' AND c.settled_at >= transaction_timestamp()
  AND NOT EXISTS (SELECT FROM vendor_leases l WHERE l.lease_id = c.lease_id)
"""
SENT = """
SELECT l.vendor, sum(c.units) FROM vendor_leases l JOIN vendor_calls c ON c.lease_id = l.lease_id
WHERE l.vendor = ANY(%s::text[]) AND c.status <> 'not_sent' GROUP BY l.vendor
"""


def save_row(quota: Quota) -> tuple:
    """The parameters of ``SAVE``."""
    return (
        quota.limit, quota.window_started_at, quota.resets_at, quota.used, quota.leased, quota.recent, quota.blocked_until,
        quota.waited, quota.refused, quota.vendor, quota.rate,
    )  # fmt: skip
