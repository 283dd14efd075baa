"""The edge's inbox: webhook events, refusals, the audit log, and what the fold makes of mail events.

Revision ID: 0009_webhooks
Revises: 0008_enrichment
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009_webhooks"
down_revision = "0008_enrichment"
branch_labels = None
depends_on = None

TABLES = ("webhook_inbox", "webhook_refusals", "audit_log", "email_events", "send_outcomes")


def upgrade() -> None:
    op.create_table(
        "webhook_inbox",
        sa.Column("inbox_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "event_id", sa.Text(), nullable=False, comment="the vendor's; of a malformed event a hash of its content"
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "send_id",
            sa.Uuid(),
            nullable=True,
            comment="ours, from the custom arguments; NULL when the event names none",
        ),
        sa.Column("address_hmac", sa.LargeBinary(), nullable=True, comment="in place of the address"),
        sa.Column(
            "occurred_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="as the vendor says; NULL when it does not",
        ),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False, comment="the signature was old when it came"),
        sa.Column(
            "payload",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="without address, IP, agent and whole links",
        ),
        sa.Column("ip", sa.Text(), nullable=True, comment="for bot filtering, removed after 30 days"),
        sa.Column("user_agent", sa.Text(), nullable=True, comment="for bot filtering, removed after 30 days"),
        sa.Column("processed_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="NULL while it waits"),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('folded', 'unmatched', 'kept', 'quarantined')", name=op.f("ck_webhook_inbox_outcome_known")
        ),
        sa.CheckConstraint("source IN ('sendgrid', 'stripe')", name=op.f("ck_webhook_inbox_source_known")),
        sa.CheckConstraint(
            "(processed_at IS NULL) = (outcome IS NULL)", name=op.f("ck_webhook_inbox_processed_has_outcome")
        ),
        sa.PrimaryKeyConstraint("inbox_id", name=op.f("pk_webhook_inbox")),
        sa.UniqueConstraint("source", "event_id", name=op.f("uq_webhook_inbox_source_event_id")),
        schema="leadfactory",
        comment="One row per vendor event, stored once however often it is posted; processed from here, replayable.",
    )
    op.create_index(
        op.f("ix_webhook_inbox_received_at"), "webhook_inbox", ["received_at"], unique=False, schema="leadfactory"
    )
    op.create_index(
        "ix_webhook_inbox_waiting",
        "webhook_inbox",
        ["source", "inbox_id"],
        unique=False,
        schema="leadfactory",
        postgresql_where=sa.text("processed_at IS NULL"),
    )
    op.create_table(
        "webhook_refusals",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("minute", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.Column("largest_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "reason", "minute", name=op.f("pk_webhook_refusals")),
        schema="leadfactory",
        comment="Posts that were refused, by minute and reason, so that a flood is a row and not a table; no body is kept.",
    )
    op.create_table(
        "audit_log",
        sa.Column("audit_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("happened_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="recipient, operator"),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("send_id", sa.Uuid(), nullable=True),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit_log")),
        schema="leadfactory",
        comment="Append-only: what people asked of us and what operators did to the inbox; ids only, never an address.",
    )
    op.create_index(op.f("ix_audit_log_send_id"), "audit_log", ["send_id"], unique=False, schema="leadfactory")
    op.create_table(
        "email_events",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False, comment="SendGrid's sg_event_id"),
        sa.Column("send_id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("bounce_type", sa.Text(), nullable=True, comment="bounce, blocked; as SendGrid says"),
        sa.Column("bounce_classification", sa.Text(), nullable=True),
        sa.Column(
            "message_id", sa.Text(), nullable=True, comment="SendGrid's X-Message-Id, with which sg_message_id begins"
        ),
        sa.Column("url_hash", sa.Text(), nullable=True, comment="which link was followed, without telling it"),
        sa.Column(
            "machine", sa.Boolean(), nullable=False, comment="SendGrid or the user agent says that no person did it"
        ),
        sa.Column(
            "bot_reason", sa.Text(), nullable=True, comment="why an open or click does not count; NULL when it does"
        ),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_email_events")),
        schema="leadfactory",
        comment="One row per mail event that carries a send id of ours.",
    )
    op.create_index(
        op.f("ix_email_events_campaign_cohort_on"),
        "email_events",
        ["campaign", "cohort_on"],
        unique=False,
        schema="leadfactory",
    )
    op.create_index(op.f("ix_email_events_send_id"), "email_events", ["send_id"], unique=False, schema="leadfactory")
    op.create_table(
        "send_outcomes",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("send_id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("delivery", sa.Text(), nullable=True),
        sa.Column("delivered_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("bounced_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("dropped_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("deferred_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("opened_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="the first open by a person"),
        sa.Column("clicked_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="the first click by a person"),
        sa.Column("complained_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("unsubscribed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("bot_opens", sa.Integer(), nullable=False),
        sa.Column("bot_clicks", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("send_id", name=op.f("pk_send_outcomes")),
        schema="leadfactory",
        comment="One row per send that has events: what became of the mail, folded from all of them, in any order.",
    )
    op.create_index(
        op.f("ix_send_outcomes_campaign_cohort_on"),
        "send_outcomes",
        ["campaign", "cohort_on"],
        unique=False,
        schema="leadfactory",
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema="leadfactory")
