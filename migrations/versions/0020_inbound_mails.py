"""Answers to letters: what came by Inbound Parse, its text for 30 days.

Revision ID: 0020_inbound_mails
Revises: 0019_totals_have_a_term
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020_inbound_mails"
down_revision = "0019_totals_have_a_term"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
KINDS = "'bounce', 'out_of_office', 'stop', 'reply'"


def upgrade() -> None:
    op.create_table(
        "inbound_mails",
        sa.Column("mail_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "fingerprint",
            sa.Text(),
            nullable=False,
            comment="hash of recipient and Message-ID: the same mail again is no second one",
        ),
        sa.Column("send_id", sa.Uuid(), nullable=False, comment="the send whose reply address it came to"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False, comment="the signature was old when it came"),
        sa.Column("sender_hmac", sa.LargeBinary(), nullable=True, comment="in place of the address that wrote"),
        sa.Column(
            "subject", sa.Text(), nullable=True, comment="removed after 30 days; never given to a language model"
        ),
        sa.Column("body", sa.Text(), nullable=True, comment="removed after 30 days; never given to a language model"),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_inbound_mails_kind_known")),
        sa.PrimaryKeyConstraint("mail_id", name=op.f("pk_inbound_mails")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_inbound_mails_fingerprint")),
        schema=SCHEMA,
        comment="One row per answer to a letter, stored once; only those that are signed and name a send of ours.",
    )
    for column in ("send_id", "received_at"):
        op.create_index(op.f(f"ix_inbound_mails_{column}"), "inbound_mails", [column], unique=False, schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("inbound_mails", schema=SCHEMA)
