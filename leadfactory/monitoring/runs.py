"""Figures of Dagster's runs, from the rows that a sensor keeps for processes that do not know Dagster. Real time, as Dagster's is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import sqlalchemy as sa

from leadfactory.monitoring.figures import Figure, Scene, exists, rows, seconds_since, wall

ENDED = """
SELECT job, status, count(*) AS n FROM run_outcomes WHERE ended_at > :now - interval '24 hours' GROUP BY job, status"""
NEWEST = """
SELECT DISTINCT ON (job) job, extract(epoch FROM ended_at - started_at) AS seconds, ended_at FROM run_outcomes
WHERE started_at IS NOT NULL ORDER BY job, ended_at DESC"""
ASSETS = """
SELECT DISTINCT ON (step) step, (fact ->> 'seconds')::float AS seconds
FROM run_outcomes, jsonb_each(steps) AS each(step, fact)
WHERE ended_at > :now - interval '30 days' AND fact ->> 'seconds' IS NOT NULL
ORDER BY step, ended_at DESC"""
FAILED = """
SELECT step, count(*) AS n FROM run_outcomes, jsonb_array_elements_text(failed_steps) AS step
WHERE ended_at > :now - interval '24 hours' GROUP BY step"""
FAILED_CHECKS = """
SELECT check_name, count(*) AS n FROM run_outcomes, jsonb_array_elements_text(failed_checks) AS check_name
WHERE ended_at > :now - interval '24 hours' GROUP BY check_name"""
# Failures of the last quarter of an hour, unless a newer run of the same work went well.
FRESH = """
SELECT r.run_id, r.job, coalesce(r.partition_key, '') AS unit FROM run_outcomes r
WHERE r.status = 'FAILURE' AND r.ended_at > :now - interval '15 minutes' AND NOT EXISTS (
  SELECT FROM run_outcomes s WHERE s.job = r.job AND s.partition_key IS NOT DISTINCT FROM r.partition_key
  AND s.status = 'SUCCESS' AND s.ended_at > r.ended_at)
ORDER BY r.ended_at DESC LIMIT 20"""
MARTS = "SELECT max(built_at) FROM marts.version"


def figures(tx: sa.Connection, scene: Scene) -> Iterator[Figure]:
    """The family."""
    now = wall(tx)
    yield Figure(
        "runs_ended", "Runs that ended in 24 h.",
        tuple(({"dagster_job": row.job, "status": row.status.lower()}, float(row.n)) for row in rows(tx, ENDED, now=now)),
    )  # fmt: skip
    newest = rows(tx, NEWEST)
    yield Figure.of("run_seconds", "How long the job's newest run took.", "dagster_job", {row.job: float(row.seconds) for row in newest})  # fmt: skip
    yield Figure.of("asset_seconds", "How long the asset's newest step took.", "asset", {asset(row.step): row.seconds for row in rows(tx, ASSETS, now=now)})  # fmt: skip
    yield Figure.of("asset_failures", "Failed steps of 24 h.", "asset", {asset(row.step): row.n for row in rows(tx, FAILED, now=now)})  # fmt: skip
    yield Figure.of("asset_check_failures", "Failed checks of 24 h.", "check", {row.check_name: row.n for row in rows(tx, FAILED_CHECKS, now=now)})  # fmt: skip
    yield Figure(
        "run_failed", "1 for each run that failed in the last 15 min and was not made good since.",
        tuple(({"run_id": row.run_id, "dagster_job": row.job, "campaign_day": row.unit}, 1.0) for row in rows(tx, FRESH, now=now)),
    )  # fmt: skip
    yield Figure("marts_age_seconds", "Age of the published marts.", _marts(tx, scene, now))


def asset(step: str) -> str:
    """``lead_scores`` of the step ``leadfactory__lead_scores``."""
    return step.removeprefix("leadfactory__")


def _marts(tx: sa.Connection, scene: Scene, now: dt.datetime) -> tuple[tuple[dict[str, str], float], ...]:
    """By the version row in Postgres where marts are published there, else by the published file."""
    if exists(tx, "marts.version"):
        built = tx.scalar(sa.text(MARTS))
        if built is not None:
            return (({}, seconds_since(built, now)),)
    file = scene.settings.warehouse
    if file.is_file():
        return (({}, max(0.0, now.timestamp() - file.stat().st_mtime)),)
    return ()
