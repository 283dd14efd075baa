"""Configuration that running processes take over.

Revision ID: 0035_config_reloads
Revises: 0034_pauses
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035_config_reloads"
down_revision = "0034_pauses"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"


def upgrade() -> None:
    op.create_table(
        "config_reloads",
        sa.Column("reload_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reloaded_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("reloaded_by", sa.Text(), nullable=False),
        sa.Column("files", postgresql.JSONB(), nullable=False, comment="file → SHA-256 of what was checked"),
        sa.PrimaryKeyConstraint("reload_id", name=op.f("pk_config_reloads")),
        schema=SCHEMA,
        comment="Configuration that was checked and is taken over by running processes: the newest row is what they follow.",
    )


def downgrade() -> None:
    op.drop_table("config_reloads", schema=SCHEMA)
