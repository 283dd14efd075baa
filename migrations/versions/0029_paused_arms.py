"""Arms of an experiment that passed a guardrail are paused, and the others go on.

Revision ID: 0029_paused_arms
Revises: 0028_caps
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029_paused_arms"
down_revision = "0028_caps"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"


def upgrade() -> None:
    op.add_column(
        "experiments",
        sa.Column(
            "paused_arms",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            server_default=sa.text("'{}'::text[]"),
            comment="arms over a guardrail: they get nobody more",
        ),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_column("experiments", "paused_arms", schema=SCHEMA)
