"""Campaign-days whose audits and mail left Postgres as a whole, and what read-outs go on counting of them.

Revision ID: 0041_archives
Revises: 0040_refund_claims
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041_archives"
down_revision = "0040_refund_claims"
branch_labels = None
depends_on = None

SCHEMA = "leadfactory"
COLUMNS = {
    "audits_archived_at": "when its audits left Postgres; the lake keeps them",
    "mail_archived_at": "when its mail left Postgres; the lake keeps it",
}


def upgrade() -> None:
    for name, comment in COLUMNS.items():
        op.add_column(
            "campaign_days",
            sa.Column(name, sa.TIMESTAMP(timezone=True), nullable=True, comment=comment),
            schema=SCHEMA,
        )
    op.create_table(
        "archived_responses",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cohort_on", sa.Date(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("happened_on", sa.Date(), nullable=False, comment="day of the first event of each, UTC"),
        sa.Column("businesses", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "campaign",
            "cohort_on",
            "experiment",
            "version",
            "arm",
            "metric",
            "happened_on",
            name=op.f("pk_archived_responses"),
        ),
        schema=SCHEMA,
        comment="What read-outs go on counting of a campaign-day whose mail was archived: counts by arm, metric and day, of rows that left.",
    )
    op.create_index(
        op.f("ix_archived_responses_experiment_version"),
        "archived_responses",
        ["experiment", "version"],
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("archived_responses", schema=SCHEMA)
    for name in reversed(COLUMNS):
        op.drop_column("campaign_days", name, schema=SCHEMA)
