"""Counts of an experiment by arm and day, from the ledgers: who was exposed by then, and to whom what had happened by then."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.d11_experiments.buckets import HOLDOUT
from leadfactory.d11_experiments.readout import Count
from leadfactory.d11_experiments.tables import archived_responses

EVENT_AT = {  # metric → when the first event of a business happened, over all its sends of the cohort
    "replied": "min(r.first_at)",
    "purchased": "min(p.first_at)",
    "opened": "min(o.opened_at)",
    "clicked": "min(o.clicked_at)",
    "bounced": "min(o.bounced_at)",
    "complained": "min(o.complained_at)",
    "unsubscribed": "min(o.unsubscribed_at)",
}
_FIRSTS = ", ".join(f"({at} AT TIME ZONE 'UTC')::date AS {metric}" for metric, at in EVENT_AT.items())
_COUNTED = ["SELECT arm, exposed AS on_day, 'exposed' AS what, count(*) AS n FROM each_one GROUP BY arm, exposed"] + [
    f"SELECT arm, greatest({metric}, exposed), '{metric}', count(*) FROM each_one "  # noqa: S608 - constants of this module
    f"WHERE {metric} IS NOT NULL GROUP BY 1, 2"
    for metric in EVENT_AT
]
_QUERY = sa.text(
    f"""WITH replies AS (
      SELECT s.campaign, s.cohort_on, s.business_id, min(m.received_at) AS first_at
      FROM inbound_mails m JOIN email_sends s ON s.send_id = m.send_id
      WHERE m.kind = 'reply' GROUP BY s.campaign, s.cohort_on, s.business_id),
    sales AS (
      SELECT campaign, cohort_on, business_id, min(paid_at) AS first_at
      FROM purchases WHERE paid_at IS NOT NULL AND state <> 'quarantined' GROUP BY campaign, cohort_on, business_id),
    each_one AS (
      SELECT a.arm, (a.exposed_at AT TIME ZONE 'UTC')::date AS exposed, {_FIRSTS}
      FROM experiment_assignments a LEFT JOIN send_outcomes o
        ON o.business_id = a.business_id AND o.campaign = a.campaign AND o.cohort_on = a.cohort_on
      LEFT JOIN replies r ON r.business_id = a.business_id AND r.campaign = a.campaign AND r.cohort_on = a.cohort_on
      LEFT JOIN sales p ON p.business_id = a.business_id AND p.campaign = a.campaign AND p.cohort_on = a.cohort_on
      WHERE a.experiment = :experiment AND a.version = :version AND a.exposed_at <= :now AND a.arm <> '{HOLDOUT}'
      GROUP BY a.campaign, a.cohort_on, a.business_id, a.arm, a.exposed_at)
    {" UNION ALL ".join(_COUNTED)}
    UNION ALL SELECT arm, happened_on, metric, sum(businesses) FROM archived_responses
      WHERE experiment = :experiment AND version = :version GROUP BY arm, happened_on, metric"""  # noqa: S608 - constants of this module
)
FOLDED = tuple(metric for metric, at in EVENT_AT.items() if at.startswith("min(o."))  # what send_outcomes tells
_OF_A_DAY = " UNION ALL ".join(
    f"""SELECT experiment, version, arm, greatest({metric}, exposed) AS on_day, '{metric}' AS what, count(*) AS n
        FROM each_one WHERE {metric} IS NOT NULL GROUP BY 1, 2, 3, 4"""  # noqa: S608 - constants of this module
    for metric in FOLDED
)
_FOLDED_OF_A_DAY = sa.text(
    f"""WITH each_one AS (
      SELECT a.experiment, a.version, a.arm, (a.exposed_at AT TIME ZONE 'UTC')::date AS exposed,
        {", ".join(f"(min(o.{metric}_at) AT TIME ZONE 'UTC')::date AS {metric}" for metric in FOLDED)}
      FROM experiment_assignments a JOIN send_outcomes o USING (campaign, cohort_on, business_id)
      WHERE a.campaign = :campaign AND a.cohort_on = :day AND a.exposed_at IS NOT NULL AND a.arm <> '{HOLDOUT}'
      GROUP BY a.business_id, a.experiment, a.version, a.arm, a.exposed_at)
    {_OF_A_DAY}"""  # noqa: S608 - constants of this module
)
Folded = dict[tuple[str, int, str, dt.date, str], int]


def by_day(tx: sa.Connection, experiment: str, version: int, now: dt.datetime) -> dict[dt.date, dict[str, Count]]:
    """What was known at the end of each day on which something happened, by arm, cumulated; days in order.

    A business counts once per metric, on the day (UTC) of its first event; the holdout is nobody's arm and left out. A reply is a
    person's (no notice, no wish to hear no more); a sale counts when it is paid, and stays one when it is paid back.
    """
    return cumulated(tx.execute(_QUERY, {"experiment": experiment, "version": version, "now": now}))


def folded(tx: sa.Connection, unit: CampaignDay) -> Folded:
    """Businesses of ``unit`` by experiment, version, arm, day and metric, as far as ``send_outcomes`` tells it now."""
    rows = tx.execute(_FOLDED_OF_A_DAY, {"campaign": unit.campaign, "day": unit.day})
    return {(row.experiment, row.version, row.arm, row.on_day, row.what): row.n for row in rows}


def keep(tx: sa.Connection, unit: CampaignDay, before: Folded) -> None:
    """Keeps, of the counts ``before``, what the rows of ``unit`` do not tell any more, so that read-outs stay what they were."""
    now = folded(tx, unit)
    names = ("experiment", "version", "arm", "happened_on", "metric")
    rows = [
        {"campaign": unit.campaign, "cohort_on": unit.day, **dict(zip(names, key, strict=True)), "businesses": n}
        for key, count in sorted(before.items())
        if (n := count - now.get(key, 0))
    ]
    if rows:
        tx.execute(sa.insert(archived_responses), rows)


def cumulated(rows: Iterable[Any]) -> dict[dt.date, dict[str, Count]]:
    """Rows of day, arm, what and how many (``exposed``, or a metric) as what was known at the end of each day."""
    happened: dict[dt.date, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        of_arm = happened[row.on_day][row.arm]
        of_arm[row.what] = of_arm.get(row.what, 0) + int(row.n)
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    days: dict[dt.date, dict[str, Count]] = {}
    for day in sorted(happened):
        for arm, counts in happened[day].items():
            for what, n in counts.items():
                sums[arm][what] += n
        days[day] = {arm: _count(figures) for arm, figures in sums.items()}
    return days


def _count(figures: dict[str, int]) -> Count:
    events: dict[str, Any] = {what: n for what, n in figures.items() if what != "exposed"}
    return Count(figures.get("exposed", 0), events)
