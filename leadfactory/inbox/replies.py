"""Takes answers to letters: signature over the raw bytes, an address of ours that names the send, then one transaction.

An answer is stored once, its text for 30 days and for people only: nothing here, and nothing that reads it, hands it to a language
model. A person's word ends the conversation, a wish to hear no more suppresses the address, a machine's notice does neither.
"""

from __future__ import annotations

import dataclasses
import logging
import uuid
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import mail_tokens
from leadfactory.clock import Clock
from leadfactory.d00_gateway.sendgrid import signed_events_valid
from leadfactory.d09_delivery import opt_outs, sequences
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database
from leadfactory.inbox import audit
from leadfactory.inbox.inbound import Inbound, Malformed, address, read
from leadfactory.inbox.receiving import SIGNATURE, TIMESTAMP, Receiver, Refused, listed
from leadfactory.inbox.reply_kinds import Kind, kind_of
from leadfactory.inbox.reply_rules import reply_rules
from leadfactory.inbox.rules import rules
from leadfactory.inbox.tables import inbound_mails
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.settings import Settings
from leadfactory.tokens import TokenError, Tokens

log = logging.getLogger(__name__)
SOURCE = "inbound"
_ACTIONS: Mapping[Kind, str] = {
    "reply": "replied", "stop": "asked_by_mail_to_stop", "out_of_office": "out_of_office", "bounce": "mail_returned",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Answered:
    """What a post brought: a new row or none, and what it meant. ``refused`` says why a signed mail was not taken."""

    stored: int
    kind: str | None = None
    refused: str | None = None


class Replies:
    """Takes Inbound Parse posts for one process. ``wall`` judges signatures; ``receiver`` keeps the audit of refusals and takes bounces."""

    def __init__(
        self, db: Database, settings: Settings, clock: Clock, receiver: Receiver, wall: Clock | None = None
    ) -> None:
        self._db, self._clock, self._receiver, self._wall = db, clock, receiver, wall or Clock()
        self._hashes = KeyedHashes(settings.suppression_key.get_secret_value())
        self._tokens = Tokens(settings.signing_keys.get_secret_value())
        self._keys = listed(settings.sendgrid_inbound_public_key)

    def take(self, body: bytes, headers: Mapping[str, str]) -> Answered:
        """Stores the mail of one post and does what it asks for.

        Raises:
            Refused: no key of ours signed these bytes, or the signature is old or dated ahead. What is signed and of no use (no
                address of ours, seen before, unreadable) is counted too, but answered: a second try would be no better.
        """
        stale = self._check(body, headers)
        try:
            mail = read(headers.get("content-type", ""), body)
        except Malformed:
            return self._useless("unreadable", len(body))
        named = self._send_of(mail)
        if named is None:
            return self._useless("names_no_send", len(body))
        send_id, purpose, recipient = named
        if purpose == "bounce":  # an SMTP relay's: it folds like an event of SendGrid's
            taken = self._receiver.bounce(mail.report or b"", recipient)
            return Answered(taken.stored, "bounce")
        kind = kind_of(mail, reply_rules())
        refused = self._store(mail, send_id, kind, stale)
        return Answered(1, kind) if refused is None else self._useless(refused, len(body))

    def _check(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether the signature, which is ours, is older than a first post's."""
        signature, timestamp = headers.get(SIGNATURE, ""), headers.get(TIMESTAMP, "")
        if not self._keys:
            raise Refused("no_key_configured")
        if not signature or not timestamp:
            raise Refused("not_signed")
        if not any(signed_events_valid(body, signature, timestamp, key) for key in self._keys):
            raise Refused("bad_signature")
        try:
            age = self._wall.now().timestamp() - int(timestamp)
        except (ValueError, OverflowError):
            raise Refused("bad_timestamp") from None
        if age < -rules().future_limit_s:
            raise Refused("future_dated")
        if age > reply_rules().old_after_s:
            raise Refused("too_old")
        return age > rules().stale_after_s

    def _useless(self, reason: str, size: int) -> Answered:
        log.warning("inbound mail not taken: %s", reason)
        self._receiver.refuse(SOURCE, reason, size)
        return Answered(0, refused=reason)

    def _send_of(self, mail: Inbound) -> tuple[uuid.UUID, str, str] | None:
        """The send that a recipient's address names, what for, and that address."""
        for recipient in mail.recipients:
            for purpose in ("reply", "bounce"):
                try:
                    return mail_tokens.read(self._tokens, purpose, recipient), purpose, recipient
                except TokenError:
                    continue
        return None

    def _store(self, mail: Inbound, send_id: uuid.UUID, kind: Kind, stale: bool) -> str | None:
        """Stores the mail and does what it asks for; why it was not stored."""
        now, limits = self._clock.now(), reply_rules()
        s = email_sends
        with self._db.begin() as tx:
            send = tx.execute(sa.select(s.c.address_hmac, s.c.address_plus_hmac).where(s.c.send_id == send_id)).first()
            if send is None:
                return "names_no_send"
            row = {
                "fingerprint": mail.fingerprint, "send_id": send_id, "kind": kind, "received_at": now, "stale": stale,
                "sender_hmac": self._hashed(mail.sender), "subject": mail.subject, "body": mail.text[: limits.kept_characters],
            }  # fmt: skip
            statement = insert(inbound_mails).values(row).on_conflict_do_nothing(index_elements=["fingerprint"])
            if tx.execute(statement.returning(inbound_mails.c.mail_id)).first() is None:
                return "replayed"
            ended = 0
            if kind == "stop":
                subjects = (
                    ("address", bytes(send.address_hmac)),
                    ("address_plus_stripped", bytes(send.address_plus_hmac)),
                )
                ended = opt_outs.stop(tx, subjects, reason="unsubscribe", source=SOURCE, now=now)[1]
                ended += sequences.stop(tx, send_id, "unsubscribe", now)
            elif kind == "reply":
                ended = sequences.stop(tx, send_id, "reply", now)
            audit.note(tx, "recipient", _ACTIONS[kind], now, send_id=send_id, planned_sends_ended=ended)
        return None

    def _hashed(self, sender: str) -> bytes | None:
        try:
            return self._hashes.address(address(sender))
        except ValueError:
            return None
