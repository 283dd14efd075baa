"""What a busy weekend leaves in the inbox: ten thousand events of eighteen hundred campaign-days, in one run."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.d09_delivery import event_reports
from leadfactory.d09_delivery.tables import send_outcomes
from leadfactory.inbox import waiting
from leadfactory.inbox.waiting import plan
from tests.leads import CLOCK, TUESDAY

EVENTS, CAMPAIGN_DAYS = 10_000, 1_800
SENDS = f"""INSERT INTO email_sends (campaign, cohort_on, send_id, business_id, step, draft_id, address_hmac, address_plus_hmac,
      sender_email, state, due_at, expires_at, planned_at, claimed_at)
    SELECT 'campaign-' || n % 60, DATE '2026-10-06' - (n % {CAMPAIGN_DAYS} / 60)::int, md5('send' || n)::uuid, md5('lead' || n)::uuid, 1,
      md5('draft' || n)::uuid, decode(md5('a' || n), 'hex'), decode(md5('b' || n), 'hex'), 'ana@mail.example', 'accepted', :at, :at, :at, :at
    FROM generate_series(0, {EVENTS - 1}) AS n"""
EVENTS_OF_THEM = f"""INSERT INTO webhook_inbox (source, event_id, kind, send_id, occurred_at, received_at, stale, payload)
    SELECT 'sendgrid', 'event-' || n, 'delivered', md5('send' || n)::uuid, :at, :at, false, '{{}}' FROM generate_series(0, {EVENTS - 1}) AS n"""


def test_ten_thousand_events_of_eighteen_hundred_campaign_days_are_folded_by_one_run(room):
    room.change(SENDS, at=TUESDAY)
    room.change(EVENTS_OF_THEM, at=TUESDAY)
    with room.db.begin() as tx:
        found = waiting.look(tx)
    first = plan(found, None, busy=0, most_ticks=6)
    assert (first.start, plan(found, first.cursor, busy=0, most_ticks=6).start) == (False, True)  # one run asked for
    figures, reports = event_reports.drain(db=room.db, clock=CLOCK)
    assert (figures["events folded"], figures["campaign-days changed"], len(reports)) == (
        EVENTS,
        CAMPAIGN_DAYS,
        CAMPAIGN_DAYS,
    )
    folded = sa.select(sa.func.count()).select_from(send_outcomes).where(send_outcomes.c.delivery == "delivered")
    with room.db.begin() as tx:
        assert tx.scalar(folded) == EVENTS
        assert not waiting.look(tx).any
