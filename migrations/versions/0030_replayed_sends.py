"""What the send journal knew and a restored database did not.

Revision ID: 0030_replayed_sends
Revises: 0029_backups
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030_replayed_sends"
down_revision = "0029_backups"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
MOMENT = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "replayed_sends",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column(
            "send_id", sa.Uuid(), nullable=False, comment="of a letter, or the delivery_id of a sold report's mail"
        ),
        sa.Column("address_hmac", sa.LargeBinary(), nullable=False),
        sa.Column("claimed_at", MOMENT, nullable=False),
        sa.Column("replayed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("send_id", name=op.f("pk_replayed_sends")),
        schema=SCHEMA,
        comment="Mails that the send journal knew and a restored database did not: they are taken for sent.",
    )
    op.create_index(op.f("ix_replayed_sends_address_hmac"), "replayed_sends", ["address_hmac"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("replayed_sends", schema=SCHEMA)
