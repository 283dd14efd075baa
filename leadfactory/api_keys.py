"""API keys and the sessions that they open: who may see or do what on the edge. Only hashes are stored.

A key is ``lfk_`` and 32 random bytes in base64url; it is shown once, when it is made. Its name is what the audit log calls its
holder. Rotating makes a second value of the same name, and both are good until the first one's end: two live values, never three.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from leadfactory.database import Moment, metadata

SCOPES = ("dashboards", "metrics", "review", "admin")
PREFIX = "lfk_"
SESSION_LIVES = dt.timedelta(hours=12)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_USE_NOTED_EVERY = dt.timedelta(minutes=1)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, index=True),
    sa.Column("scopes", postgresql.ARRAY(sa.Text), nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True, comment="SHA-256 of the key, which is not kept"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("last_used_at", Moment, comment="to the minute"),
    sa.Column("revoked_at", Moment),
    sa.CheckConstraint(
        f"cardinality(scopes) > 0 AND scopes <@ ARRAY[{', '.join(repr(each) for each in SCOPES)}]", name="scopes_known"
    ),
    sa.CheckConstraint("expires_at > created_at", name="expires_later"),
    comment="One row per value of an API key; a key that is being rotated has two.",
)
operator_sessions = sa.Table(
    "operator_sessions",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True, comment="SHA-256 of the cookie, which is not kept"),
    sa.Column("key_id", sa.BigInteger, sa.ForeignKey(api_keys.c.key_id), nullable=False, index=True),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False, index=True),
    sa.Column("ended_at", Moment),
    comment="One row per sign-in with an API key; it ends after 12 hours, when signed out, or with its key.",
)


class KeyRefused(ValueError):
    """What was asked of the keys cannot be done; the message names field, value and remedy."""


@dataclasses.dataclass(frozen=True)
class Operator:
    """Who is at the desk, what he may do, until when; ``proof`` is what the forms shown to his session carry."""

    name: str
    scopes: tuple[str, ...]
    until: dt.datetime
    via: Literal["key", "session", "loopback"]
    key_id: int | None = None
    proof: str = ""

    def may(self, scope: str) -> bool:
        """Whether ``scope`` is his; ``admin`` has them all."""
        return scope in self.scopes or "admin" in self.scopes


def create(tx: sa.Connection, name: str, scopes: Sequence[str], expires_at: dt.datetime, now: dt.datetime) -> str:
    """Makes a key and returns it: the only time that it is seen.

    Raises:
        KeyRefused: a bad name, an unknown scope, an end that is past, or a live key of that name.
    """
    if not _NAME.fullmatch(name):
        raise KeyRefused(f"name={name!r} is no name of a key: use 1 to 60 of a-z, 0-9, dot, dash and underscore")
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise KeyRefused(f"scopes={list(scopes)!r}: name at least one of {', '.join(SCOPES)}")
    _serialise(tx, name)
    if _live(tx, name, now):
        raise KeyRefused(f"name={name!r} has a live key: rotate it, or revoke it first")
    return _insert(tx, name, sorted(set(scopes)), expires_at, now)


def rotate(
    tx: sa.Connection, name: str, now: dt.datetime, *, overlap: dt.timedelta, expires_at: dt.datetime | None = None
) -> str:
    """A new value under the same name and scopes; the present one is good for ``overlap`` more, and not longer than it was.

    ``expires_at``: of the new value; as long as the present one was made for when left out.

    Raises:
        KeyRefused: no live key of that name, or two values are live already.
    """
    _serialise(tx, name)
    live = _live(tx, name, now)
    if not live:
        raise KeyRefused(f"name={name!r} has no live key: see `leadfactory api-key list --all`, or create one")
    if len(live) > 1:
        until = min(row.expires_at for row in live)
        raise KeyRefused(
            f"name={name!r} is being rotated, the older value ends at {until:%Y-%m-%d %H:%M} UTC: wait, or revoke it"
        )
    (old,) = live
    new = _insert(tx, name, old.scopes, expires_at or now + (old.expires_at - old.created_at), now)
    end = min(old.expires_at, now + overlap)
    tx.execute(sa.update(api_keys).where(api_keys.c.key_id == old.key_id).values(expires_at=end))
    return new


def revoke(tx: sa.Connection, name: str, now: dt.datetime, *, key_id: int | None = None) -> int:
    """Ends the live values of a key, or the one of that id, and the sessions that they opened; how many values.

    Raises:
        KeyRefused: nothing of that name is live.
    """
    chosen = [row.key_id for row in _live(tx, name, now) if key_id in (None, row.key_id)]
    if not chosen:
        which = f"name={name!r}" if key_id is None else f"name={name!r}, id={key_id}"
        raise KeyRefused(f"{which} has no live key: see `leadfactory api-key list --all`")
    tx.execute(sa.update(api_keys).where(api_keys.c.key_id.in_(chosen)).values(revoked_at=now))
    return len(chosen)


def listed(tx: sa.Connection, now: dt.datetime, *, dead: bool = False) -> list[dict[str, Any]]:
    """Every value with its state (live, expired, revoked), never its hash."""
    t = api_keys
    columns = (t.c.key_id, t.c.name, t.c.scopes, t.c.created_at, t.c.expires_at, t.c.last_used_at, t.c.revoked_at)
    found = []
    for row in tx.execute(sa.select(*columns).order_by(t.c.name, t.c.key_id)).mappings():
        state = "revoked" if row["revoked_at"] else "expired" if row["expires_at"] <= now else "live"
        if dead or state == "live":
            found.append({**row, "state": state})
    return found


def by_key(tx: sa.Connection, presented: str, now: dt.datetime) -> Operator | None:
    """Whose key this is; None when it is nobody's, over or revoked."""
    t = api_keys
    row = tx.execute(sa.select(t).where(t.c.digest == _digest(presented))).one_or_none()
    if row is None or row.revoked_at is not None or row.expires_at <= now:
        return None
    _note_use(tx, row.key_id, now)
    return Operator(row.name, tuple(row.scopes), row.expires_at, "key", row.key_id)


def open_session(tx: sa.Connection, operator: Operator, now: dt.datetime) -> tuple[str, dt.datetime]:
    """A session of a key's holder: the cookie's value, which is not kept, and its end."""
    value, until = secrets.token_urlsafe(32), min(operator.until, now + SESSION_LIVES)
    tx.execute(
        sa.insert(operator_sessions).values(
            digest=_digest(value), key_id=operator.key_id, opened_at=now, expires_at=until
        )
    )
    return value, until


def by_session(tx: sa.Connection, presented: str, now: dt.datetime) -> Operator | None:
    """Whose session this is; None when it is over, or its key is."""
    k, s = api_keys, operator_sessions
    row = tx.execute(
        sa.select(s.c.expires_at, k.c.name, k.c.scopes, k.c.key_id)
        .join(k, k.c.key_id == s.c.key_id)
        .where(s.c.digest == _digest(presented), s.c.ended_at.is_(None), s.c.expires_at > now)
        .where(k.c.revoked_at.is_(None), k.c.expires_at > now)
    ).one_or_none()
    if row is None:
        return None
    _note_use(tx, row.key_id, now)
    return Operator(row.name, tuple(row.scopes), row.expires_at, "session", row.key_id, form_proof(presented))


def close_session(tx: sa.Connection, presented: str, now: dt.datetime) -> None:
    """Ends a session; one that is over already stays as it is."""
    s = operator_sessions
    tx.execute(sa.update(s).where(s.c.digest == _digest(presented), s.c.ended_at.is_(None)).values(ended_at=now))


def form_proof(session: str) -> str:
    """What a form shown in this session carries: nobody without the cookie can make it."""
    return hmac.new(session.encode(), b"form", hashlib.sha256).hexdigest()


def _insert(tx: sa.Connection, name: str, scopes: Sequence[str], expires_at: dt.datetime, now: dt.datetime) -> str:
    if expires_at <= now:
        raise KeyRefused(f"expires_at={expires_at:%Y-%m-%d %H:%M} UTC is past: name a later end")
    key = PREFIX + secrets.token_urlsafe(32)
    tx.execute(
        sa.insert(api_keys).values(
            name=name, scopes=list(scopes), digest=_digest(key), created_at=now, expires_at=expires_at
        )
    )
    return key


def _live(tx: sa.Connection, name: str, now: dt.datetime) -> list[sa.Row[Any]]:
    t = api_keys
    live = (t.c.name == name, t.c.revoked_at.is_(None), t.c.expires_at > now)
    return list(tx.execute(sa.select(t).where(*live).order_by(t.c.key_id)))


def _serialise(tx: sa.Connection, name: str) -> None:
    tx.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))"), {"what": f"api_keys:{name}"})


def _note_use(tx: sa.Connection, key_id: int, now: dt.datetime) -> None:
    t = api_keys
    stale = sa.or_(t.c.last_used_at.is_(None), t.c.last_used_at < now - _USE_NOTED_EVERY)
    tx.execute(sa.update(t).where(t.c.key_id == key_id, stale).values(last_used_at=now))


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
