"""Conversations that ended, so that no follow-up is sent to who answered.

Revision ID: 0018_sequences
Revises: 0017_price_book
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018_sequences"
down_revision = "0017_price_book"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
REASONS = "'erased', 'complaint', 'unsubscribe', 'not_me', 'bounce', 'purchase', 'reply', 'click'"


def upgrade() -> None:
    op.create_table(
        "sequence_stops",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("send_id", sa.Uuid(), nullable=False, comment="the send that the recipient answered"),
        sa.Column("stopped_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="when we first heard of it"),
        sa.CheckConstraint(f"reason IN ({REASONS})", name=op.f("ck_sequence_stops_reason_known")),
        sa.PrimaryKeyConstraint("campaign", "business_id", name=op.f("pk_sequence_stops")),
        schema=SCHEMA,
        comment="Conversations that ended: no follow-up is planned or claimed for them. The strongest reason stays.",
    )
    op.alter_column(
        "contact_slots",
        "send_id",
        existing_type=sa.Uuid(),
        existing_nullable=False,
        comment="of the first step: it stands for the whole conversation",
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.alter_column(
        "contact_slots",
        "send_id",
        existing_type=sa.Uuid(),
        existing_nullable=False,
        comment=None,
        existing_comment="of the first step: it stands for the whole conversation",
        schema=SCHEMA,
    )
    op.drop_table("sequence_stops", schema=SCHEMA)
