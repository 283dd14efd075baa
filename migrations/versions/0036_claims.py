"""Each claim of a send has an id, which the send journal carries too; planned sends are indexed in the order of claims.

Revision ID: 0036_claims
Revises: 0035_config_reloads
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036_claims"
down_revision = "0035_config_reloads"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"


def upgrade() -> None:
    op.add_column(
        "email_sends",
        sa.Column("claim_id", sa.Uuid(), comment="the claim that holds or held it; the journal's lines carry it too"),
        schema=SCHEMA,
    )
    op.add_column(
        "email_sends",
        sa.Column(
            "quarantined_at",
            sa.TIMESTAMP(timezone=True),
            comment="of an unknown one: no event told of it in time; evidence still settles it",
        ),
        schema=SCHEMA,
    )
    _index("due_at", "campaign", "cohort_on", "send_id")


def downgrade() -> None:
    _index("due_at")
    op.drop_column("email_sends", "quarantined_at", schema=SCHEMA)
    op.drop_column("email_sends", "claim_id", schema=SCHEMA)


def _index(*columns: str) -> None:
    op.drop_index("ix_email_sends_due", "email_sends", schema=SCHEMA)
    op.create_index(
        "ix_email_sends_due", "email_sends", list(columns), schema=SCHEMA, postgresql_where=sa.text("state = 'planned'")
    )
