"""What the scheduled look at files found.

Revision ID: 0038_file_looks
Revises: 0037_audit_digests
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038_file_looks"
down_revision = "0037_audit_digests"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"


def upgrade() -> None:
    op.create_table(
        "file_looks",
        sa.Column("area", sa.Text(), nullable=False, comment="lake, blobs or warehouse"),
        sa.Column("files", sa.Integer(), nullable=False, comment="that must be there and were read"),
        sa.Column("broken", sa.Integer(), nullable=False, comment="of them, damaged or gone"),
        sa.Column(
            "samples",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="some of the broken ones: path and what is wrong",
        ),
        sa.Column("looked_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="real time"),
        sa.PrimaryKeyConstraint("area", name=op.f("pk_file_looks")),
        schema=SCHEMA,
        comment="The newest look at each kind of file outside of Postgres.",
    )


def downgrade() -> None:
    op.drop_table("file_looks", schema=SCHEMA)
