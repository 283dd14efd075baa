"""What mailing brings at all: purchases per business that may be mailed beside purchases per business of the global holdout.

Both sides are told by intention: whoever qualified was put on one of them by lot, before anything was written, and counts there from
then on, mailed or not. To count only those whom a letter reached would hold the best of one side against the whole of the other. A
business counts once, and its purchase when it is paid after that. When the sides are not of the size that was planned, something
loses businesses of one of them, and nothing is compared. Both rates are confidence sequences that share one error of 5 %, so that
their difference holds at every look too.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math

import sqlalchemy as sa

from leadfactory.d11_experiments import statistics
from leadfactory.d11_experiments.buckets import BUCKETS, HOLDOUT
from leadfactory.d11_experiments.counting import cumulated
from leadfactory.d11_experiments.readout import SRM_ALPHA, ArmReadout, Count, Decision, Readout
from leadfactory.d11_experiments.tables import experiments

ALPHA = 0.05
MAILED, METRIC = "mailed", "purchased"
REACHED = "reached"  # whose letter was claimed: told beside the rate, and never what it is counted by
_QUERY = sa.text(
    f"""WITH each_one AS (
      SELECT arm, business_id, min(assigned_at) AS since, min(exposed_at) AS mailed_at FROM experiment_assignments
      WHERE (experiment, version) = (:experiment, :version) AND assigned_at <= :now GROUP BY arm, business_id),
    bought AS (
      SELECT e.arm, e.business_id, min(p.paid_at) AS at FROM each_one e
      JOIN purchases p ON p.business_id = e.business_id AND p.state <> 'quarantined' AND p.paid_at BETWEEN e.since AND :now
      GROUP BY e.arm, e.business_id)
    SELECT arm, (since AT TIME ZONE 'UTC')::date AS on_day, 'exposed' AS what, count(*) AS n FROM each_one GROUP BY 1, 2
    UNION ALL SELECT arm, (mailed_at AT TIME ZONE 'UTC')::date, '{REACHED}', count(*) FROM each_one WHERE mailed_at <= :now GROUP BY 1, 2
    UNION ALL SELECT arm, (at AT TIME ZONE 'UTC')::date, '{METRIC}', count(*) FROM bought GROUP BY 1, 2"""  # noqa: S608 - constants of this module
)


@dataclasses.dataclass(frozen=True)
class Difference:
    """Purchases per business that mailing brings: the mailed rate less the held-out rate; None while one side has nobody."""

    observed: float | None
    low: float
    high: float


def history(tx: sa.Connection, experiment: str, version: int, now: dt.datetime) -> dict[dt.date, Readout]:
    """What could be said at the end of each day on which something happened."""
    share = holdout_bp(tx, experiment, version)
    rows = tx.execute(_QUERY, {"experiment": experiment, "version": version, "now": now})
    return {day: read_out(counts, share) for day, counts in cumulated(rows).items()}


def holdout_bp(tx: sa.Connection, experiment: str, version: int) -> int:
    """The planned share of the holdout, in basis points."""
    of_version = sa.and_(experiments.c.experiment == experiment, experiments.c.version == version)
    return int(tx.execute(sa.select(experiments.c.holdout_bp).where(of_version)).scalar_one())


def read_out(counts: dict[str, Count], share_bp: int) -> Readout:
    """Both rates, and what their difference says, unless the sides are not of the planned sizes. Pure."""
    mailed, held = (_arm(name, counts.get(name, Count())) for name in (MAILED, HOLDOUT))
    srm = statistics.sample_ratio_log_e([mailed.exposed, held.exposed], [BUCKETS - share_bp, share_bp])
    if srm >= math.log(1 / SRM_ALPHA):
        told = (
            f"{mailed.exposed} may be mailed and {held.exposed} are held out, which is not the planned {share_bp / 100:g} % "
            f"(e-value {math.exp(min(srm, 50)):.3g}): no comparison holds. Find what loses businesses of one side, and give the holdout a new version."
        )
        return Readout("invalid_srm", told, srm, (mailed, held))
    found = difference(mailed, held)
    decision: Decision = "winner" if found.low > 0 or found.high < 0 else "running"
    winner = None if decision == "running" else MAILED if found.low > 0 else HOLDOUT
    reached = counts.get(MAILED, Count()).events.get(REACHED, 0)
    return Readout(decision, _sentence(mailed, held, found, reached), srm, (mailed, held), winner)


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


def _sentence(mailed: ArmReadout, held: ArmReadout, found: Difference, reached: int) -> str:
    told = f"Bought: {mailed.events} of {mailed.exposed} who may be mailed ({reached} were), {held.events} of {held.exposed} held out"
    if found.observed is None:
        return f"{told}: nothing to compare yet."
    ends = f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"
    verdict = " It is not decided yet whether letters bring purchases." if found.low <= 0 <= found.high else ""
    return f"{told}: mailing brings {100 * found.observed:+.2f} purchases per 100 businesses ({ends}).{verdict}"
