"""What a night did: each campaign-day with its counts, spend, open work, failed leads, runs, and the alerts that fired meanwhile."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import sqlalchemy as sa

from leadfactory import pauses
from leadfactory.d00_gateway.redaction import redact
from leadfactory.d01_targeting import campaigns
from leadfactory.monitoring.figures import rows
from leadfactory.monitoring.pipeline import FINISHED, FINISHES_WITH, NIGHT_BEGINS
from leadfactory.settings import Settings

REASONS = 5  # of failed leads, per campaign-day and room
LATEST = dt.time(8, 0)  # a night that is not finished by then is reviewed as it stands
COUNTS = {
    "sourced": "SELECT campaign, count(*) AS n FROM sourced_businesses WHERE cohort_on = :day GROUP BY 1",
    "unique": "SELECT campaign, count(*) AS n FROM unique_businesses WHERE cohort_on = :day AND duplicate_of IS NULL GROUP BY 1",
    "enriched": "SELECT campaign, count(*) AS n FROM enriched_businesses WHERE cohort_on = :day AND status = 'ok' GROUP BY 1",
    "audited": "SELECT campaign, count(*) AS n FROM site_audits WHERE cohort_on = :day AND status = 'ok' GROUP BY 1",
    "qualified": "SELECT campaign, count(DISTINCT business_id) AS n FROM lead_scores WHERE cohort_on = :day AND qualified GROUP BY 1",
    "drafted": """SELECT campaign, count(DISTINCT business_id) AS n FROM email_drafts
                  WHERE cohort_on = :day AND status = 'drafted' AND step = 1 GROUP BY 1""",
}
# Work that is put off: it is taken up again by the next run on the day, by a person, or when its window opens.
DEFERRED = {
    "websites to visit again": "SELECT campaign, count(*) AS n FROM enriched_businesses WHERE cohort_on = :day AND retryable GROUP BY 1",
    "audits to repeat": "SELECT campaign, count(*) AS n FROM site_audits WHERE cohort_on = :day AND retryable GROUP BY 1",
    "insights to repeat": "SELECT campaign, count(*) AS n FROM site_insights WHERE cohort_on = :day AND retryable GROUP BY 1",
    "letters that wait for a person": """SELECT campaign, count(*) AS n FROM (
        SELECT DISTINCT ON (draft_id) campaign, state FROM draft_reviews WHERE cohort_on = :day
        ORDER BY draft_id, review_id DESC) AS newest WHERE state = 'waiting' GROUP BY 1""",
    "sends planned": "SELECT campaign, count(*) AS n FROM email_sends WHERE cohort_on = :day AND state = 'planned' GROUP BY 1",
}
FAILED = """
SELECT campaign, room, reason, count(*) AS n FROM (
  SELECT campaign, 'enrichment' AS room, coalesce(reason, status) AS reason FROM enriched_businesses
  WHERE cohort_on = :day AND status IN ('unreachable', 'unavailable')
  UNION ALL SELECT campaign, 'audit', coalesce(reason, status) FROM site_audits WHERE cohort_on = :day AND status <> 'ok'
  UNION ALL SELECT campaign, 'draft', coalesce(reason, status) FROM email_drafts WHERE cohort_on = :day AND status = 'rejected'
  UNION ALL SELECT campaign, asset, rule FROM rejected_rows WHERE cohort_on = :day) AS failed
GROUP BY 1, 2, 3 ORDER BY n DESC, 2, 3"""
SPENT = """
SELECT campaign, coalesce(sum(coalesce(cost_microusd, reserved_microusd)), 0) AS n FROM vendor_calls
WHERE cohort_on = :day AND occurred_on = :day AND campaign IS NOT NULL GROUP BY 1"""
DAYS = "SELECT campaign, state FROM campaign_days WHERE cohort_on = :day ORDER BY campaign"
RUNS = """
SELECT run_id, split_part(partition_key, '|', 1) AS campaign, status, failed_steps, failed_checks,
       extract(epoch FROM ended_at - started_at) AS seconds
FROM run_outcomes WHERE job = 'campaign_day' AND partition_key LIKE '%|' || :day ORDER BY ended_at"""
HALTS = "SELECT scope, subject, rule, detail FROM halts WHERE resumed_at IS NULL ORDER BY halt_id"
ALERTS = """
SELECT name, severity, summary, started_at, ended_at, levels_told FROM alerts
WHERE started_at >= :since AND started_at < :until ORDER BY started_at, name"""


@dataclasses.dataclass(frozen=True)
class Unit:
    """One campaign-day of the night. ``state`` is the campaign-day's, or ``missing``."""

    campaign: str
    state: str
    finished: bool
    counts: dict[str, int]
    spend_microusd: int
    deferred: dict[str, int]
    failed: list[str]
    runs: list[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Review:
    """The whole night."""

    night_on: dt.date
    units: list[Unit]
    alerts: list[dict[str, Any]]
    held: list[str] = dataclasses.field(default_factory=list)  # what a person paused or a rule stopped, now

    @property
    def finished(self) -> bool:
        """Whether every campaign-day was drafted to its end."""
        return all(unit.finished for unit in self.units)


def review(tx: sa.Connection, day: dt.date, settings: Settings) -> Review:
    """Reads the night of ``day`` from its rows; writes nothing."""
    states = {row.campaign: row.state for row in rows(tx, DAYS, day=day)}
    names = sorted({*states, *campaigns.active(tx, day)})
    counted = {name: _by_campaign(tx, query, day) for name, query in COUNTS.items()}
    deferred = {name: _by_campaign(tx, query, day) for name, query in DEFERRED.items()}
    finished = set(tx.scalars(sa.text(FINISHED), {"day": day, "asset": FINISHES_WITH}))
    spent = _by_campaign(tx, SPENT, day)
    failed: dict[str, list[str]] = {name: [] for name in names}
    for row in rows(tx, FAILED, day=day):
        if len(failed.setdefault(row.campaign, [])) < REASONS:
            failed[row.campaign].append(redact(f"{row.n} × {row.room}: {row.reason}"))
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for row in rows(tx, RUNS, day=day.isoformat()):
        runs.setdefault(row.campaign, []).append({
            "run_id": row.run_id, "status": row.status.lower(), "failed_steps": row.failed_steps, "failed_checks": row.failed_checks,
            "seconds": None if row.seconds is None else round(float(row.seconds), 1), "link": f"{settings.dagster_url}/runs/{row.run_id}",
        })  # fmt: skip
    began = dt.datetime.combine(day, NIGHT_BEGINS, dt.UTC)
    fired = rows(tx, ALERTS, since=began, until=began + dt.timedelta(days=1))
    units = [
        Unit(
            name,
            states.get(name, "missing"),
            name in finished,
            {each: found.get(name, 0) for each, found in counted.items()},
            spent.get(name, 0),
            {each: found[name] for each, found in deferred.items() if found.get(name)},
            failed[name],
            runs[name],
        )
        for name in names
    ]
    return Review(day, units, [dict(row._mapping) for row in fired], _held(tx))


def _held(tx: sa.Connection) -> list[str]:
    """A letter that did not leave and a night that did not begin are often no failure: somebody or some rule wanted it so."""
    paused = [f"{one} (leadfactory resume {one.what})" for one in pauses.current(tx)]
    halted = [
        f"{row.scope} {row.subject} is stopped by {row.rule}: {row.detail} (leadfactory halts)"
        for row in rows(tx, HALTS)
    ]
    return [redact(each) for each in (*paused, *halted)]


def is_over(found: Review, now: dt.datetime) -> bool:
    """Whether the night that ``now`` belongs to can be reviewed: all is drafted, or it is late."""
    due = found.night_on == now.date() and now.time() >= NIGHT_BEGINS and bool(found.units)
    return due and (found.finished or now.time() >= LATEST)


def subject(found: Review) -> str:
    """One line: how the night went."""
    done = sum(unit.finished for unit in found.units)
    drafted = sum(unit.counts["drafted"] for unit in found.units)
    return f"[LeadFactory] night of {found.night_on}: {done} of {len(found.units)} campaign-days finished, {drafted} letters drafted"


def text(found: Review) -> str:
    """The review for people: the same in the terminal, in Slack and in mail."""
    if not found.units:
        told = f"Night of {found.night_on}: no campaign was active and no campaign-day was opened."
        return "\n".join([told, *(["", "Held back now:", *(f"  {each}" for each in found.held)] if found.held else [])])
    spend = sum(unit.spend_microusd for unit in found.units)
    lines = [f"Night of {found.night_on}: {sum(u.finished for u in found.units)} of {len(found.units)} campaign-days finished, ${spend / 1e6:,.2f} spent"]  # fmt: skip
    for unit in found.units:
        lines.append(
            f"\n{unit.campaign}: {'finished' if unit.finished else 'NOT FINISHED'}, {unit.state}, ${unit.spend_microusd / 1e6:,.2f}"
        )
        lines.append("  " + " → ".join(f"{count} {name}" for name, count in unit.counts.items()))
        lines += [f"  put off: {count} {name}" for name, count in unit.deferred.items()]
        lines += [f"  failed: {reason}" for reason in unit.failed]
        for run in unit.runs:
            took = "" if run["seconds"] is None else f" in {run['seconds']:.0f} s"
            at = f" at {', '.join(run['failed_steps'])}" if run["failed_steps"] else ""
            checks = f", checks: {', '.join(run['failed_checks'])}" if run["failed_checks"] else ""
            lines.append(f"  run {run['status']}{took}{at}{checks}: {run['link']}")
        if not unit.runs:
            lines.append("  no run has ended")
    if found.held:
        lines += ["\nHeld back now:", *(f"  {each}" for each in found.held)]
    lines.append("\nAlerts since the night began:" if found.alerts else "\nNo alert fired.")
    for alert in found.alerts:
        until = f"until {alert['ended_at']:%H:%M}" if alert["ended_at"] else "still firing"
        lines.append(
            f"  {alert['severity']} {alert['name']} {alert['started_at']:%H:%M} UTC {until}: {redact(alert['summary'])}"
        )
    return "\n".join(lines)


def _by_campaign(tx: sa.Connection, query: str, day: dt.date) -> dict[str, int]:
    return {row.campaign: int(row.n) for row in rows(tx, query, day=day)}
