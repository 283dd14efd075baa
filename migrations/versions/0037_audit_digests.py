"""Signed digests of the audit log.

Revision ID: 0037_audit_digests
Revises: 0036_claims
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0037_audit_digests"
down_revision = "0036_claims"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"


def upgrade() -> None:
    op.create_table(
        "audit_digests",
        sa.Column("digest_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("signed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "link", sa.BigInteger(), nullable=False, comment="of audit_chain, the last one then; 0 of an empty log"
        ),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "problems",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="what verifying found; an empty list while all is whole",
        ),
        sa.Column(
            "signature",
            sa.LargeBinary(),
            nullable=False,
            comment="HMAC-SHA256 under a key of LEADFACTORY_SIGNING_KEYS",
        ),
        sa.PrimaryKeyConstraint("digest_id", name=op.f("pk_audit_digests")),
        schema=SCHEMA,
        comment="Append-only: one row per look at the whole audit log, daily; signed, and kept outside the database too.",
    )
    op.create_index(op.f("ix_audit_digests_signed_at"), "audit_digests", ["signed_at"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("audit_digests", schema=SCHEMA)
