"""How the factory did over some days: vendors' speed and faults, work done, runs, mail, sales and spend. SQL over the rows, no I/O else."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import sqlalchemy as sa


@dataclasses.dataclass(frozen=True)
class Vendor:
    """One vendor's calls; times in milliseconds, money in millionths of a dollar."""

    vendor: str
    calls: int
    faults: int
    limited: int
    p50_ms: int | None
    p95_ms: int | None
    hits: int
    spend_microusd: int


@dataclasses.dataclass(frozen=True)
class Job:
    """One Dagster job's runs."""

    job: str
    runs: int
    failed: int
    p50_s: float | None
    longest_s: float | None


@dataclasses.dataclass(frozen=True)
class Performance:
    """All of it; ``daily`` holds one number a day for each series, days without work included."""

    since: dt.date
    until: dt.date
    days: tuple[dt.date, ...]
    daily: dict[str, tuple[float, ...]]
    vendors: tuple[Vendor, ...]
    jobs: tuple[Job, ...]

    def figures(self) -> dict[str, Any]:
        """For programs."""
        return dataclasses.asdict(self)


# Series → one row (day, number) per UTC day on which there was any.
SERIES = {
    "businesses sourced": "SELECT cohort_on, count(*) FROM sourced_businesses WHERE cohort_on BETWEEN :since AND :until GROUP BY 1",
    "websites audited": "SELECT cohort_on, count(*) FROM site_audits WHERE status = 'ok' AND cohort_on BETWEEN :since AND :until GROUP BY 1",
    "letters drafted": "SELECT drafted_at::date, count(*) FROM email_drafts WHERE status = 'drafted' AND drafted_at >= :begin AND drafted_at < :end GROUP BY 1",
    "mails accepted": "SELECT claimed_at::date, count(*) FROM email_sends WHERE state = 'accepted' AND claimed_at >= :begin AND claimed_at < :end GROUP BY 1",
    "mails bounced": "SELECT bounced_at::date, count(*) FROM send_outcomes WHERE bounced_at >= :begin AND bounced_at < :end GROUP BY 1",
    "reports sold": "SELECT paid_at::date, count(*) FROM purchases WHERE paid_at >= :begin AND paid_at < :end GROUP BY 1",
    "revenue (USD)": "SELECT paid_at::date, sum(amount_cents) / 100.0 FROM purchases WHERE paid_at >= :begin AND paid_at < :end GROUP BY 1",
    "vendor spend (USD)": "SELECT occurred_on, sum(cost_microusd) / 1e6 FROM vendor_calls WHERE occurred_on BETWEEN :since AND :until GROUP BY 1",
    "vendor faults": "SELECT occurred_on, count(*) FROM vendor_calls WHERE status IN ('unavailable', 'unknown') AND occurred_on BETWEEN :since AND :until GROUP BY 1",
}  # fmt: skip
_VENDORS = """
SELECT vendor, count(*) FILTER (WHERE NOT cache_hit) AS calls,
       count(*) FILTER (WHERE status IN ('unavailable', 'unknown') AND http_status IS DISTINCT FROM 429) AS faults,
       count(*) FILTER (WHERE http_status = 429) AS limited,
       (percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE NOT cache_hit))::int AS p50_ms,
       (percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE NOT cache_hit))::int AS p95_ms,
       count(*) FILTER (WHERE cache_hit) AS hits, coalesce(sum(cost_microusd), 0)::bigint AS spend_microusd
FROM vendor_calls WHERE occurred_on BETWEEN :since AND :until GROUP BY 1 ORDER BY 1
"""
_JOBS = """
SELECT job, count(*) AS runs, count(*) FILTER (WHERE status = 'FAILURE') AS failed,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - started_at)) AS p50_s,
       max(extract(epoch FROM ended_at - started_at))::float8 AS longest_s
FROM run_outcomes WHERE ended_at >= :begin AND ended_at < :end GROUP BY 1 ORDER BY 1
"""


def measure(tx: sa.Connection, today: dt.date, days: int) -> Performance:
    """The last ``days`` UTC days, ``today`` included."""
    since = today - dt.timedelta(days=days - 1)
    every = tuple(since + dt.timedelta(days=number) for number in range(days))
    begin = dt.datetime.combine(since, dt.time(), dt.UTC)
    span = {"since": since, "until": today, "begin": begin, "end": begin + dt.timedelta(days=days)}
    daily = {}
    for name, query in SERIES.items():
        found = {row[0]: float(row[1] or 0) for row in tx.execute(sa.text(query), span)}
        daily[name] = tuple(found.get(day, 0.0) for day in every)
    return Performance(
        since, today, every, daily,
        tuple(Vendor(**row) for row in tx.execute(sa.text(_VENDORS), span).mappings()),
        tuple(Job(**row) for row in tx.execute(sa.text(_JOBS), span).mappings()),
    )  # fmt: skip


def delivered(tx: sa.Connection, campaign: str | None) -> tuple[int, int]:
    """Mails that left, and those of them that arrived: by the events of the mailer, or the lack of a bounce for a relay.

    Without archived campaign-days: what became of their mails the lake tells.
    """
    query = """SELECT count(*), count(o.delivered_at) FROM email_sends s LEFT JOIN send_outcomes o USING (send_id)
               WHERE s.state = 'accepted' AND NOT EXISTS (SELECT FROM campaign_days d
                 WHERE (d.campaign, d.cohort_on) = (s.campaign, s.cohort_on) AND d.mail_archived_at IS NOT NULL)
                 AND (CAST(:campaign AS text) IS NULL OR s.campaign = :campaign)"""
    row = tx.execute(sa.text(query), {"campaign": campaign}).one()
    return int(row[0]), int(row[1])


def sold(tx: sa.Connection, day: dt.date) -> tuple[int, int, int]:
    """Reports paid for on a UTC day, what was paid and what of it went back, in cents."""
    query = """SELECT count(*), coalesce(sum(amount_cents), 0), coalesce(sum(refunded_cents), 0) FROM purchases
               WHERE paid_at >= :begin AND paid_at < :begin + interval '1 day'"""
    row = tx.execute(sa.text(query), {"begin": dt.datetime.combine(day, dt.time(), dt.UTC)}).one()
    return int(row[0]), int(row[1]), int(row[2])
