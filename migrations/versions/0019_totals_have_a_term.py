"""How many results Yelp told of is kept with what expires, not beside our cursors; when a probe opened a target again.

Revision ID: 0019_totals_have_a_term
Revises: 0018_sequences
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019_totals_have_a_term"
down_revision = "0018_sequences"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"


def upgrade() -> None:
    op.drop_column("target_parts", "told_total", schema=SCHEMA)
    op.add_column(
        "target_parts",
        sa.Column(
            "reopened_at",
            sa.TIMESTAMP(timezone=True),
            comment="when a probe last opened an exhausted target again",
        ),
        schema=SCHEMA,
    )
    op.add_column(
        "target_parts",
        sa.Column(
            "cut",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="Yelp has more of it than it shows, and it cannot be split",
        ),
        schema=SCHEMA,
    )
    # A dropped column's values stay in the table's files until its rows are written again.
    op.execute("UPDATE leadfactory.target_parts SET next_offset = next_offset")


def downgrade() -> None:
    op.drop_column("target_parts", "cut", schema=SCHEMA)
    op.drop_column("target_parts", "reopened_at", schema=SCHEMA)
    op.add_column(
        "target_parts",
        sa.Column("told_total", sa.Integer(), comment="results that Yelp told of last; NULL before the first answer"),
        schema=SCHEMA,
    )
