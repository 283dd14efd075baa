"""When a refund was first asked of Stripe: its key lives from then on, and not from the wish for it.

Revision ID: 0040_refund_claims
Revises: 0039_keys_of_a_claim
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040_refund_claims"
down_revision = "0039_keys_of_a_claim"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"


def upgrade() -> None:
    op.add_column(
        "refund_requests",
        sa.Column(
            "claimed_at", sa.TIMESTAMP(timezone=True), comment="before the first call, from which on its key lives"
        ),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_column("refund_requests", "claimed_at", schema=SCHEMA)
