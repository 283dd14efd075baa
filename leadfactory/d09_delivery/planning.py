"""Plans the sends of what is drafted: one row per business, campaign and step. Idempotent; sends nothing.

A follow-up is planned as soon as the step before it was accepted and nobody has ended the conversation.
"""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d05_scoring.tables import lead_scores
from leadfactory.d08_personalization import reviews
from leadfactory.d08_personalization.store import newest_drafts
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery import sequences, states, suppression
from leadfactory.d09_delivery.identity import send_id
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.records import ROW_RULES
from leadfactory.d09_delivery.tables import email_sends, sequence_stops
from leadfactory.d11_experiments import kinds
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.quality import rows as row_rules
from leadfactory.statements import AnyUnit, any_unit, of

_FOLLOW = sa.text(
    """UPDATE email_sends s SET draft_id = x.draft_id
       FROM unnest(CAST(:sends AS uuid[]), CAST(:drafts AS uuid[])) AS x (send_id, draft_id)
       WHERE s.send_id = x.send_id AND s.state = 'planned'"""
)


def plan_sends(tx: sa.Connection, unit: CampaignDay | None, now: dt.datetime, hashes: KeyedHashes) -> int:
    """Plans every draft of a launched campaign that may leave and has no send yet; how many sends are new.

    Only the newest draft counts, only while its lead still qualifies and it names the campaign's sender. A send that waits is
    pointed at its lead's newest draft.

    Raises:
        KeyMismatch: the recipients' hashes would be made with another key than the suppressions'.
    """
    suppression.establish_key(tx, hashes, now)
    _follow_newest_drafts(tx, unit)
    found, changes = tx.execute(plannable(any_unit(unit)), plannable_at(unit, now)).all(), kinds.of_all(tx)
    wanted = [_row(row, now, hashes, kinds.arm(changes, row.arms, kinds.SEND_TIME)) for row in found]
    rows, refused = row_rules.split(wanted, ROW_RULES, key="business_id")
    day_of = {str(row["business_id"]): CampaignDay(row["campaign"], row["cohort_on"]) for row in wanted}
    for each in refused:
        row_rules.store_refused(tx, "email_sends", day_of[each.row_key], [each], now)
    if not rows:
        return 0
    statement = insert(email_sends).on_conflict_do_nothing().returning(email_sends.c.send_id)
    planned = list(tx.execute(statement, rows).scalars())
    states.record(tx, dict.fromkeys(planned, None), None, "planned", now)
    fresh = set(planned)
    for touched in {CampaignDay(row["campaign"], row["cohort_on"]) for row in rows if row["send_id"] in fresh}:
        campaign_days.mark_dirty(tx, touched, "email_sends")
    return len(planned)


@functools.cache
def plannable(unit: AnyUnit | None) -> sa.Select[Any]:
    """Drafts that may be planned: of a launched campaign and a lead that still qualifies, no send yet, the audit fresh.

    A follow-up only after the step before it was accepted, of a conversation that nobody ended. Asked with ``plannable_at``.
    """
    d, e, c, a = newest_drafts(unit), enriched_businesses, campaigns, site_audits
    keys = ("campaign", "cohort_on", "business_id")
    newest_score = (
        sa.select(lead_scores.c.qualified)
        .where(*(lead_scores.c[key] == d.c[key] for key in keys))
        .order_by(lead_scores.c.version.desc())
        .limit(1)
        .scalar_subquery()
    )
    sent = sa.exists().where(
        email_sends.c.business_id == d.c.business_id,
        email_sends.c.campaign == d.c.campaign,
        email_sends.c.step == d.c.step,
    )
    before, x = email_sends.alias("before"), sequence_stops
    stopped = sa.exists().where(x.c.campaign == d.c.campaign, x.c.business_id == d.c.business_id)
    turned_away = sequences.undelivered(before.c.send_id)
    goes_on = sa.and_(before.c.send_id.is_not(None), ~stopped, ~turned_away)
    return (
        sa.select(
            d.c.campaign,
            d.c.cohort_on,
            d.c.business_id,
            d.c.step,
            d.c.draft_id,
            d.c.arms,
            e.c.contact_email,
            e.c.timezone,
            c.c.sender_email,
            before.c.claimed_at.label("after"),
        )
        .join(e, sa.and_(*(e.c[key] == d.c[key] for key in keys)))
        .join(a, sa.and_(*(a.c[key] == d.c[key] for key in keys)))
        .join(c, c.c.campaign == d.c.campaign)
        .outerjoin(
            before,
            sa.and_(
                before.c.business_id == d.c.business_id,
                before.c.campaign == d.c.campaign,
                before.c.step == d.c.step - 1,
                before.c.state == "accepted",
            ),
        )
        .where(
            d.c.step <= sa.bindparam("last_step"),
            sa.or_(d.c.step == sequences.FIRST, goes_on),
            d.c.status == "drafted",
            reviews.cleared(d, c.c.review_percent),
            a.c.status == "ok",
            a.c.expires_at > sa.bindparam("now"),
            c.c.state == "launched",
            c.c.sender_email.is_not(None),
            e.c.contact_email.is_not(None),
            sa.func.strpos(d.c.body_text, c.c.postal_address) > 0,
            sa.func.strpos(d.c.body_text, c.c.sender_name) > 0,
            newest_score,
            ~sent,
        )
        .order_by(d.c.campaign, d.c.cohort_on, d.c.business_id, d.c.step)
    )


def plannable_at(unit: CampaignDay | None, now: dt.datetime) -> dict[str, Any]:
    """The values with which ``plannable`` is asked."""
    return of(unit) | {"now": now, "last_step": policy().last_step}


def _follow_newest_drafts(tx: sa.Connection, unit: CampaignDay | None) -> None:
    """Mostly none is outdated. Asked first and changed by their keys: a planner that takes few sends to wait would join all that do
    with all that do."""
    outdated = tx.execute(_outdated(any_unit(unit)), of(unit)).all()
    if outdated:
        sends, drafts = zip(*outdated, strict=True)
        tx.execute(_FOLLOW, {"sends": list(sends), "drafts": list(drafts)})


@functools.cache
def _outdated(unit: AnyUnit | None) -> sa.Select[Any]:
    """Asks for the newest draft of each send that waits, so that it costs what waits and not what was ever written."""
    d, waiting = email_drafts, email_sends.alias("waiting")
    newest = (
        sa.select(d.c.draft_id, d.c.status)
        .where(*(d.c[key] == waiting.c[key] for key in ("campaign", "cohort_on", "business_id", "step")))
        .order_by(d.c.version.desc())
        .limit(1)
        .lateral("newest")
    )
    outdated = (
        sa.select(waiting.c.send_id, newest.c.draft_id)
        .join(newest, sa.true())
        .where(waiting.c.state == "planned", newest.c.status == "drafted", newest.c.draft_id != waiting.c.draft_id)
    )
    if unit is not None:
        outdated = outdated.where(waiting.c.campaign == unit.campaign, waiting.c.cohort_on == unit.day)
    return outdated


def _row(row: Any, now: dt.datetime, hashes: KeyedHashes, send_time: str | None) -> dict[str, Any]:
    due_at = sequences.due_at(row.step, row.after, row.timezone, now, send_time)
    return {
        "campaign": row.campaign,
        "cohort_on": row.cohort_on,
        "send_id": send_id(row.campaign, row.business_id, row.step),
        "business_id": row.business_id,
        "step": row.step,
        "draft_id": row.draft_id,
        "address_hmac": hashes.address(row.contact_email),
        "address_plus_hmac": hashes.address_plus_stripped(row.contact_email),
        "domain_hmac": suppression.domain_hmac(hashes, row.contact_email),
        "mail_provider": suppression.mail_provider(row.contact_email),
        "sender_email": row.sender_email,
        "timezone": row.timezone,
        "due_at": due_at,
        "expires_at": due_at + policy().expires_after_hours.of(row.step),
        "planned_at": now,
    }
