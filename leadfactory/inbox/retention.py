"""Visitors' IP addresses and user agents and the text of answers are removed after 30 days; what was concluded from them stays."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from leadfactory.inbox.reply_rules import reply_rules
from leadfactory.inbox.rules import rules
from leadfactory.inbox.tables import inbound_mails, webhook_inbox


def forget_visitors(tx: sa.Connection, now: dt.datetime) -> int:
    """Removes what is older than ``visitor_days``; how many rows."""
    t = webhook_inbox
    done = tx.execute(
        sa.update(t)
        .where(
            t.c.received_at < now - dt.timedelta(days=rules().visitor_days),
            sa.or_(t.c.ip.is_not(None), t.c.user_agent.is_not(None)),
        )
        .values(ip=None, user_agent=None)
    )
    return int(done.rowcount)


def forget_answers(tx: sa.Connection, now: dt.datetime) -> int:
    """Removes subject and text of answers older than ``body_days``; how many."""
    t = inbound_mails
    done = tx.execute(
        sa.update(t)
        .where(
            t.c.received_at < now - dt.timedelta(days=reply_rules().body_days),
            sa.or_(t.c.body.is_not(None), t.c.subject.is_not(None)),
        )
        .values(body=None, subject=None)
    )
    return int(done.rowcount)
