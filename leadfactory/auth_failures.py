"""Sign-ins that failed, counted by minute: what slows a guesser down, and what an alert counts. No key and no address is kept."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.database import Moment, metadata

MOST = 10
WITHIN = dt.timedelta(minutes=5)

auth_failures = sa.Table(
    "auth_failures",
    metadata,
    sa.Column("minute", Moment, primary_key=True),
    sa.Column("client_hmac", sa.LargeBinary, primary_key=True, comment="keyed hash of the network address"),
    sa.Column("reason", sa.Text, primary_key=True, comment="no_credential, bad_key, bad_session, no_scope, too_many"),
    sa.Column("attempts", sa.Integer, nullable=False),
    comment="Refused sign-ins and requests by minute, client and reason, so that a flood is a row and not a table.",
)
_GUESSES = ("bad_key", "bad_session")


def client_hmac(address: str, signing_keys: str) -> bytes:
    """The keyed hash under which a client's failures are counted."""
    key = signing_keys.split(",")[0].strip().encode()
    return hmac.new(key, b"client:" + address.encode(), hashlib.sha256).digest()[:16]


def note(tx: sa.Connection, client: bytes, reason: str, now: dt.datetime) -> None:
    """Counts one refused attempt."""
    minute = now.replace(second=0, microsecond=0)
    statement = insert(auth_failures).values(minute=minute, client_hmac=client, reason=reason, attempts=1)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["minute", "client_hmac", "reason"], set_={"attempts": auth_failures.c.attempts + 1}
        )
    )


def too_many(tx: sa.Connection, client: bytes, now: dt.datetime) -> bool:
    """Whether a client has guessed so often of late that it is not listened to."""
    t = auth_failures
    since = (now - WITHIN).replace(second=0, microsecond=0)
    guesses = sa.select(sa.func.coalesce(sa.func.sum(t.c.attempts), 0)).where(
        t.c.client_hmac == client, t.c.minute > since, t.c.reason.in_(_GUESSES)
    )
    return int(tx.scalar(guesses) or 0) >= MOST
