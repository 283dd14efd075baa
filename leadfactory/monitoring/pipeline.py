"""Figures of the nightly pipeline: businesses processed, campaign-days due, assessments and drafts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from leadfactory.d01_targeting import campaigns
from leadfactory.monitoring.figures import WINDOWS, Figure, Scene, one, ratio, rows, seconds_since

NIGHT_BEGINS = dt.time(2, 0)  # UTC: schedules/daily_campaigns.py
MISSING_AFTER = dt.timedelta(minutes=30)  # a campaign without its day is missing from 02:30
FINISHES_WITH = "email_drafts"  # the last asset of the nightly job: its verdict says that the campaign-day is done

# A night sources for minutes and audits for hours: every room counts, so that a long audit is no standstill.
PROCESSED = """
SELECT count(DISTINCT business_id) FROM (
  SELECT business_id FROM unique_businesses WHERE decided_at > :since AND decided_at <= :now
  UNION ALL SELECT business_id FROM enriched_businesses WHERE fetched_at > :since AND fetched_at <= :now
  UNION ALL SELECT business_id FROM site_audits WHERE fetched_at > :since AND fetched_at <= :now) AS seen"""
AUDITS = """
SELECT count(*) AS asked, count(*) FILTER (WHERE status = 'ok') AS done
FROM site_audits WHERE fetched_at > :since AND fetched_at <= :now"""
# Of the campaign-days whose drafting was judged in the window. Who is held out, or whose draft a rule refused, is no lack.
DRAFTS = """
WITH days AS (
  SELECT DISTINCT campaign, cohort_on FROM quality_verdicts
  WHERE asset = 'email_drafts' AND subject_id IS NULL AND judged_at > :since AND judged_at <= :now),
newest AS (
  SELECT DISTINCT ON (s.campaign, s.cohort_on, s.business_id) s.campaign, s.cohort_on, s.business_id, s.qualified
  FROM lead_scores s JOIN days USING (campaign, cohort_on)
  ORDER BY s.campaign, s.cohort_on, s.business_id, s.version DESC),
drafts AS (
  SELECT DISTINCT ON (d.campaign, d.cohort_on, d.business_id) d.campaign, d.cohort_on, d.business_id, d.status
  FROM email_drafts d JOIN days USING (campaign, cohort_on) WHERE d.step = 1
  ORDER BY d.campaign, d.cohort_on, d.business_id, d.version DESC)
SELECT count(*) FILTER (WHERE d.status IS NULL OR d.status = 'drafted') AS due,
       count(*) FILTER (WHERE d.status = 'drafted') AS drafted
FROM newest n LEFT JOIN drafts d USING (campaign, cohort_on, business_id) WHERE n.qualified"""
FINISHED = """
SELECT DISTINCT campaign FROM quality_verdicts
WHERE asset = :asset AND cohort_on = :day AND subject_id IS NULL AND passed"""
OPENED = "SELECT campaign FROM campaign_days WHERE cohort_on = :day"
STATES = "SELECT state, count(*) AS n FROM campaign_days GROUP BY state"
REJECTED = (
    "SELECT asset, count(*) AS n FROM rejected_rows WHERE rejected_at > :since AND rejected_at <= :now GROUP BY asset"
)
FAILING = """
SELECT asset, count(*) AS n FROM (
  SELECT DISTINCT ON (asset, campaign, cohort_on, suite) asset, passed FROM quality_verdicts
  WHERE subject_id IS NULL AND judged_at > :since AND judged_at <= :now
  ORDER BY asset, campaign, cohort_on, suite, judged_at DESC, verdict_id DESC) AS newest
WHERE NOT passed GROUP BY asset"""


def figures(tx: sa.Connection, scene: Scene) -> Iterator[Figure]:
    """The family."""
    day = WINDOWS["24h"]
    yield Figure.of(
        "businesses_processed",
        "Businesses that any room from deduplication to audit wrote in the window.",
        "window",
        {w: one(tx, PROCESSED, since=scene.now - WINDOWS[w], now=scene.now)[0] for w in ("2h", "24h")},
    )
    due, missing, unfinished = _due(tx, scene)
    yield Figure.one("campaign_days_due", "Active campaigns whose night has begun today.", due)
    began = dt.datetime.combine(scene.now.date(), NIGHT_BEGINS, dt.UTC)
    yield Figure.one("night_seconds", "How long today's night has been due; 0 when nothing is due.", seconds_since(began, scene.now) if due else 0)  # fmt: skip
    yield Figure.one("campaign_days_unfinished", "Of those, campaign-days that are not drafted to the end.", unfinished)
    yield Figure.one("campaigns_missing_today", "Of those, campaigns without today's campaign-day at 02:30.", missing)
    yield Figure.of("campaign_days", "Campaign-days by state.", "state", {row.state: row.n for row in rows(tx, STATES)})
    audits = one(tx, AUDITS, since=scene.now - day, now=scene.now)
    yield from rates("assessment", "website audits that were completed", {"24h": (audits.done, audits.asked)})
    drafts = one(tx, DRAFTS, since=scene.now - day, now=scene.now)
    yield from rates(
        "draft",
        "qualified leads of nights judged in the window that have a draft",
        {"24h": (drafts.drafted, drafts.due)},
    )
    since = {"since": scene.now - day, "now": scene.now}
    yield Figure.of(
        "rows_rejected", "Rows that a row rule refused in 24 h.", "asset",
        {row.asset: row.n for row in rows(tx, REJECTED, **since)},
    )  # fmt: skip
    yield Figure.of(
        "checks_failing", "Campaign-days whose newest verdict of 24 h is a failure.", "asset",
        {row.asset: row.n for row in rows(tx, FAILING, **since)},
    )  # fmt: skip


def rates(name: str, what: str, counted: Mapping[str, tuple[float, float]]) -> Iterator[Figure]:
    """A share by window with its sample, of window → (part, whole); the share of nothing is left out."""
    shares = {window: share for window, (part, whole) in counted.items() if (share := ratio(part, whole)) is not None}
    yield Figure.of(f"{name}_ratio", f"Share of {what}.", "window", shares)
    yield Figure.of(
        f"{name}_sample", f"What {name}_ratio is a share of, counted.", "window",
        {window: whole for window, (_, whole) in counted.items()},
    )  # fmt: skip


def _due(tx: sa.Connection, scene: Scene) -> tuple[int, int, int]:
    """Campaigns whose night has begun, those of them without a campaign-day, and those not finished."""
    today = scene.now.date()
    begins = dt.datetime.combine(today, NIGHT_BEGINS, dt.UTC)
    if scene.now < begins:
        return 0, 0, 0
    active = set(campaigns.active(tx, today))
    opened = set(tx.scalars(sa.text(OPENED), {"day": today}))
    finished = set(tx.scalars(sa.text(FINISHED), {"day": today, "asset": FINISHES_WITH}))
    missing = len(active - opened) if scene.now >= begins + MISSING_AFTER else 0
    return len(active), missing, len(active - finished)
