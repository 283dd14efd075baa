"""What mailing brings at all: purchases per mailed business beside purchases per business of the global holdout, day by day.

Mailed are businesses whose first letter was claimed since the holdout's version was loaded; held out are those that qualified since
and were kept from every letter. A business counts once, and its purchase when it is paid. Both rates are confidence sequences that
share one error of 5 %, so that their difference holds at every look too.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import sqlalchemy as sa

from leadfactory.d11_experiments import statistics
from leadfactory.d11_experiments.buckets import HOLDOUT
from leadfactory.d11_experiments.counting import cumulated
from leadfactory.d11_experiments.readout import ArmReadout, Count, Decision, Readout

ALPHA = 0.05
MAILED, METRIC = "mailed", "purchased"
_QUERY = sa.text(
    f"""WITH each_one AS (
      SELECT '{MAILED}' AS arm, s.business_id, min(s.claimed_at) AS since FROM email_sends s
      JOIN experiments x ON x.experiment = :experiment AND x.version = :version
      WHERE s.step = 1 AND s.state IN ('claimed', 'accepted', 'unknown') AND s.claimed_at BETWEEN x.loaded_at AND :now
        AND NOT EXISTS (SELECT FROM experiment_assignments a WHERE a.business_id = s.business_id
          AND (a.experiment, a.version, a.arm) = (:experiment, :version, '{HOLDOUT}'))
      GROUP BY s.business_id
      UNION ALL
      SELECT '{HOLDOUT}', a.business_id, min(a.assigned_at) FROM experiment_assignments a
      WHERE (a.experiment, a.version, a.arm) = (:experiment, :version, '{HOLDOUT}') AND a.assigned_at <= :now
      GROUP BY a.business_id),
    bought AS (
      SELECT e.arm, e.business_id, min(greatest(p.paid_at, e.since)) AS at FROM each_one e
      JOIN purchases p ON p.business_id = e.business_id AND p.state <> 'quarantined' AND p.paid_at <= :now
      GROUP BY e.arm, e.business_id)
    SELECT arm, (since AT TIME ZONE 'UTC')::date AS on_day, 'exposed' AS what, count(*) AS n FROM each_one GROUP BY 1, 2
    UNION ALL SELECT arm, (at AT TIME ZONE 'UTC')::date, '{METRIC}', count(*) FROM bought GROUP BY 1, 2"""  # noqa: S608 - constants of this module
)


@dataclasses.dataclass(frozen=True)
class Difference:
    """Purchases per business that the letters bring: the mailed rate less the held-out rate; None while one side has nobody."""

    observed: float | None
    low: float
    high: float


def history(tx: sa.Connection, experiment: str, version: int, now: dt.datetime) -> dict[dt.date, Readout]:
    """What could be said at the end of each day on which something happened."""
    rows = tx.execute(_QUERY, {"experiment": experiment, "version": version, "now": now})
    return {day: read_out(counts) for day, counts in cumulated(rows).items()}


def read_out(counts: dict[str, Count]) -> Readout:
    """Both rates, and what their difference says. Pure."""
    mailed, held = (_arm(name, counts.get(name, Count())) for name in (MAILED, HOLDOUT))
    found = difference(mailed, held)
    decision: Decision = "winner" if found.low > 0 or found.high < 0 else "running"
    winner = None if decision == "running" else MAILED if found.low > 0 else HOLDOUT
    return Readout(decision, _sentence(mailed, held, found), 0.0, (mailed, held), winner)


def difference(mailed: ArmReadout, held: ArmReadout) -> Difference:
    """Of the two rates, within the ends that both confidence sequences leave."""
    known = mailed.rate is not None and held.rate is not None
    return Difference(
        (mailed.rate or 0.0) - (held.rate or 0.0) if known else None,
        mailed.rate_low - held.rate_high,
        mailed.rate_high - held.rate_low,
    )


def _arm(name: str, count: Count) -> ArmReadout:
    events = count.events.get(METRIC, 0)
    low, high = statistics.rate_interval(events, count.exposed, ALPHA / 2)
    rate = events / count.exposed if count.exposed else None
    return ArmReadout(name, count.exposed, events, rate, low, high, None, None, None, None, ())


def _sentence(mailed: ArmReadout, held: ArmReadout, found: Difference) -> str:
    sides: list[Any] = [
        f"{arm.events} of {arm.exposed} {word}" for arm, word in ((mailed, "mailed"), (held, "held out"))
    ]
    told = f"Bought: {sides[0]}, {sides[1]}"
    if found.observed is None:
        return f"{told}: nothing to compare yet."
    ends = f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"
    verdict = " It is not decided yet whether letters bring purchases." if found.low <= 0 <= found.high else ""
    return f"{told}: letters bring {100 * found.observed:+.2f} purchases per 100 businesses ({ends}).{verdict}"
