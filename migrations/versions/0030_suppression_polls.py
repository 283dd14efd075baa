"""A mailer's own suppression lists: when they were read, and the halt of a mailer whose lists are stale.

Revision ID: 0030_suppression_polls
Revises: 0029_paused_arms
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030_suppression_polls"
down_revision = "0029_paused_arms"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
MOMENT = sa.TIMESTAMP(timezone=True)
OLD = (
    "Senders and campaigns that complaints or bounces stopped; only a person lets one go on.",
    "a sender's own address, or a campaign",
)
NEW = (
    "Senders, campaigns and mailers that complaints, bounces or a stale suppression list stopped; only a person lets one go on.",
    "a sender's own address, a campaign, or a mailer",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "suppression_polls",
        sa.Column("poll_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("mailer", sa.Text(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False, comment="every list was read to its end"),
        sa.Column("listed", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "unheard", sa.Integer(), server_default="0", nullable=False, comment="entries of which no event had come"
        ),
        sa.Column("suppressed", sa.Integer(), server_default="0", nullable=False, comment="suppressions that are new"),
        sa.Column("reason", sa.Text(), nullable=True, comment="why a list could not be read"),
        sa.PrimaryKeyConstraint("poll_id", name=op.f("pk_suppression_polls")),
        schema=SCHEMA,
        comment="Each time that a mailer's own suppression lists were read; when the last whole one is old, its mail stops.",
    )
    op.create_index(
        op.f("ix_suppression_polls_mailer_began_at"), "suppression_polls", ["mailer", "began_at"], schema=SCHEMA
    )
    _halts("'sender', 'campaign', 'mailer'", *NEW)


def downgrade() -> None:
    op.execute("DELETE FROM leadfactory.halts WHERE scope = 'mailer'")
    _halts("'sender', 'campaign'", *OLD)
    op.drop_table("suppression_polls", schema=SCHEMA)


def _halts(scopes: str, table: str, subject: str) -> None:
    op.drop_constraint(op.f("ck_halts_scope_known"), "halts", schema=SCHEMA)
    op.create_check_constraint(op.f("ck_halts_scope_known"), "halts", f"scope IN ({scopes})", schema=SCHEMA)
    op.create_table_comment("halts", table, schema=SCHEMA)
    op.alter_column("halts", "subject", comment=subject, schema=SCHEMA)
