"""Figures of vendors: rates, budgets, breakers, the share of failed calls and of calls that the cache answered."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from leadfactory.d00_gateway import usage
from leadfactory.d00_gateway.policies import Policies
from leadfactory.monitoring.figures import WINDOWS, Figure, Scene, ratio, rows, seconds_since, wall

BREAKER_STATES = ("closed", "half_open", "open")
CALLS = """
SELECT vendor, count(*) AS calls, count(*) FILTER (WHERE cache_hit) AS hits,
       count(*) FILTER (WHERE status IN ('unavailable', 'unknown')) AS failed,
       count(*) FILTER (WHERE status IN ('ok', 'rejected', 'unavailable', 'unknown') AND NOT cache_hit) AS settled
FROM vendor_calls WHERE started_at > :since AND status <> 'not_sent' GROUP BY vendor"""


def figures(tx: sa.Connection, scene: Scene) -> Iterator[Figure]:
    """The family."""
    now = wall(tx)
    policies = Policies.for_settings(scene.settings)
    used, limits = [], []
    for one in usage.rates(tx, policies):
        labels = {"vendor": one.vendor, "rate": one.rate}
        used.append((labels, one.share))
        limits.append((labels, float(one.limit)))
    yield Figure("rate_used_ratio", "Share of a vendor's rate that its window has used or leased.", tuple(used))
    yield Figure("rate_limit_units", "Units that the rate allows.", tuple(limits))
    yield from _budgets(tx, scene)
    states, ages = [], {}
    for breaker in usage.breakers(tx, policies):
        vendor = str(breaker["vendor"])
        state = "open" if breaker["forced"] == "open" else "closed" if breaker["forced"] else breaker["state"]
        states += [({"vendor": vendor, "state": name}, float(name == state)) for name in BREAKER_STATES]
        ages[vendor] = 0.0
        if state == "open":
            ages[vendor] = seconds_since(breaker["opened_at"] or breaker["changed_at"], now)  # type: ignore[arg-type]
    yield Figure("vendor_breaker", "1 at the state of the vendor's circuit breaker.", tuple(states))
    yield Figure.of("vendor_breaker_open_seconds", "How long it has been open; 0 when it is not.", "vendor", ages)
    calls = rows(tx, CALLS, since=now - WINDOWS["1h"])
    yield Figure.of("vendor_calls", "Calls of the last hour, cached ones too.", "vendor", {c.vendor: c.calls for c in calls})  # fmt: skip
    yield Figure.of(
        "vendor_failure_ratio", "Share of the last hour's calls that failed.", "vendor",
        {c.vendor: share for c in calls if (share := ratio(c.failed, c.settled)) is not None},
    )  # fmt: skip
    yield Figure.of("vendor_failure_sample", "Settled calls of the last hour.", "vendor", {c.vendor: c.settled for c in calls})  # fmt: skip
    looked = rows(tx, CALLS, since=now - WINDOWS["24h"])
    yield Figure.of(
        "cache_hit_ratio", "Share of 24 hours' looks that the cache answered.", "vendor",
        {c.vendor: c.hits / c.calls for c in looked if c.calls},
    )  # fmt: skip


def _budgets(tx: sa.Connection, scene: Scene) -> Iterator[Figure]:
    """Budgets that may still be drawn on: this month's vendors, today, every campaign. Of single leads only how many are used up."""
    month, today = f"|{scene.now:%Y-%m}", f"{scene.now:%Y-%m-%d}"
    shares, spent = [], []
    for one in usage.spending(tx):
        if (one.scope == "vendor" and not one.key.endswith(month)) or (one.scope == "day" and one.key != today):
            continue
        labels = {"scope": one.scope, "key": one.key.removesuffix(month)}
        shares.append((labels, one.share))
        spent.append((labels, one.spent / 10_000))
    yield Figure("budget_used_ratio", "Share of a budget that is spent or reserved.", tuple(shares))
    yield Figure("budget_spent_cents", "What of the budget is spent.", tuple(spent))
