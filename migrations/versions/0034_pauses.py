"""What an operator holds back.

Revision ID: 0034_pauses
Revises: 0033_alerts
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034_pauses"
down_revision = "0033_alerts"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
MOMENT = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "pauses",
        sa.Column("pause_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="campaign, a sender's own address or vendor; empty for all"
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.Column("paused_at", MOMENT, nullable=False),
        sa.Column("resumed_at", MOMENT, nullable=True, comment="NULL while it holds"),
        sa.Column("resumed_by", sa.Text(), nullable=True),
        sa.Column("resumed_why", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('all', 'campaign', 'sender', 'vendor')", name=op.f("ck_pauses_kind_known")),
        sa.CheckConstraint("(kind = 'all') = (key = '')", name=op.f("ck_pauses_all_has_no_key")),
        sa.CheckConstraint("(resumed_at IS NULL) = (resumed_by IS NULL)", name=op.f("ck_pauses_resumed_by_a_person")),
        sa.PrimaryKeyConstraint("pause_id", name=op.f("pk_pauses")),
        schema=SCHEMA,
        comment="What an operator holds back: all work, a campaign, a sender or a vendor, by whom and why.",
    )
    op.create_index(
        "uq_pauses_open",
        "pauses",
        ["kind", "key"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("resumed_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("pauses", schema=SCHEMA)
