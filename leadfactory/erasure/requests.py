"""Asking to be forgotten: mail stops in the same transaction, and the request waits for `leadfactory erase-person`."""

from __future__ import annotations

import datetime as dt
import uuid

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d09_delivery import opt_outs, sequences
from leadfactory.d09_delivery.opt_outs import Recipient
from leadfactory.erasure.tables import erasure_requests
from leadfactory.inbox import audit


def ask(tx: sa.Connection, person: Recipient, now: dt.datetime) -> None:
    """The recipient of a send asks: suppresses the address at once and stores the request; asking again changes nothing."""
    new, ended = opt_outs.stop(tx, person.address_subjects, reason="erased", source="edge", now=now)
    ended += sequences.stop(tx, person.send_id, "erased", now)
    stored = store(tx, person.address_hmac, person.address_plus_hmac, "recipient", now)
    audit.note(
        tx, "recipient", "erasure_requested", now, send_id=person.send_id, new_suppressions=new,
        planned_sends_ended=ended, new_request=stored,
    )  # fmt: skip


def store(tx: sa.Connection, email_hmac: bytes, email_plus_hmac: bytes, source: str, now: dt.datetime) -> bool:
    """Whether a request is new: one of the same address that still waits is not asked twice."""
    done = tx.execute(
        insert(erasure_requests)
        .values(
            request_id=uuid.uuid4(), email_hmac=email_hmac, email_plus_hmac=email_plus_hmac, source=source, requested_at=now
        )
        .on_conflict_do_nothing()
        .returning(erasure_requests.c.request_id)
    )  # fmt: skip
    return done.first() is not None


def is_erased(tx: sa.Connection, email_hmac: bytes) -> bool:
    """Whether somebody asked for what this address's links lead to to be deleted."""
    found = sa.select(sa.literal(1)).where(erasure_requests.c.email_hmac == email_hmac).limit(1)
    return tx.scalar(found) is not None
