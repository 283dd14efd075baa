"""Each claim of a send has an id, which the send journal carries too.

Revision ID: 0031_claims
Revises: 0030_suppression_polls
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031_claims"
down_revision = "0030_suppression_polls"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"


def upgrade() -> None:
    op.add_column(
        "email_sends",
        sa.Column("claim_id", sa.Uuid(), comment="the claim that holds or held it; the journal's lines carry it too"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_column("email_sends", "claim_id", schema=SCHEMA)
