"""Tables of the inbox: what vendors posted, what was refused, and who asked us for what."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.audit_log import audit_log as audit_log
from leadfactory.database import Json, Moment, metadata, one_of

MAIL_SOURCES = ("sendgrid", "smtp")  # those whose events say what became of a mail

webhook_inbox = sa.Table(
    "webhook_inbox",
    metadata,
    sa.Column("inbox_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False, comment="the vendor's; of a malformed event a hash of its content"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("send_id", sa.Uuid, comment="ours, from the custom arguments; NULL when the event names none"),
    sa.Column("address_hmac", sa.LargeBinary, comment="in place of the address"),
    sa.Column("occurred_at", Moment, comment="as the vendor says; NULL when it does not"),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("stale", sa.Boolean, nullable=False, comment="the signature was old when it came"),
    sa.Column("payload", Json, nullable=False, comment="without address, IP, agent and whole links"),
    sa.Column("ip", sa.Text, comment="for bot filtering, removed after 30 days"),
    sa.Column("user_agent", sa.Text, comment="for bot filtering, removed after 30 days"),
    sa.Column("processed_at", Moment, comment="NULL while it waits"),
    sa.Column("outcome", sa.Text),
    sa.Column("reason", sa.Text),
    sa.UniqueConstraint("source", "event_id"),
    sa.Index("ix_webhook_inbox_waiting", "source", "inbox_id", postgresql_where=sa.text("processed_at IS NULL")),
    sa.Index("ix_webhook_inbox_unmatched", "source", "send_id", postgresql_where=sa.text("outcome = 'unmatched'")),
    sa.Index(None, "received_at"),
    one_of("source", "sendgrid", "smtp", "stripe"),
    one_of("outcome", "folded", "unmatched", "kept", "quarantined"),
    sa.CheckConstraint("(processed_at IS NULL) = (outcome IS NULL)", name="processed_has_outcome"),
    comment="One row per vendor event, stored once however often it is posted; processed from here, replayable.",
)
inbound_mails = sa.Table(
    "inbound_mails",
    metadata,
    sa.Column("mail_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column(
        "fingerprint",
        sa.Text,
        nullable=False,
        unique=True,
        comment="hash of recipient and Message-ID: the same mail again is no second one",
    ),
    sa.Column("send_id", sa.Uuid, nullable=False, index=True, comment="the send whose reply address it came to"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("received_at", Moment, nullable=False, index=True),
    sa.Column("stale", sa.Boolean, nullable=False, comment="the signature was old when it came"),
    sa.Column("sender_hmac", sa.LargeBinary, comment="in place of the address that wrote"),
    sa.Column("subject", sa.Text, comment="removed after 30 days; never given to a language model"),
    sa.Column("body", sa.Text, comment="removed after 30 days; never given to a language model"),
    one_of("kind", "bounce", "out_of_office", "stop", "reply"),
    comment="One row per answer to a letter, stored once; only those that are signed and name a send of ours.",
)
webhook_refusals = sa.Table(
    "webhook_refusals",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, primary_key=True),
    sa.Column("minute", Moment, primary_key=True),
    sa.Column("posts", sa.Integer, nullable=False),
    sa.Column("largest_bytes", sa.BigInteger, nullable=False),
    comment="Posts that were refused, by minute and reason, so that a flood is a row and not a table; no body is kept.",
)
