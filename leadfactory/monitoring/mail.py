"""Figures of mail: sends and what became of them, and the inbox that hears of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import sqlalchemy as sa

from leadfactory.d09_delivery.tables import SEND_STATES
from leadfactory.monitoring.figures import WINDOWS, Figure, Scene, one, rows, seconds_since
from leadfactory.monitoring.pipeline import rates

STILL_UNDER_WAY = dt.timedelta(minutes=15)  # a mail this young says nothing about delivery yet
OUTCOMES = ("delivered", "bounced", "dropped", "deferred", "opened", "clicked", "complained", "unsubscribed")
SENDS = "SELECT state, count(*) AS n FROM email_sends GROUP BY state"
ACCEPTED = "SELECT count(*) FROM email_sends WHERE state = 'accepted' AND settled_at > :since AND settled_at <= :now"
UNKNOWN = """
SELECT count(*) AS n, min(coalesce(settled_at, claim_expires_at, claimed_at)) AS oldest FROM email_sends
WHERE state = 'unknown' OR (state = 'claimed' AND claim_expires_at < :now)"""
HAPPENED = """
SELECT {counts} FROM send_outcomes WHERE greatest({moments}) > :since""".format(  # the names are ours
    counts=", ".join(f"count(*) FILTER (WHERE {n}_at > :since AND {n}_at <= :now) AS {n}" for n in OUTCOMES),
    moments=", ".join(f"{n}_at" for n in OUTCOMES),
)
REACHED = """
SELECT count(*) AS sent, count(*) FILTER (WHERE o.delivered_at IS NOT NULL) AS delivered
FROM email_sends s LEFT JOIN send_outcomes o USING (send_id)
WHERE s.state = 'accepted' AND s.settled_at > :since AND s.settled_at <= :until"""
HALTS = "SELECT scope, count(*) AS n FROM halts WHERE resumed_at IS NULL GROUP BY scope"
WAITING = """
SELECT source, count(*) AS n, min(received_at) AS oldest FROM webhook_inbox WHERE processed_at IS NULL GROUP BY source"""
RECEIVED = (
    "SELECT source, count(*) AS n FROM webhook_inbox WHERE received_at > :since AND received_at <= :now GROUP BY source"
)
REFUSED = """
SELECT source, sum(posts) AS n FROM webhook_refusals
WHERE minute > :since AND minute <= :now GROUP BY source"""
QUARANTINED = """
SELECT source, count(*) AS n FROM webhook_inbox WHERE outcome = 'quarantined' AND processed_at > :since GROUP BY source"""
SOURCES = ("sendgrid", "smtp", "stripe")


def figures(tx: sa.Connection, scene: Scene) -> Iterator[Figure]:
    """Sends."""
    now = scene.now
    states = dict.fromkeys(SEND_STATES, 0) | {row.state: row.n for row in rows(tx, SENDS)}
    yield Figure.of("sends", "Sends by state, of all time.", "state", states)
    yield Figure.of(
        "mails_accepted", "Mails that a mailer accepted in the window.", "window",
        {w: one(tx, ACCEPTED, since=now - WINDOWS[w], now=now)[0] for w in ("1h", "4h", "24h")},
    )  # fmt: skip
    unknown = one(tx, UNKNOWN, now=now)
    yield Figure.one("unknown_sends", "Sends of which nobody knows whether they left.", unknown.n)
    yield Figure.one("unknown_sends_oldest_seconds", "Age of the oldest of them.", seconds_since(unknown.oldest, now))
    happened = {w: one(tx, HAPPENED, since=now - WINDOWS[w], now=now)._asdict() for w in ("1h", "24h")}
    yield Figure(
        "mail_outcomes", "What was heard of mails in the window, by when it happened.",
        tuple(({"window": w, "outcome": name}, float(n)) for w, seen in happened.items() for name, n in seen.items()),
    )  # fmt: skip
    yield from rates(
        "bounce", "mails heard of in the window that bounced",
        {w: (seen["bounced"], seen["delivered"] + seen["bounced"]) for w, seen in happened.items()},
    )  # fmt: skip
    day = happened["24h"]
    yield from rates(
        "complaint",
        "mails delivered in the window that were called spam",
        {"24h": (day["complained"], day["delivered"])},
    )
    reached = {w: one(tx, REACHED, since=now - WINDOWS[w], until=now - STILL_UNDER_WAY) for w in ("4h", "24h")}
    yield from rates(
        "delivery", "mails accepted in the window, the newest 15 min left out, that were delivered",
        {w: (seen.delivered, seen.sent) for w, seen in reached.items()},
    )  # fmt: skip
    halted = {"sender": 0, "campaign": 0} | {row.scope: row.n for row in rows(tx, HALTS)}
    yield Figure.of("halts", "Senders and campaigns that complaints or bounces stopped.", "scope", halted)


def inbox(tx: sa.Connection, scene: Scene) -> Iterator[Figure]:
    """What vendors post."""
    none = dict.fromkeys(SOURCES, 0.0)
    waiting = rows(tx, WAITING)
    yield Figure.of(
        "inbox_waiting", "Events that wait to be folded.", "source", none | {row.source: row.n for row in waiting}
    )
    yield Figure.of(
        "inbox_lag_seconds", "Age of the oldest event that waits.", "source",
        none | {row.source: seconds_since(row.oldest, scene.now) for row in waiting},
    )  # fmt: skip
    for name, meaning, query, window in (
        ("webhooks_received", "Events that vendors posted in 15 min.", RECEIVED, "15m"),
        ("webhooks_refused", "Posts that were refused in 15 min: unsigned, forged, too large.", REFUSED, "15m"),
        ("webhooks_quarantined", "Events of 24 h that could not be understood.", QUARANTINED, "24h"),
    ):
        found = rows(tx, query, since=scene.now - WINDOWS[window], now=scene.now)
        yield Figure.of(name, meaning, "source", none | {row.source: float(row.n) for row in found})
