"""Changes that come late and twice: events, refunds, scores and calls of campaign-days that were exported and built before."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from typing import Any

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.database import Database
from tests.dbt.cohorts import NOON, UNITS

LATER = NOON + dt.timedelta(days=21)
CHANGES = (
    """UPDATE send_outcomes SET opened_at = :at, clicked_at = :at, complained_at = :at WHERE send_id IN
       (SELECT send_id FROM send_outcomes WHERE {unit} AND delivery = 'delivered' ORDER BY send_id LIMIT :some)""",
    """UPDATE send_outcomes SET delivery = 'bounced', bounced_at = :at WHERE send_id IN
       (SELECT send_id FROM send_outcomes WHERE {unit} AND delivery = 'delivered' ORDER BY send_id DESC LIMIT 1)""",
    """INSERT INTO email_events (campaign, cohort_on, event_id, send_id, business_id, kind, occurred_at, machine, received_at)
       SELECT campaign, cohort_on, 'late-' || send_id || :number, send_id, business_id, 'open', :at, false, :at
       FROM send_outcomes WHERE {unit} LIMIT :some ON CONFLICT DO NOTHING""",
    """INSERT INTO audit_log (happened_at, actor, action, send_id)
       SELECT :at, 'recipient', 'unsubscribe', send_id FROM email_sends WHERE {unit} AND state = 'accepted' LIMIT :some""",
    """UPDATE email_sends SET state = 'accepted', claimed_at = :at, settled_at = :at WHERE send_id IN
       (SELECT send_id FROM email_sends WHERE {unit} AND state = 'unknown' LIMIT 1)""",
    """INSERT INTO lead_scores (campaign, cohort_on, business_id, version, score, tier, qualified, components, rules_version, input_hash,
                                scored_at)
       SELECT campaign, cohort_on, business_id, max(version) + 1, 77, 'A', true, '{{}}', '9', '', :at
       FROM lead_scores WHERE {unit} GROUP BY 1, 2, 3 LIMIT :some""",
    "DELETE FROM vendor_calls WHERE {unit} AND call_id IN (SELECT call_id FROM vendor_calls WHERE {unit} LIMIT 1)",
)
_SALE = sa.text(
    """SELECT purchase_id, campaign, cohort_on, amount_cents - refunded_cents AS left_cents FROM purchases
       WHERE amount_cents > refunded_cents AND state <> 'quarantined' ORDER BY purchase_id LIMIT 1"""
)


def change(db: Database, draw: random.Random, number: int) -> set[CampaignDay]:
    """One or two campaign-days change at random, each in several ways, some of them again; with the flags that the rooms set.

    Which campaign-days changed, that of the sale that was refunded among them.
    """
    chosen = draw.sample(UNITS, draw.choice((1, 2)))
    for unit in chosen:
        with db.begin() as tx:
            values: dict[str, Any] = {
                "campaign": unit.campaign,
                "cohort_on": unit.day,
                "at": LATER + dt.timedelta(days=number),
                "number": number,
            }
            for statement in draw.choices(CHANGES, k=6):
                bound = sa.text(statement.format(unit="campaign = :campaign AND cohort_on = :cohort_on"))
                tx.execute(bound, _of(bound, values | {"some": draw.randint(1, 4)}))
            campaign_days.mark_dirty(
                tx, unit, "email_events", "send_outcomes", "email_sends", "lead_scores", "purchases"
            )
    with db.begin() as tx:
        return {*chosen, *_refund(tx, LATER + dt.timedelta(days=number))}


def _of(bound: sa.TextClause, values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if f":{name}" in bound.text}


def _refund(tx: sa.Connection, at: dt.datetime) -> list[CampaignDay]:
    """What is left of one sale goes back, whatever its campaign-day, which is told."""
    sale = tx.execute(_SALE).one_or_none()
    if sale is None:
        return []
    posting = {"posting_id": uuid.uuid4(), "purchase_id": sale.purchase_id, "at": at, "cents": sale.left_cents}
    tx.execute(
        sa.text(
            """INSERT INTO money_entries (posting_id, kind, account, amount_cents, currency, purchase_id, occurred_at, recorded_at)
               VALUES (:posting_id, 'refund', 'stripe', -:cents, 'usd', :purchase_id, :at, :at),
                      (:posting_id, 'refund', 'refunds', :cents, 'usd', :purchase_id, :at, :at)"""
        ),
        posting,
    )
    tx.execute(
        sa.text(
            "UPDATE purchases SET state = 'refunded', refunded_cents = amount_cents, refunded_at = :at, last_event_at = :at "
            "WHERE purchase_id = :purchase_id"
        ),
        {"at": at, "purchase_id": sale.purchase_id},
    )
    unit = CampaignDay(sale.campaign, sale.cohort_on)
    campaign_days.mark_dirty(tx, unit, "purchases")
    return [unit]
