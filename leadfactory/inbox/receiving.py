"""Takes a vendor's post: the signature over the raw bytes, then one transaction that stores each event once and stops mail."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import logs
from leadfactory.clock import Clock
from leadfactory.d00_gateway.sendgrid import signed_events_valid
from leadfactory.d09_delivery import dsn, opt_outs
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database
from leadfactory.inbox import reading
from leadfactory.inbox.reading import Entry
from leadfactory.inbox.rules import WebhookRules, rules
from leadfactory.inbox.tables import MAIL_SOURCES, webhook_refusals
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.settings import Settings
from leadfactory.tokens import Tokens

SIGNATURE, TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
_INSERT = sa.text(
    """INSERT INTO webhook_inbox (source, event_id, kind, payload, occurred_at, send_id, address_hmac, ip, user_agent,
                                  received_at, stale, processed_at, outcome, reason)
       SELECT :source, u.event_id, u.kind, CAST(u.payload AS jsonb), u.occurred_at, u.send_id, u.address_hmac, u.ip,
              u.user_agent, :now, :stale, CASE WHEN u.fault IS NOT NULL THEN CAST(:now AS timestamptz) END,
              CASE WHEN u.fault IS NOT NULL THEN 'quarantined' END, u.fault
       FROM unnest(CAST(:event_id AS text[]), CAST(:kind AS text[]), CAST(:payload AS text[]), CAST(:occurred_at AS timestamptz[]),
                   CAST(:send_id AS uuid[]), CAST(:address_hmac AS bytea[]), CAST(:ip AS text[]), CAST(:user_agent AS text[]),
                   CAST(:fault AS text[]))
            AS u(event_id, kind, payload, occurred_at, send_id, address_hmac, ip, user_agent, fault)
       ON CONFLICT (source, event_id) DO NOTHING RETURNING event_id"""
)


class Refused(ValueError):
    """A post that is not taken; ``reason`` is one word for the audit, ``status`` the HTTP answer."""

    def __init__(self, reason: str, status: int = 401) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


@dataclasses.dataclass(frozen=True)
class Taken:
    """What a post brought: events in it, rows that are new, new rows that could not be read, suppressions that are new."""

    events: int
    stored: int
    quarantined: int
    suppressed: int


class Receiver:
    """Takes the posts of one process. ``wall`` judges signatures, which vendors date by real time; ``clock`` dates rows."""

    def __init__(self, db: Database, settings: Settings, clock: Clock, wall: Clock | None = None) -> None:
        self._db, self._clock, self._wall = db, clock, wall or Clock()
        self._hashes = KeyedHashes(settings.suppression_key.get_secret_value())
        self._tokens = Tokens(settings.signing_keys.get_secret_value())
        self._keys = listed(settings.sendgrid_webhook_public_key)
        self._secrets = listed(settings.stripe_webhook_secret.get_secret_value())

    def sendgrid(self, body: bytes, headers: Mapping[str, str]) -> Taken:
        """Stores the events of one SendGrid post.

        Raises:
            Refused: no key of ours signed these bytes, or the signature is dated ahead.
        """
        signature, timestamp = headers.get(SIGNATURE, ""), headers.get(TIMESTAMP, "")
        if not self._keys:
            raise Refused("no_key_configured")
        if not signature or not timestamp:
            raise Refused("not_signed")
        if not any(signed_events_valid(body, signature, timestamp, key) for key in self._keys):
            raise Refused("bad_signature")
        stale = self._stale(timestamp)
        return self._store("sendgrid", reading.sendgrid_entries(body, self._hashes, rules()), stale)

    def stripe(self, body: bytes, headers: Mapping[str, str]) -> Taken:
        """Stores the event of one Stripe post.

        Raises:
            Refused: no secret of ours signed these bytes, or the signature is old or dated ahead.
        """
        header = headers.get("stripe-signature", "")
        if not self._secrets:
            raise Refused("no_key_configured")
        if not header:
            raise Refused("not_signed")
        if not any(_stripe_valid(body, header, secret, rules()) for secret in self._secrets):
            raise Refused("bad_signature")
        dated = next((part[2:] for part in header.split(",") if part.strip().startswith("t=")), "")
        stale = self._stale(dated.strip())
        return self._store("stripe", reading.stripe_entries(body, self._hashes), stale)

    def polled(self, events: Sequence[Mapping[str, Any]]) -> Taken:
        """Stores events of Stripe that we asked for ourselves, as its posts are stored: each once, whoever brought it."""
        entries: dict[str, Entry] = {}
        for event in events:
            for entry in reading.stripe_entries(json.dumps(event).encode(), self._hashes):
                entries.setdefault(entry.event_id, entry)
        return self._store("stripe", [entries[event_id] for event_id in sorted(entries)], stale=False)

    def listed(self, events: Sequence[Mapping[str, Any]]) -> Taken:
        """Stores what SendGrid's suppression lists told us when we asked, shaped like its events: each once, and mail stops."""
        body = json.dumps(list(events)).encode()
        return self._store("sendgrid", reading.sendgrid_entries(body, self._hashes, rules()), stale=False)

    def bounce(self, raw: bytes, recipient: str | None = None) -> Taken:
        """Stores what a mail that came back to an SMTP relay's envelope sender tells of a send of ours; nothing when it tells none.

        It needs no signature: the address it came to is signed and names the send, and nothing else in it is believed.
        """
        event = dsn.read(raw, self._tokens, received_at=self._clock.now(), recipient=recipient)
        body = json.dumps([] if event is None else [event]).encode()
        return self._store("smtp", reading.sendgrid_entries(body, self._hashes, rules()), stale=False)

    def refuse(self, source: str, reason: str, size: int) -> None:
        """Counts a refused post by minute and reason; nothing of its body is kept."""
        minute = self._clock.now().replace(second=0, microsecond=0)
        t = webhook_refusals
        statement = insert(t).values(source=source, reason=reason, minute=minute, posts=1, largest_bytes=size)
        with self._db.begin() as tx:
            tx.execute(
                statement.on_conflict_do_update(
                    index_elements=["source", "reason", "minute"],
                    set_={
                        "posts": t.c.posts + 1,
                        "largest_bytes": sa.func.greatest(t.c.largest_bytes, statement.excluded.largest_bytes),
                    },
                )
            )

    def _stale(self, timestamp: str) -> bool:
        """Whether a valid signature is old; one that is dated ahead is refused."""
        try:
            age = self._wall.now().timestamp() - int(timestamp)
        except (ValueError, OverflowError):
            raise Refused("bad_timestamp") from None
        if age < -rules().future_limit_s:
            raise Refused("future_dated")
        return age > rules().stale_after_s

    def _store(self, source: str, entries: Sequence[Entry], stale: bool) -> Taken:
        now = self._clock.now()
        if not entries:
            return Taken(0, 0, 0, 0)
        columns = ("event_id", "kind", "occurred_at", "send_id", "address_hmac", "ip", "user_agent", "fault")
        arrays: dict[str, list[Any]] = {name: [getattr(entry, name) for entry in entries] for name in columns}
        arrays["payload"] = [json.dumps(entry.payload, allow_nan=False) for entry in entries]
        with self._db.begin() as tx:
            new = set(tx.scalars(_INSERT, {**arrays, "source": source, "now": now, "stale": stale}))
            suppressed = _stop(tx, [entry for entry in entries if entry.stop_reason], source, now)
        if source in MAIL_SOURCES:
            for entry in entries:
                if entry.event_id in new:
                    logs.mail_event(source, entry.kind, event_id=entry.event_id, send_id=entry.send_id, stale=stale)
        quarantined = sum(entry.fault is not None and entry.event_id in new for entry in entries)
        return Taken(len(entries), len(new), quarantined, suppressed)


def _stop(tx: sa.Connection, entries: Sequence[Entry], source: str, now: dt.datetime) -> int:
    """Suppresses the addresses that the events name, and those of the sends that they carry."""
    if not entries:
        return 0
    s = email_sends
    sent = tx.execute(
        sa.select(s.c.send_id, s.c.address_hmac, s.c.address_plus_hmac).where(
            s.c.send_id.in_({entry.send_id for entry in entries if entry.send_id})
        )
    )
    of_send = {
        row.send_id: (("address", bytes(row.address_hmac)), ("address_plus_stripped", bytes(row.address_plus_hmac)))
        for row in sent
    }
    by_reason: dict[str, set[tuple[str, bytes]]] = defaultdict(set)
    for entry in entries:
        own = of_send.get(entry.send_id, ()) if entry.send_id else ()
        by_reason[str(entry.stop_reason)] |= {*entry.stops, *own}
    return sum(
        opt_outs.stop(tx, subjects, reason=reason, source=source, now=now)[0]
        for reason, subjects in sorted(by_reason.items())
    )


def _stripe_valid(body: bytes, header: str, secret: str, limits: WebhookRules) -> bool:
    import stripe

    try:
        return bool(
            stripe.WebhookSignature.verify_header(body.decode("utf-8"), header, secret, limits.stripe_tolerance_s)
        )
    except (stripe.SignatureVerificationError, ValueError, OverflowError, TypeError):  # TypeError: not ASCII
        return False


def listed(text: str) -> list[str]:
    """Several live keys, comma-separated, during rotation."""
    return [part.strip() for part in text.split(",") if part.strip()]
