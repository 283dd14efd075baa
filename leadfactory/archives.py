"""Campaign-days whose rows left Postgres as a whole (config/retention.yaml): what is archived lies in the lake and is not made again.

Audits go before mail. From the first on, every stage of the night and the sender let such a day be: they would find nothing, and would
buy, write or mail anew. What buyers are owed goes on: rows of leads that bought, or were about to, stay.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Literal

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.campaign_days import campaign_days, state_of
from leadfactory.stage_report import StageReport
from leadfactory.statements import ANY_UNIT, of

Kind = Literal["audits", "mail"]
TABLES: Mapping[Kind, tuple[str, ...]] = {  # in the order in which their rows can go
    "audits": ("audit_findings", "site_insights", "site_audits"),
    "mail": ("email_events", "send_outcomes", "email_drafts"),
}
GOES_ON = frozenset({"purchases", "audit_reports", "report_deliveries"})  # assets that work on what stays
_ARCHIVED = sa.select(campaign_days.c.audits_archived_at, campaign_days.c.mail_archived_at).where(
    campaign_days.c.campaign == ANY_UNIT.campaign, campaign_days.c.cohort_on == ANY_UNIT.day
)


def archived(tx: sa.Connection, unit: CampaignDay) -> dict[Kind, dt.datetime]:
    """What of ``unit`` was archived, and when; empty of nearly every campaign-day."""
    row = tx.execute(_ARCHIVED, of(unit)).one_or_none()
    found: dict[Kind, dt.datetime | None] = (
        {} if row is None else {"audits": row.audits_archived_at, "mail": row.mail_archived_at}
    )
    return {kind: at for kind, at in found.items() if at is not None}


def left(tx: sa.Connection, units: Collection[CampaignDay], kind: Kind) -> dict[CampaignDay, dt.datetime]:
    """Those of ``units`` of which ``kind`` was archived, and when; one question for all of them."""
    d, at = campaign_days.c, campaign_days.c[f"{kind}_archived_at"]
    mine = sa.tuple_(d.campaign, d.cohort_on).in_([(unit.campaign, unit.day) for unit in units])
    rows = tx.execute(sa.select(d.campaign, d.cohort_on, at.label("at")).where(at.is_not(None), mine))
    return {CampaignDay(row.campaign, row.cohort_on): row.at for row in rows}


def tables_gone(tx: sa.Connection, unit: CampaignDay) -> frozenset[str]:
    """Tables of which rows of ``unit`` may be in the lake only."""
    return frozenset(name for kind in archived(tx, unit) for name in TABLES[kind])


def mark(tx: sa.Connection, kind: Kind, unit: CampaignDay, now: dt.datetime) -> None:
    """Notes that ``kind`` of ``unit`` has left."""
    of_unit = sa.and_(campaign_days.c.campaign == unit.campaign, campaign_days.c.cohort_on == unit.day)
    tx.execute(sa.update(campaign_days).where(of_unit).values({f"{kind}_archived_at": now}))


def told(kind: Kind, at: dt.datetime) -> str:
    """``audits archived on 2027-01-05, kept in the lake``."""
    return f"{kind} archived on {at.astimezone(dt.UTC):%Y-%m-%d}, kept in the lake"


def instead_of(tx: sa.Connection, asset: str, unit: CampaignDay) -> StageReport | None:
    """The report of a stage that has nothing to do because ``unit`` is archived, with the rows that the lake has; None when it has to."""
    when = archived(tx, unit)
    if asset == "email_events":  # events can be folded again as long as they are here
        when = {kind: at for kind, at in when.items() if kind == "mail"}
    if not when or asset in GOES_ON:
        return None
    listed = sa.text(
        "SELECT row_count FROM lake_manifest WHERE table_name = :asset AND campaign = :campaign AND cohort_on = :day"
    )
    rows = int(tx.scalar(listed, {"asset": asset, "campaign": unit.campaign, "day": unit.day}) or 0)
    notes = (*(told(kind, at) for kind, at in when.items()), "nothing was bought, made or mailed for it again")
    return StageReport(asset, unit, state_of(tx, unit), rows, rows, rows_reused=rows, notes=notes)
