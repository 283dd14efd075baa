"""The lifecycle of a campaign-day: ``open → mailing → listening → closed``, its dirty flags and whether it may source.

A campaign-day is open for sourcing on its own day of the factory's clock only: afterwards fill stages return what is stored.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.database import Json, Moment, metadata, one_of
from leadfactory.statements import ANY_UNIT, of

STATES = ("open", "mailing", "listening", "closed")
LISTENING_DAYS = 60  # "closed" = no step planned and this many days since the last send (architecture §1)

campaign_days = sa.Table(
    "campaign_days",
    metadata,
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("cohort_on", sa.Date, primary_key=True),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    sa.Column("plan", Json),
    sa.Column("counts", Json, nullable=False, server_default=sa.text("'{}'::jsonb")),
    sa.Column("dirty", sa.ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'::text[]")),
    sa.Column("last_event_at", Moment),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("closed_at", Moment),
    sa.Column("audits_archived_at", Moment, comment="when its audits left Postgres; the lake keeps them"),
    sa.Column("mail_archived_at", Moment, comment="when its mail left Postgres; the lake keeps it"),
    one_of("state", *STATES),
    comment="One row per campaign-day: lifecycle state, plan, counts and which lake tables are behind.",
)
# Asked for by every stage several times: made once, for making a statement takes longer than asking for it.
_OPEN = insert(campaign_days).on_conflict_do_nothing(index_elements=["campaign", "cohort_on"])
_STATE = sa.select(campaign_days.c.state).where(
    campaign_days.c.campaign == ANY_UNIT.campaign, campaign_days.c.cohort_on == ANY_UNIT.day
)
_DIRTIER = campaign_days.c.dirty.op("||")(sa.cast(sa.bindparam("tables"), sa.ARRAY(sa.Text)))
_DIRTY = (
    sa.update(campaign_days)
    .where(campaign_days.c.campaign == ANY_UNIT.campaign, campaign_days.c.cohort_on == ANY_UNIT.day)
    .values(
        dirty=sa.func.array(sa.select(sa.distinct(sa.func.unnest(_DIRTIER))).correlate(campaign_days).scalar_subquery())
    )
)

# What finished means, of campaign_days d; a send that stays unknown past its quarantine waits for nothing any more.
FINISHED = """d.cohort_on < :day AND NOT EXISTS (
  SELECT FROM email_sends s WHERE (s.campaign, s.cohort_on) = (d.campaign, d.cohort_on) AND (s.state IN ('planned', 'claimed')
    OR (s.state = 'unknown' AND s.quarantined_at IS NULL) OR s.claimed_at >= :before))"""
_CLOSE = sa.text(
    f"UPDATE campaign_days d SET state = 'closed', closed_at = :now WHERE d.state <> 'closed' AND {FINISHED}"  # noqa: S608 - constants
)


def open_day(tx: sa.Connection, unit: CampaignDay, now: dt.datetime) -> str:
    """The state of ``unit``, which is recorded as open when it is new and its day is today.

    A click on a day that never was leaves no row: it could source nothing, and would stand open for ever.
    """
    if unit.day == now.astimezone(dt.UTC).date():
        tx.execute(_OPEN, {"campaign": unit.campaign, "cohort_on": unit.day, "opened_at": now})
    return state_of(tx, unit)


def state_of(tx: sa.Connection, unit: CampaignDay) -> str:
    """The stored state; ``unplanned`` when the campaign-day was never opened."""
    found = tx.scalar(_STATE, of(unit))
    return found or "unplanned"


def may_source(unit: CampaignDay, clock: Clock) -> bool:
    """Whether sourcing may still buy for ``unit``: only on its own day of the factory's clock."""
    return unit.day == clock.today()


def mark_dirty(tx: sa.Connection, unit: CampaignDay, *tables: str) -> None:
    """Notes, in the writer's own transaction, that the lake is behind for ``tables`` of ``unit``."""
    tx.execute(_DIRTY, of(unit) | {"tables": list(tables)})


def set_state(tx: sa.Connection, unit: CampaignDay, state: str, *, closed_at: dt.datetime | None = None) -> None:
    """Moves ``unit`` to ``state``."""
    tx.execute(sa.update(campaign_days).where(_is(unit)).values(state=state, closed_at=closed_at))


def close_finished(tx: sa.Connection, now: dt.datetime) -> int:
    """Closes campaign-days of which nothing waits and nothing left for so long; how many."""
    before = now - dt.timedelta(days=LISTENING_DAYS)
    return tx.execute(_CLOSE, {"before": before, "day": before.date(), "now": now}).rowcount


def begin_mailing(tx: sa.Connection, unit: CampaignDay) -> None:
    """A mail of ``unit`` leaves: it is mailing, unless it is past that."""
    waiting = campaign_days.c.state.in_(("open", "listening"))
    tx.execute(sa.update(campaign_days).where(_is(unit), waiting).values(state="mailing", closed_at=None))


def note_event(tx: sa.Connection, unit: CampaignDay, at: dt.datetime) -> None:
    """Notes when something was last heard of a lead of ``unit``."""
    newest = sa.func.greatest(campaign_days.c.last_event_at, at)
    tx.execute(sa.update(campaign_days).where(_is(unit)).values(last_event_at=newest))


def set_plan(tx: sa.Connection, unit: CampaignDay, plan: dict) -> None:
    """Stores the plan of the day."""
    tx.execute(sa.update(campaign_days).where(_is(unit)).values(plan=plan))


def add_counts(tx: sa.Connection, unit: CampaignDay, **counts: int) -> None:
    """Merges named counts into the row."""
    tx.execute(
        sa.update(campaign_days).where(_is(unit)).values(counts=campaign_days.c.counts.op("||")(sa.cast(counts, Json)))
    )


def dirty_days(tx: sa.Connection) -> dict[CampaignDay, tuple[str, ...]]:
    """Campaign-days whose lake files are behind, with the tables that are."""
    rows = tx.execute(
        sa.select(campaign_days.c.campaign, campaign_days.c.cohort_on, campaign_days.c.dirty)
        .where(sa.func.cardinality(campaign_days.c.dirty) > 0)
        .order_by(campaign_days.c.campaign, campaign_days.c.cohort_on)
    )
    return {CampaignDay(row.campaign, row.cohort_on): tuple(sorted(row.dirty)) for row in rows}


def clear_dirty(tx: sa.Connection, unit: CampaignDay, tables: tuple[str, ...]) -> None:
    """Takes ``tables`` off the flags of ``unit``; called in the transaction that read what was exported."""
    current: sa.ColumnElement = campaign_days.c.dirty
    for table in tables:
        current = sa.func.array_remove(current, table)
    tx.execute(sa.update(campaign_days).where(_is(unit)).values(dirty=current))


def _is(unit: CampaignDay) -> sa.ColumnElement[bool]:
    return sa.and_(campaign_days.c.campaign == unit.campaign, campaign_days.c.cohort_on == unit.day)
