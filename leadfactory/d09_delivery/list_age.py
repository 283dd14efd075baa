"""How old our knowledge of SendGrid's suppression lists is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import sqlalchemy as sa

from leadfactory.d00_gateway.mail import SENDGRID
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d09_delivery.tables import email_sends, suppression_polls


def last_whole(tx: sa.Connection) -> dt.datetime | None:
    """When the last poll began that read every list; None when there was none."""
    p = suppression_polls
    return tx.scalar(sa.select(sa.func.max(p.c.began_at)).where(p.c.mailer == SENDGRID, p.c.whole))


def stale(tx: sa.Connection, now: dt.datetime, after: dt.timedelta, simulated: Collection[str] = ()) -> str | None:
    """Why SendGrid's lists are stale: it took mail longer than ``after`` ago and no whole poll is younger; None when they are not.

    Mail of the consent bases ``simulated`` went to nobody who could say no, and does not count.
    """
    last = last_whole(tx)
    if last is not None and now - last <= after:
        return None
    s, c = email_sends, campaigns
    sent = (
        sa.select(sa.literal(1))
        .join_from(s, c, c.c.campaign == s.c.campaign)
        .where(
            c.c.mailer == SENDGRID,
            c.c.consent_basis.not_in(simulated),
            s.c.state == "accepted",
            s.c.claimed_at < now - after,
        )
    )
    if tx.scalar(sent.limit(1)) is None:
        return None
    read = "never" if last is None else f"last at {last:%Y-%m-%d %H:%M} UTC"
    return f"SendGrid's suppression lists were {read} read as a whole; they may be {after.total_seconds() / 3600:g} hours old"
