"""How long each step of a run took and which checks did not pass, for processes that do not know Dagster.

Revision ID: 0031_run_facts
Revises: 0030_suppression_polls
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031_run_facts"
down_revision = "0030_suppression_polls"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"


def upgrade() -> None:
    for name, empty, comment in (
        ("steps", "'{}'::jsonb", "step → status and seconds"),
        ("failed_checks", "'[]'::jsonb", "asset checks that did not pass, as asset:check"),
    ):
        op.add_column(
            "run_outcomes",
            sa.Column(name, postgresql.JSONB(), nullable=False, server_default=sa.text(empty), comment=comment),
            schema=SCHEMA,
        )
    op.create_index(op.f("ix_run_outcomes_ended_at"), "run_outcomes", ["ended_at"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_index(op.f("ix_run_outcomes_ended_at"), "run_outcomes", schema=SCHEMA)
    op.drop_column("run_outcomes", "failed_checks", schema=SCHEMA)
    op.drop_column("run_outcomes", "steps", schema=SCHEMA)
