"""Who asked to be forgotten, and the proof of it.

Revision ID: 0022_erasure
Revises: 0021_purchases
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022_erasure"
down_revision = "0021_purchases"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
MOMENT = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "erasure_requests",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column(
            "email_hmac", sa.LargeBinary(), nullable=False, comment="of the address; the address itself is not kept"
        ),
        sa.Column("email_plus_hmac", sa.LargeBinary(), nullable=True, comment="of the address without its +tag"),
        sa.Column("source", sa.Text(), nullable=False, comment="recipient: pressed the button; operator: was asked"),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("completed_at", MOMENT, nullable=True, comment="NULL while it waits; NULL again never"),
        sa.Column(
            "proof",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
            comment="place by place: what was removed, and what was looked at after",
        ),
        sa.CheckConstraint(
            "(completed_at IS NULL) = (proof IS NULL)", name=op.f("ck_erasure_requests_completed_has_proof")
        ),
        sa.CheckConstraint("source IN ('recipient', 'operator')", name=op.f("ck_erasure_requests_source_known")),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_erasure_requests")),
        schema=SCHEMA,
        comment="One row per request to be forgotten; worked off by `leadfactory erase-person`, and kept as the proof that it was.",
    )
    op.create_index(op.f("ix_erasure_requests_email_hmac"), "erasure_requests", ["email_hmac"], schema=SCHEMA)
    op.create_index(
        "uq_erasure_requests_waiting",
        "erasure_requests",
        ["email_hmac"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("completed_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("erasure_requests", schema=SCHEMA)
