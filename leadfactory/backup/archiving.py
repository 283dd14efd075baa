"""Archives campaign-days: what config/retention.yaml names leaves Postgres as a whole, once the lake was read and has every row of it.

A campaign-day goes when it is closed, nothing of it is as young as the period and no export waits. Under its locks and in one snapshot its
files are compared with its rows, row by row; only then do the rows go, and the campaign-day says so in the same transaction. Rows of
leads that bought, or opened a checkout, stay: they are evidence, and work may still rest on them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt

import sqlalchemy as sa

from leadfactory import archives, campaign_days
from leadfactory.archives import TABLES, Kind
from leadfactory.backup.retention import rules
from leadfactory.campaign_day import CampaignDay
from leadfactory.d09_delivery.folding import FOLD_LOCK
from leadfactory.d10_analytics import lake_lock, reconciling
from leadfactory.d11_experiments import counting
from leadfactory.database import Database
from leadfactory.locks import CampaignDayBusy, campaign_day_lock
from leadfactory.settings import Settings

# Of a campaign-day d: nothing of it is young. Events do not count: machines open mails for years.
_OLD: dict[Kind, str] = {
    "audits": """NOT EXISTS (SELECT FROM site_audits t WHERE (t.campaign, t.cohort_on) = (d.campaign, d.cohort_on) AND t.fetched_at >= :young)
        AND NOT EXISTS (SELECT FROM site_insights t WHERE (t.campaign, t.cohort_on) = (d.campaign, d.cohort_on) AND t.fetched_at >= :young)""",
    "mail": """d.audits_archived_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM email_drafts t WHERE (t.campaign, t.cohort_on) = (d.campaign, d.cohort_on) AND t.drafted_at >= :young)
        AND NOT EXISTS (SELECT FROM email_sends t WHERE (t.campaign, t.cohort_on) = (d.campaign, d.cohort_on)
                        AND greatest(t.claimed_at, t.settled_at) >= :young)""",
}
_STAYS = """EXISTS (SELECT FROM purchases p WHERE (p.campaign, p.cohort_on, p.business_id) = (t.campaign, t.cohort_on, t.business_id))
    OR EXISTS (SELECT FROM checkout_sessions c WHERE (c.campaign, c.cohort_on, c.business_id) = (t.campaign, t.cohort_on, t.business_id))"""
_OF_DAY = f"(t.campaign, t.cohort_on) = (:campaign, :cohort_on) AND NOT ({_STAYS})"
_LOCKED = ("night", "delivery")  # what could be at work on the campaign-day


@dataclasses.dataclass
class Archived:
    """What went, or in a rehearsal would: campaign-days and rows older than ``before``; ``left`` names those that stay, and why."""

    kind: Kind
    before: dt.datetime
    days: int = 0
    rows: int = 0
    left: list[str] = dataclasses.field(default_factory=list)


class _Apart(RuntimeError):
    """The lake says something else than Postgres, or not all of it."""


def archive(db: Database, settings: Settings, *, dry_run: bool = False) -> list[Archived]:
    """Archives every campaign-day that may go; a rehearsal looks as hard and removes nothing."""
    now, found = settings.clock.now(), []
    for kind, days in rules().archive.items():
        before = now - dt.timedelta(days=days)
        done = Archived(kind, before)
        for unit in _due(db, kind, before, now):
            try:
                done.rows += _one(db, settings, kind, unit, now, dry_run=dry_run)
                done.days += 1
            except (CampaignDayBusy, _Apart) as reason:
                done.left.append(str(reason))
            except sa.exc.OperationalError as error:
                if (
                    getattr(error.orig, "sqlstate", None) != "40001"
                ):  # serialization_failure: somebody changed it just now
                    raise
                done.left.append(f"campaign-day {unit} was being changed")
        found.append(done)
    return found


def _due(db: Database, kind: Kind, before: dt.datetime, now: dt.datetime) -> list[CampaignDay]:
    """Campaign-days that may go now, the oldest first; one that nobody closed yet is closed by the same words."""
    query = sa.text(
        f"""SELECT d.campaign, d.cohort_on FROM campaign_days d
            WHERE d.{kind}_archived_at IS NULL AND cardinality(d.dirty) = 0 AND d.cohort_on < :young_day
              AND (d.state = 'closed' OR ({campaign_days.FINISHED})) AND {_OLD[kind]}
            ORDER BY d.cohort_on, d.campaign"""  # noqa: S608 - constants of this module
    )
    listening = now - dt.timedelta(days=campaign_days.LISTENING_DAYS)
    given = {"young": before, "young_day": before.date(), "before": listening, "day": listening.date()}
    with db.begin() as tx:
        return [CampaignDay(row.campaign, row.cohort_on) for row in tx.execute(query, given)]


def _one(db: Database, settings: Settings, kind: Kind, unit: CampaignDay, now: dt.datetime, *, dry_run: bool) -> int:
    """How many rows of ``unit`` go.

    Raises:
        CampaignDayBusy: a run is at work on it.
        _Apart: the lake does not have exactly these rows.
        sqlalchemy.exc.OperationalError: with 40001 when it changed meanwhile; nothing went.
    """
    key = {"campaign": unit.campaign, "cohort_on": unit.day}
    with contextlib.ExitStack() as held:
        for group in _LOCKED:
            held.enter_context(campaign_day_lock(db, unit, group))
        held.enter_context(lake_lock.held(settings.lake, db, alone=False))
        connection = held.enter_context(db.engine.connect().execution_options(isolation_level="REPEATABLE READ"))
        tx = held.enter_context(connection.begin())
        if not dry_run:  # nobody folds beside us; what one did that our snapshot misses changed the campaign-day: 40001
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:fold)"), {"fold": FOLD_LOCK})
        for name in TABLES[kind]:
            apart = reconciling.of_table(connection, settings.lake, name, unit)
            if apart:
                raise _Apart(
                    f"campaign-day {unit}: {apart[0]}, one of {len(apart)}: export it, or leadfactory recover-files"
                )
        if dry_run:
            counts = (f"SELECT count(*) FROM {name} t WHERE {_OF_DAY}" for name in TABLES[kind])  # noqa: S608
            return sum(int(connection.scalar(sa.text(query), key) or 0) for query in counts)
        told = counting.folded(connection, unit) if kind == "mail" else {}
        rows = sum(
            connection.execute(sa.text(f"DELETE FROM {name} t WHERE {_OF_DAY}"), key).rowcount  # noqa: S608
            for name in TABLES[kind]
        )
        counting.keep(connection, unit, told)
        archives.mark(connection, kind, unit, now)
        tx.commit()
        return rows
