"""Senders and campaigns that complaints or bounces stopped.

Revision ID: 0025_halts
Revises: 0024_sold_reports
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025_halts"
down_revision = "0024_sold_reports"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
MOMENT = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "halts",
        sa.Column("halt_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="a sender's own address, or a campaign"),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False, comment="the figures that broke the rule"),
        sa.Column("halted_at", MOMENT, nullable=False),
        sa.Column("resumed_at", MOMENT, nullable=True, comment="NULL while nothing of the subject is sent"),
        sa.Column("resumed_by", sa.Text(), nullable=True, comment="the person who let it go on"),
        sa.Column("resumed_why", sa.Text(), nullable=True),
        sa.CheckConstraint("scope IN ('sender', 'campaign')", name=op.f("ck_halts_scope_known")),
        sa.CheckConstraint("(resumed_at IS NULL) = (resumed_by IS NULL)", name=op.f("ck_halts_resumed_by_a_person")),
        sa.PrimaryKeyConstraint("halt_id", name=op.f("pk_halts")),
        schema=SCHEMA,
        comment="Senders and campaigns that complaints or bounces stopped; only a person lets one go on.",
    )
    op.create_index(
        "uq_halts_open",
        "halts",
        ["scope", "subject", "rule"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("resumed_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("halts", schema=SCHEMA)
